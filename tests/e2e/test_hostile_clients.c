/* Clients of the endpoint that take their time: whoever asks properly is answered beside them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fixtures/run_stage.h"

TestSuite(hostile_clients, .timeout = 120);

#define CLIENTS 300
#define ASKED   10

static void come_back(int *fd, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons(port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char byte;

	if (*fd >= 0 && recv(*fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
		return;
	if (*fd >= 0)
		close(*fd);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(*fd, "GET /", 5, MSG_NOSIGNAL) == 5)
		return;
	close(*fd);
	*fd = -1;
}

/* CLIENTS connections that send the beginning of a request, and come back when they are closed. */
static int come_back_for_ever(void *arg)
{
	const uint16_t *port = arg;
	struct pollfd clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	while (poll(clients, CLIENTS, 10) >= 0)
		for (size_t i = 0; i < CLIENTS; i++)
			come_back(&clients[i].fd, *port);
	return 1;
}

static int run_health(void *arg)
{
	char verb[] = "health", option[] = "-c";
	char *argv[] = {verb, option, arg, NULL};

	return cmd_health(3, argv);
}

static void expect_healthy(struct lab *lab, const struct run *run)
{
	auto_free char *ini = xstrdup(lab_segue_ini_file(run->segue));
	struct lab_process *health = lab_fork(lab, "health", run_health, ini);

	cr_expect(lab_process_wait(health, 30000));
	cr_expect_eq(lab_process_exit_code(health), 0, "%s", lab_process_log_tail(health));
}

Test(hostile_clients, three_hundred_that_come_back_shut_nobody_out)
{
	struct run run;
	struct lab *lab = lab_create("clients");
	uint16_t port = lab_port(lab);
	const char *listen = lab_printf(lab, "127.0.0.1:%u", (unsigned)port);

	run_init(&run, &(struct run_options){.segue = lab_printf(lab, "listen = %s\n", listen)});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0));
	lab_fork(lab, "slow", come_back_for_ever, &port);
	for (int i = 0; i < ASKED; i++) {
		auto_strbuf struct strbuf body = STRBUF_INIT;

		cr_expect_eq(lab_ask(listen, "GET", "/healthz", &body), 200);
		expect_healthy(lab, &run);
	}
	run_set_primary(&run, 1);
	cr_expect(run_wait_reaches(&run, 1));
	lab_destroy(lab);
	run_fini(&run);
}

/* The unix socket has places of its own: who holds all those of TCP, and is not slow enough yet to
 * go for the next one, keeps nobody waiting there. */
Test(hostile_clients, the_unix_socket_is_free_whatever_comes_over_tcp)
{
	struct run run;
	struct lab *lab = lab_create("doors");
	uint16_t port = lab_port(lab);
	const char *path = lab_path(lab, "door.sock");

	run_init(&run,
	         &(struct run_options){.segue = lab_printf(lab, "listen = 127.0.0.1:%u, unix:%s\n",
	                                                   (unsigned)port, path)});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_reaches(&run, 0));
	lab_fork(lab, "slow", come_back_for_ever, &port);
	for (int i = 0; i < ASKED; i++) {
		auto_strbuf struct strbuf body = STRBUF_INIT;

		cr_expect_eq(lab_ask(lab_printf(lab, "unix:%s", path), "GET", "/healthz", &body),
		             200);
		expect_healthy(lab, &run);
	}
	lab_destroy(lab);
	run_fini(&run);
}
