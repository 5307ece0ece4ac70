/* segue run with the template that ships: what a failover means for those who only read. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/lab.h"

#define TIMEOUT_MS 20000
#define MASTER     "/segue/orders/master"
#define SERVERS    3
#define READERS    12

TestSuite(run_readers, .timeout = 120);

struct failover_stage {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_backend *servers[SERVERS]; /* named "1", "2", "3" */
	struct lab_segue *segue;
	const char *state_file;
	uint16_t rw, ro; /* of HAProxy */
};

static const char *make_ini(struct failover_stage *failover_stage)
{
	char *template_file = realpath("templates/haproxy.cfg.mustache", NULL);
	const char *ini;

	cr_assert_not_null(template_file, "run from the top of the repository");
	ini = lab_printf(
	    failover_stage->lab,
	    "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	    "[cluster orders]\npath = /segue/orders\nverify = disable\n"
	    "[haproxy local]\ncluster = orders\ntemplate = %s\n"
	    "output = %s/orders.cfg\nsocket = %s\nmaster_socket = %s\n"
	    "check_command = haproxy -c -f %s\n  -f {}\n"
	    "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\nvar.check_interval = 100ms\n",
	    lab_path(failover_stage->lab, "state"), lab_zk_hosts(failover_stage->zk), template_file,
	    lab_haproxy_conf_dir(failover_stage->haproxy),
	    lab_haproxy_socket(failover_stage->haproxy),
	    lab_haproxy_master_socket(failover_stage->haproxy),
	    lab_haproxy_main_file(failover_stage->haproxy), failover_stage->rw, failover_stage->ro);
	free(template_file);
	return ini;
}

static void failover_stage_init(struct failover_stage *failover_stage)
{
	static const char *const names[SERVERS] = {"1", "2", "3"};

	failover_stage->lab = lab_create("readers");
	failover_stage->rw = lab_port(failover_stage->lab);
	failover_stage->ro = lab_port(failover_stage->lab);
	for (int i = 0; i < SERVERS; i++)
		failover_stage->servers[i] = lab_backend_start(failover_stage->lab, names[i]);
	failover_stage->haproxy = lab_haproxy_create(failover_stage->lab, NULL);
	lab_haproxy_start(failover_stage->haproxy);
	failover_stage->zk = lab_zk_share(failover_stage->lab);
	failover_stage->state_file = lab_path(failover_stage->lab, "state/orders.json");
	failover_stage->segue = lab_segue_create(failover_stage->lab, make_ini(failover_stage));
}

static const char *member(struct failover_stage *failover_stage, int number)
{
	return lab_printf(failover_stage->lab,
	                  "{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u}", number,
	                  lab_backend_port(failover_stage->servers[number - 1]));
}

/* `standbys`: as JSON, separated by commas. */
static int64_t publish(struct failover_stage *failover_stage, int primary, const char *standbys)
{
	const char *text =
	    lab_printf(failover_stage->lab, "{\"version\":1,\"primary\":%s,\"standbys\":[%s]}",
	               member(failover_stage, primary), standbys);

	return lab_zk_set(failover_stage->zk, MASTER, text, strlen(text));
}

static bool wait_moved(struct failover_stage *failover_stage, int64_t zxid)
{
	return lab_segue_wait_log(
	           failover_stage->segue, TIMEOUT_MS, "event=moved ", "target=haproxy/local",
	           lab_printf(failover_stage->lab, " zxid=%lld ", (long long)zxid), NULL) != NULL;
}

/* One byte of what comes within two seconds; 0: nothing, or the end. */
static char receive(int fd)
{
	struct pollfd event = {.fd = fd, .events = POLLIN};
	char byte = 0;

	if (poll(&event, 1, 2000) != 1 || recv(fd, &byte, 1, 0) != 1)
		return 0;
	return byte;
}

/* Returns the connection, and who answered. */
static int connect_to(uint16_t port, char *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons(port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	*server = receive(fd);
	if (*server != 0)
		cr_assert_eq(receive(fd), '\n');
	return fd;
}

static bool lives(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL) == 1 && receive(fd) == 'x';
}

struct readers {
	int fds[READERS];
	char servers[READERS]; /* the name of who serves each */
};

static void readers_connect(struct readers *readers, uint16_t port)
{
	for (int i = 0; i < READERS; i++)
		readers->fds[i] = connect_to(port, &readers->servers[i]);
}

static int count_served(const struct readers *readers, char server)
{
	int count = 0;

	for (int i = 0; i < READERS; i++)
		count += readers->servers[i] == server;
	return count;
}

static void expect_alive(const struct readers *readers, char server)
{
	for (int i = 0; i < READERS; i++)
		if (readers->servers[i] == server)
			cr_expect(lives(readers->fds[i]), "reader %d of db%c was ended", i, server);
}

static void readers_close(const struct readers *readers)
{
	for (int i = 0; i < READERS; i++)
		close(readers->fds[i]);
}

static bool both_serve(void *arg)
{
	const struct failover_stage *failover_stage = arg;
	struct readers readers;
	bool both;

	readers_connect(&readers, failover_stage->ro);
	both = count_served(&readers, '2') > 0 && count_served(&readers, '3') > 0;
	readers_close(&readers);
	return both;
}

static void start_with_two_standbys(struct failover_stage *failover_stage, struct readers *readers)
{
	int64_t zxid;

	failover_stage_init(failover_stage);
	zxid = publish(failover_stage, 1,
	               lab_printf(failover_stage->lab, "%s,%s", member(failover_stage, 2),
	                          member(failover_stage, 3)));
	lab_segue_start(failover_stage->segue);
	cr_assert(wait_moved(failover_stage, zxid));
	cr_assert(lab_wait_until(both_serve, failover_stage, TIMEOUT_MS));
	readers_connect(readers, failover_stage->ro);
	cr_assert_gt(count_served(readers, '3'), 0);
	cr_assert_eq(count_served(readers, '2') + count_served(readers, '3'), READERS);
}

/* The dead primary is in the store no more, as it is with repmgr and Patroni. */
Test(run_readers, those_of_a_standby_that_stays_live_through_a_failover)
{
	struct failover_stage failover_stage;
	struct readers readers;

	start_with_two_standbys(&failover_stage, &readers);
	lab_process_kill(lab_backend_process(failover_stage.servers[0]));
	cr_assert(
	    wait_moved(&failover_stage, publish(&failover_stage, 2, member(&failover_stage, 3))));
	expect_alive(&readers, '3');
	lab_backend_again(failover_stage.servers[0]);
	cr_assert(wait_moved(&failover_stage, publish(&failover_stage, 2,
	                                              lab_printf(failover_stage.lab, "%s,%s",
	                                                         member(&failover_stage, 1),
	                                                         member(&failover_stage, 3)))));
	expect_alive(&readers, '3');
	readers_close(&readers);
	lab_destroy(failover_stage.lab);
}

static bool state_has_slots(void *arg)
{
	struct failover_stage *failover_stage = arg;
	const char *text = lab_read_file(failover_stage->lab, failover_stage->state_file);

	return strstr(text, "\"slots\"") != NULL && strstr(text, "\"db1\"") == NULL;
}

/* The slots are from before the restart: by name, db3 would be in another one. */
Test(run_readers, those_of_a_standby_that_stays_live_through_a_restart_of_segue)
{
	struct failover_stage failover_stage;
	struct readers readers;
	int64_t zxid;

	start_with_two_standbys(&failover_stage, &readers);
	cr_assert(
	    wait_moved(&failover_stage, publish(&failover_stage, 2, member(&failover_stage, 3))));
	cr_assert(lab_wait_until(state_has_slots, &failover_stage, TIMEOUT_MS));
	lab_process_kill(lab_segue_process(failover_stage.segue));
	zxid = publish(&failover_stage, 2,
	               lab_printf(failover_stage.lab, "%s,%s", member(&failover_stage, 3),
	                          member(&failover_stage, 1)));
	lab_segue_start(failover_stage.segue);
	cr_assert(wait_moved(&failover_stage, zxid));
	expect_alive(&readers, '3');
	readers_close(&readers);
	lab_destroy(failover_stage.lab);
}
