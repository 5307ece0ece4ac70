/* The soak: thousands of random changes of a znode while ZooKeeper, HAProxy and segue are
 * restarted, reloaded, frozen and killed at random. Every change names a port that is one higher
 * than the last, so that a look at HAProxy, or at the file, tells how new it is: neither may ever
 * go back (HAProxy as long as it is the same worker), and whenever the znode rests, both must reach
 * its value. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "lab/lab.h"

#define FIRST_PORT    10000
#define PORTS         50000
#define QUIET_EVERY   500   /* changes between two rests */
#define TROUBLE_EVERY 100   /* changes between two troubles, on average */
#define QUIET_TIMEOUT 30000 /* for everything to be up again and agree */
#define REST_LOOKS    40    /* that find agreement, in a row */
#define CHANGE_BUDGET 30    /* ms a change, on average, before the soak gives up */
#define TROUBLES      7
#define ZK_SERVERS    3
#define FILE_MAX      ((size_t)64 * 1024)
#define MASTER        "/soak/orders/master"

/* Shared with the observer process. */
struct seen {
	int64_t looks;
	int64_t went_back, file_went_back, holds;
	int worker, runtime_port, file_port; /* last seen */
};

struct soak {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_segue *segue;
	const char *file; /* that segue renders */
	struct seen *seen;
	unsigned seed;
	int port;          /* that the znode names */
	int64_t agreed_at; /* looks at HAProxy when all agreed on it; -1: they do not */
	struct lab_process *observer;
	struct lab_process *frozen; /* a ZooKeeper server, or NULL */
	unsigned made[TROUBLES];
};

static unsigned pick(struct soak *soak, unsigned below)
{
	return (unsigned)rand_r(&soak->seed) % below;
}

static void nap(int ms)
{
	poll(NULL, 0, ms);
}

static int number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? (int)strtol(at + strlen(key), NULL, 10) : 0;
}

static void check_runtime(struct soak *soak)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct seen *seen = soak->seen;
	int worker, port;

	if (!lab_haproxy_command(soak->haproxy, "show info;show servers conn orders_rw", &reply))
		return;
	worker = number_after(reply.data, "\nPid: ");
	port = number_after(reply.data, " 127.0.0.1 ");
	if (worker == 0 || port == 0)
		return;
	if (port < FIRST_PORT) { /* the znode is deleted: clients are held, at a closed port */
		seen->holds++;
		return;
	}
	if (worker == seen->worker && port < seen->runtime_port) {
		seen->went_back++;
		printf("HAProxy's worker %d went back from %d to %d\n", worker, seen->runtime_port,
		       port);
	}
	seen->worker = worker;
	seen->runtime_port = port;
	seen->looks++;
}

static void check_file(struct soak *soak)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct seen *seen = soak->seen;
	struct err err;
	int port;

	if (!file_read(soak->file, FILE_MAX, &text, NULL, &err))
		return;
	port = number_after(text.data, "primary 127.0.0.1:");
	if (port < seen->file_port) {
		seen->file_went_back++;
		printf("the file went back from %d to %d\n", seen->file_port, port);
	}
	seen->file_port = port;
}

static int observe(void *arg)
{
	struct soak *soak = arg;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		check_runtime(soak);
		check_file(soak);
		poll(NULL, 0, 1);
	}
	return 0;
}

static void write_znode(struct soak *soak)
{
	auto_free char *text =
	    xasprintf("{\"version\":1,\"primary\":{\"name\":\"db1\",\"host\":\"127.0.0.1\","
	              "\"port\":%d},\"standbys\":[]}",
	              ++soak->port);

	lab_zk_set(soak->zk, MASTER, text, strlen(text));
}

static void change(struct soak *soak)
{
	static const char garbage[] = "{\"version\":1,\"primary\":{\"name\":\"db1";

	if (pick(soak, 50) == 0)
		lab_zk_set(soak->zk, MASTER, garbage, sizeof(garbage) - 1);
	if (pick(soak, 100) == 0)
		lab_zk_delete(soak->zk, MASTER);
	write_znode(soak);
	if (pick(soak, 2) == 0)
		nap((int)pick(soak, 7));
}

static void thaw_zookeeper(struct soak *soak)
{
	if (soak->frozen != NULL)
		lab_process_thaw(STEAL(soak->frozen));
}

/* Trouble comes to one server at a time: with two down, elections can take ZooKeeper a minute. */
static void await_zookeeper(struct soak *soak)
{
	thaw_zookeeper(soak);
	for (int i = 0; i < ZK_SERVERS; i++)
		if (!lab_zk_wait_ready(soak->zk, i, QUIET_TIMEOUT))
			lab_fail("ZooKeeper server %d does not come back", i);
}

static void restart_zookeeper(struct soak *soak)
{
	int server = (int)pick(soak, ZK_SERVERS);

	await_zookeeper(soak);
	lab_process_kill(lab_zk_process(soak->zk, server));
	nap((int)pick(soak, 500));
	lab_zk_server_start(soak->zk, server);
}

/* A follower that is left behind: until the next trouble, or the next rest. The leader is spared,
 * as nothing could be written until the others have given it up, 10 s later. */
static void freeze_zookeeper(struct soak *soak)
{
	int server = (int)pick(soak, ZK_SERVERS);

	await_zookeeper(soak);
	if (server == lab_zk_leader(soak->zk))
		return;
	soak->frozen = lab_zk_process(soak->zk, server);
	lab_process_freeze(soak->frozen);
}

static void reload_haproxy(struct soak *soak)
{
	lab_process_signal(lab_haproxy_process(soak->haproxy), SIGUSR2);
}

static void restart_haproxy(struct soak *soak)
{
	lab_process_kill(lab_haproxy_process(soak->haproxy));
	nap((int)pick(soak, 300));
	lab_haproxy_start(soak->haproxy);
}

static void segue_must_run(struct soak *soak)
{
	struct lab_process *process = lab_segue_process(soak->segue);

	if (!lab_process_alive(process))
		lab_fail("segue has ended by itself, with %d; its log:\n%s",
		         lab_process_exit_code(process), lab_process_log_tail(process));
}

static void restart_segue(struct soak *soak)
{
	segue_must_run(soak);
	lab_process_kill(lab_segue_process(soak->segue));
	lab_segue_start(soak->segue);
}

static void freeze_segue(struct soak *soak)
{
	lab_process_freeze(lab_segue_process(soak->segue));
	nap((int)pick(soak, 400));
	lab_process_thaw(lab_segue_process(soak->segue));
}

static void expire_session(struct soak *soak)
{
	lab_zk_expire_others(soak->zk);
}

static const struct {
	const char *what;
	void (*make)(struct soak *soak);
} troubles[TROUBLES] = {
    {"ZooKeeper restarted", restart_zookeeper},
    {"ZooKeeper frozen", freeze_zookeeper},
    {"HAProxy reloaded", reload_haproxy},
    {"HAProxy restarted", restart_haproxy},
    {"segue killed", restart_segue},
    {"segue frozen", freeze_segue},
    {"session expired", expire_session},
};

/* One trouble often meets the next. */
static void make_trouble(struct soak *soak)
{
	thaw_zookeeper(soak);
	do {
		unsigned kind = pick(soak, TROUBLES);

		troubles[kind].make(soak);
		soak->made[kind]++;
	} while (pick(soak, 3) == 0);
}

/* Agreement has to last: a late, older write would show in the looks after. (A reload that was
 * still under way may bring a worker that read the file before its last change.) */
static bool is_at_rest(void *arg)
{
	struct soak *soak = arg;
	const struct seen *seen = soak->seen;

	if (seen->runtime_port != soak->port || seen->file_port != soak->port)
		soak->agreed_at = -1;
	else if (soak->agreed_at < 0)
		soak->agreed_at = seen->looks;
	return soak->agreed_at >= 0 && seen->looks - soak->agreed_at >= REST_LOOKS;
}

static void rest(struct soak *soak, unsigned done)
{
	int64_t start = clock_now_ms();

	thaw_zookeeper(soak);
	segue_must_run(soak);
	soak->agreed_at = -1;
	if (!lab_wait_until(is_at_rest, soak, QUIET_TIMEOUT))
		lab_fail("after %u changes the znode says %d, HAProxy %d, the file %d; segue's log:"
		         "\n%s",
		         done, soak->port, soak->seen->runtime_port, soak->seen->file_port,
		         lab_process_log_tail(lab_segue_process(soak->segue)));
	printf("  %6u changes: all agree on the last one after %" PRId64 " ms\n", done,
	       clock_now_ms() - start);
	fflush(stdout);
}

static const char *make_ini(struct soak *soak)
{
	const char *state = lab_path(soak->lab, "state");
	const char *template_file = lab_path(soak->lab, "soak.mustache");

	soak->file = lab_printf(soak->lab, "%s/orders.cfg", lab_haproxy_conf_dir(soak->haproxy));
	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	lab_write_file(template_file, "backend orders_rw\n"
	                              "\tserver primary {{primary.address}}:{{primary.port}}\n");
	return lab_printf(soak->lab,
	                  "[segue]\nname = soak\nstate_dir = %s\n"
	                  "[zookeeper]\nhosts = %s\n"
	                  "[cluster orders]\npath = /soak/orders\nverify = disable\n"
	                  "[haproxy local]\ncluster = orders\ntemplate = %s\noutput = %s\n"
	                  "socket = %s\nmaster_socket = %s\n",
	                  state, lab_zk_hosts(soak->zk), template_file, soak->file,
	                  lab_haproxy_socket(soak->haproxy),
	                  lab_haproxy_master_socket(soak->haproxy));
}

static void start(struct soak *soak)
{
	soak->lab = lab_create("soak");
	soak->zk = lab_zk_start(soak->lab, ZK_SERVERS);
	soak->haproxy = lab_haproxy_create(soak->lab, NULL);
	soak->port = FIRST_PORT;
	soak->seen = mmap(NULL, sizeof(*soak->seen), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak->seen == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	soak->segue = lab_segue_create(soak->lab, make_ini(soak));
	write_znode(soak);
	lab_haproxy_start(soak->haproxy);
	lab_segue_start(soak->segue);
	soak->observer = lab_fork(soak->lab, "observer", observe, soak);
	rest(soak, 0);
}

static int finish(struct soak *soak, unsigned changes)
{
	int64_t went_back = soak->seen->went_back + soak->seen->file_went_back;

	if (lab_process_stop(lab_segue_process(soak->segue)) != 0)
		lab_fail("segue does not end well; its log:\n%s",
		         lab_process_log_tail(lab_segue_process(soak->segue)));
	printf("%u changes, %" PRId64 " looks at HAProxy, %" PRId64 " of them in a hold; ", changes,
	       soak->seen->looks + soak->seen->holds, soak->seen->holds);
	for (unsigned i = 0; i < TROUBLES; i++)
		printf("%s %u times%s", troubles[i].what, soak->made[i],
		       i + 1 < TROUBLES ? ", " : "\n");
	if (went_back == 0)
		puts("PASS: nothing ever went back, nothing was missed");
	else
		printf("FAIL: %" PRId64 " times something went back\n%s", went_back,
		       lab_read_file(soak->lab, lab_process_log(soak->observer)));
	munmap(soak->seen, sizeof(*soak->seen));
	lab_destroy(soak->lab);
	return went_back > 0;
}

int main(int argc, char **argv)
{
	unsigned changes = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
	struct soak soak = {.seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10)
	                                     : (unsigned)clock_now_us()};
	int64_t deadline = clock_now_ms() + 60000 + (int64_t)changes * CHANGE_BUDGET;

	if (argc > 3 || changes == 0 || changes > PORTS) {
		fprintf(stderr, "usage: %s [CHANGES (1 to %d)] [SEED]\n", argv[0], PORTS);
		return 2;
	}
	printf("%u changes, seed %u\n", changes, soak.seed);
	start(&soak);
	for (unsigned i = 1; i <= changes; i++) {
		change(&soak);
		if (pick(&soak, TROUBLE_EVERY) == 0)
			make_trouble(&soak);
		if (i % QUIET_EVERY == 0 || i == changes)
			rest(&soak, i);
		if (clock_now_ms() > deadline)
			lab_fail("%u changes took longer than %d ms each", i, CHANGE_BUDGET);
	}
	return finish(&soak, changes);
}
