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

struct stand {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_backend *servers[SERVERS]; /* named "1", "2", "3" */
	struct lab_segue *segue;
	const char *state_file;
	uint16_t rw, ro; /* of HAProxy */
};

static const char *make_ini(struct stand *stand)
{
	char *template_file = realpath("templates/haproxy.cfg.mustache", NULL);
	const char *ini;

	cr_assert_not_null(template_file, "run from the top of the repository");
	ini = lab_printf(
	    stand->lab,
	    "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	    "[cluster orders]\npath = /segue/orders\nverify = disable\n"
	    "[haproxy local]\ncluster = orders\ntemplate = %s\n"
	    "output = %s/orders.cfg\nsocket = %s\nmaster_socket = %s\n"
	    "check_command = haproxy -c -f %s\n  -f {}\n"
	    "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\nvar.check_interval = 100ms\n",
	    lab_path(stand->lab, "state"), lab_zk_hosts(stand->zk), template_file,
	    lab_haproxy_conf_dir(stand->haproxy), lab_haproxy_socket(stand->haproxy),
	    lab_haproxy_master_socket(stand->haproxy), lab_haproxy_main_file(stand->haproxy),
	    stand->rw, stand->ro);
	free(template_file);
	return ini;
}

static void stand_init(struct stand *stand)
{
	static const char *const names[SERVERS] = {"1", "2", "3"};

	stand->lab = lab_create("readers");
	stand->rw = lab_port(stand->lab);
	stand->ro = lab_port(stand->lab);
	for (int i = 0; i < SERVERS; i++)
		stand->servers[i] = lab_backend_start(stand->lab, names[i]);
	stand->haproxy = lab_haproxy_create(stand->lab, NULL);
	lab_haproxy_start(stand->haproxy);
	stand->zk = lab_zk_share(stand->lab);
	stand->state_file = lab_path(stand->lab, "state/orders.json");
	stand->segue = lab_segue_create(stand->lab, make_ini(stand));
}

static const char *member(struct stand *stand, int number)
{
	return lab_printf(stand->lab, "{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u}",
	                  number, lab_backend_port(stand->servers[number - 1]));
}

/* `standbys`: as JSON, separated by commas. */
static int64_t publish(struct stand *stand, int primary, const char *standbys)
{
	const char *text =
	    lab_printf(stand->lab, "{\"version\":1,\"primary\":%s,\"standbys\":[%s]}",
	               member(stand, primary), standbys);

	return lab_zk_set(stand->zk, MASTER, text, strlen(text));
}

static bool wait_moved(struct stand *stand, int64_t zxid)
{
	return lab_segue_wait_log(stand->segue, TIMEOUT_MS, "event=moved ", "target=local",
	                          lab_printf(stand->lab, " zxid=%lld ", (long long)zxid),
	                          NULL) != NULL;
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
	const struct stand *stand = arg;
	struct readers readers;
	bool both;

	readers_connect(&readers, stand->ro);
	both = count_served(&readers, '2') > 0 && count_served(&readers, '3') > 0;
	readers_close(&readers);
	return both;
}

static void start_with_two_standbys(struct stand *stand, struct readers *readers)
{
	int64_t zxid;

	stand_init(stand);
	zxid =
	    publish(stand, 1, lab_printf(stand->lab, "%s,%s", member(stand, 2), member(stand, 3)));
	lab_segue_start(stand->segue);
	cr_assert(wait_moved(stand, zxid));
	cr_assert(lab_wait_until(both_serve, stand, TIMEOUT_MS));
	readers_connect(readers, stand->ro);
	cr_assert_gt(count_served(readers, '3'), 0);
	cr_assert_eq(count_served(readers, '2') + count_served(readers, '3'), READERS);
}

/* The dead primary is in the store no more, as it is with repmgr and Patroni. */
Test(run_readers, those_of_a_standby_that_stays_live_through_a_failover)
{
	struct stand stand;
	struct readers readers;

	start_with_two_standbys(&stand, &readers);
	lab_process_kill(lab_backend_process(stand.servers[0]));
	cr_assert(wait_moved(&stand, publish(&stand, 2, member(&stand, 3))));
	expect_alive(&readers, '3');
	lab_backend_again(stand.servers[0]);
	cr_assert(wait_moved(
	    &stand, publish(&stand, 2,
	                    lab_printf(stand.lab, "%s,%s", member(&stand, 1), member(&stand, 3)))));
	expect_alive(&readers, '3');
	readers_close(&readers);
	lab_destroy(stand.lab);
}

static bool state_has_slots(void *arg)
{
	struct stand *stand = arg;
	const char *text = lab_read_file(stand->lab, stand->state_file);

	return strstr(text, "\"slots\"") != NULL && strstr(text, "\"db1\"") == NULL;
}

/* The slots are from before the restart: by name, db3 would be in another one. */
Test(run_readers, those_of_a_standby_that_stays_live_through_a_restart_of_segue)
{
	struct stand stand;
	struct readers readers;
	int64_t zxid;

	start_with_two_standbys(&stand, &readers);
	cr_assert(wait_moved(&stand, publish(&stand, 2, member(&stand, 3))));
	cr_assert(lab_wait_until(state_has_slots, &stand, TIMEOUT_MS));
	lab_process_kill(lab_segue_process(stand.segue));
	zxid = publish(&stand, 2,
	               lab_printf(stand.lab, "%s,%s", member(&stand, 3), member(&stand, 1)));
	lab_segue_start(stand.segue);
	cr_assert(wait_moved(&stand, zxid));
	expect_alive(&readers, '3');
	readers_close(&readers);
	lab_destroy(stand.lab);
}
