/* The bench of the publisher: from the moment that a promoted server takes writes to the znode that
 * names it, seen by polling both; and what a publisher costs. Each promotion is a real one, of a
 * pair that is made for it. */
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "bench/publish.h"

#define TIMEOUT_MS 20000
#define SETTLED_MS (MEMORY_SETTLE_MS + 2000)

enum way { BY_POLL, BY_NOTIFY };

struct promotion {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_segue *publisher;
	const char *path, *socket, *wanted; /* in the znode, once node 1 is named */
	PGconn *standby;
};

static bool names(struct promotion *promotion, const char *wanted)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;

	return lab_zk_get(promotion->zk, promotion->path, &data, NULL) &&
	       strstr(data.data, wanted) != NULL;
}

struct naming {
	struct promotion *promotion;
	const char *wanted;
};

static bool is_named(void *arg)
{
	const struct naming *naming = arg;

	return names(naming->promotion, naming->wanted);
}

static void await_name(struct promotion *promotion, int node)
{
	const char *wanted = lab_printf(promotion->lab, "\"primary\":{\"name\":\"db%d\"", node + 1);

	if (!lab_wait_until(is_named, &(struct naming){promotion, wanted}, TIMEOUT_MS))
		lab_fail("db%d is not published:\n%s", node + 1,
		         lab_process_log_tail(lab_segue_process(promotion->publisher)));
	promotion->wanted = wanted;
}

static const char *make_ini(struct promotion *promotion, const char *name, enum way way)
{
	uint16_t a = lab_pg_port(promotion->pg, 0), b = lab_pg_port(promotion->pg, 1);

	return lab_printf(promotion->lab,
	                  "[segue]\nname = bench\n[zookeeper]\nhosts = %s\n"
	                  "[cluster orders]\npath = /bench/%s\n"
	                  "node.db1 = 127.0.0.1:%u\nnode.db2 = 127.0.0.1:%u\n"
	                  "[publisher orders]\ncluster = orders\nname = bench\nrepmgr = no\n"
	                  "nodes = host=127.0.0.1 port=%u, host=127.0.0.1 port=%u\n"
	                  "conninfo = user=postgres dbname=postgres\nnotify_socket = %s\n%s",
	                  lab_zk_hosts(promotion->zk), name, a, b, a, b, promotion->socket,
	                  way == BY_NOTIFY ? "interval = 1m\n" : "");
}

static void start(struct promotion *promotion, struct lab *lab, struct lab_zk *zk, const char *name,
                  enum way way)
{
	*promotion = (struct promotion){.lab = lab, .zk = zk, .pg = lab_pg_start(lab, 2)};
	promotion->path = lab_printf(lab, "/bench/%s/master", name);
	promotion->socket = lab_path(lab, lab_printf(lab, "%s.sock", name));
	promotion->publisher = lab_segue_create(lab, make_ini(promotion, name, way));
	lab_segue_publish(promotion->publisher);
	await_name(promotion, 0);
	promotion->standby = PQconnectdb(lab_pg_conninfo(promotion->pg, 1));
	promotion->wanted = "\"primary\":{\"name\":\"db2\"";
}

static void stop(struct promotion *promotion)
{
	PQfinish(promotion->standby);
	lab_process_stop(lab_segue_process(promotion->publisher));
	for (int i = 0; i < 2; i++)
		lab_process_kill(lab_pg_process(promotion->pg, i));
}

static bool in_recovery(PGconn *conn)
{
	PGresult *result = PQexec(conn, "select pg_is_in_recovery()");
	bool recovery =
	    PQresultStatus(result) != PGRES_TUPLES_OK || strcmp(PQgetvalue(result, 0, 0), "t") == 0;

	PQclear(result);
	return recovery;
}

/* As a script would: it does not wait for what comes of it. */
static pid_t notify(const struct promotion *promotion)
{
	const char *binary = lab_segue_binary(promotion->lab);
	pid_t pid = fork();

	if (pid == 0) {
		execl(binary, binary, "notify", "-s", promotion->socket, "orders", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int64_t measure(struct promotion *promotion, enum way way)
{
	int64_t since, deadline = clock_now_ms() + TIMEOUT_MS;
	pid_t notifier = 0;

	if (way == BY_POLL) /* it is a failover */
		lab_process_kill(lab_pg_process(promotion->pg, 0));
	PQclear(PQexec(promotion->standby, "select pg_promote(false)"));
	while (in_recovery(promotion->standby))
		if (clock_now_ms() > deadline)
			lab_fail("the standby is not promoted");
	since = clock_now_us();
	if (way == BY_NOTIFY)
		notifier = notify(promotion);
	while (!names(promotion, promotion->wanted))
		if (clock_now_ms() > deadline)
			lab_fail("the promotion is not published:\n%s",
			         lab_process_log_tail(lab_segue_process(promotion->publisher)));
	since = clock_now_us() - since;
	if (notifier > 0)
		waitpid(notifier, NULL, 0);
	return since;
}

static int64_t rollup_kb(pid_t pid, const char *key)
{
	auto_free char *path = xasprintf("/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	char line[256];
	int64_t kb = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtoll(line + strlen(key), NULL, 10);
	if (file != NULL)
		fclose(file);
	return kb;
}

/* Once it has given back what only its beginning needed. */
static void report_memory(struct promotion *promotion, struct report *report)
{
	pid_t pid = lab_process_pid(lab_segue_process(promotion->publisher));

	poll(NULL, 0, SETTLED_MS);
	report_row(report, "publisher: resident memory, libpq and OpenSSL loaded",
	           (double)usage_of(pid).rss_kb / 1024, " MB", 6);
	report_row(report, "publisher: the same, its share of what others use too (PSS)",
	           (double)rollup_kb(pid, "Pss:") / 1024, " MB", 0);
	report_row(report, "publisher: the same, of its own (anonymous)",
	           (double)rollup_kb(pid, "Anonymous:") / 1024, " MB", 0);
}

void publish_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick)
{
	static const char *const names_of[] = {"poll", "notify"};
	int rounds = quick ? 3 : 10;

	for (int way = BY_POLL; way <= BY_NOTIFY; way++) {
		struct samples samples = {0};

		for (int i = 0; i < rounds; i++) {
			struct promotion promotion;

			start(&promotion, lab, zk, lab_printf(lab, "%s%d", names_of[way], i),
			      (enum way)way);
			samples_add(&samples, measure(&promotion, (enum way)way));
			if (way == BY_POLL && i == rounds - 1)
				report_memory(&promotion, report);
			stop(&promotion);
		}
		report_row(report,
		           way == BY_POLL ? "the new primary takes writes to znode, p50"
		                          : "the same with segue notify, p50",
		           (double)samples_at(&samples, 50) / 1000, " ms",
		           way == BY_POLL ? 100 : 10);
		report_row(report, way == BY_POLL ? "the same, max" : "the same with it, max",
		           (double)samples_at(&samples, 100) / 1000, " ms", 0);
		samples_free(&samples);
	}
	race_bench(zk, report, quick ? 100 : 1000);
}
