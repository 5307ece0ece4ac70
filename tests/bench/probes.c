/* What the probes cost when nothing happens: a primary and two standbys, asked on warm connections,
 * and one HAProxy to be led. libpq is loaded for it. */
#include "bench/verify.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

#define MEMBERS          3
#define START_TIMEOUT_MS 30000
#define SETTLE_MS        (MEMORY_SETTLE_MS + 2000)

static const char ini[] = "[segue]\nname = probes\nstate_dir = %s\n[zookeeper]\nhosts = %s\n"
                          "[cluster probes]\npath = /bench/probes\nverify = require\n"
                          "verify_conninfo = user=postgres dbname=postgres\n"
                          "[haproxy probes]\ncluster = probes\n"
                          "template = %s/haproxy.cfg.mustache\noutput = %s/probes.cfg\n"
                          "socket = %s\nmaster_socket = %s\n"
                          "var.rw_bind = 127.0.0.1:%u\nvar.ro_bind = 127.0.0.1:%u\n";

static void publish(struct lab *lab, struct lab_zk *zk, struct lab_pg *pg)
{
	const char *json = lab_printf(
	    lab,
	    "{\"version\":1,\"primary\":{\"name\":\"db0\",\"host\":\"127.0.0.1\",\"port\":%u},"
	    "\"standbys\":[{\"name\":\"db1\",\"host\":\"127.0.0.1\",\"port\":%u},"
	    "{\"name\":\"db2\",\"host\":\"127.0.0.1\",\"port\":%u}]}",
	    lab_pg_port(pg, 0), lab_pg_port(pg, 1), lab_pg_port(pg, 2));

	lab_zk_set(zk, "/bench/probes/master", json, strlen(json));
}

static struct lab_segue *start_segue(struct lab *lab, struct lab_zk *zk,
                                     struct lab_haproxy *haproxy)
{
	auto_free char *templates = realpath("templates", NULL);
	const char *state = lab_path(lab, "state-probes");
	struct lab_segue *segue;

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	segue = lab_segue_create(
	    lab, lab_printf(lab, ini, state, lab_zk_hosts(zk), templates,
	                    lab_haproxy_conf_dir(haproxy), lab_haproxy_socket(haproxy),
	                    lab_haproxy_master_socket(haproxy), lab_port(lab), lab_port(lab)));
	lab_segue_start(segue);
	return segue;
}

static bool all_have_answered(void *arg)
{
	return lab_segue_count_log(arg, "event=server ", "class=answered", NULL) >= MEMBERS &&
	       lab_segue_count_log(arg, "event=moved ", NULL) > 0;
}

static void measure(struct lab_segue *segue, struct report *report, unsigned seconds)
{
	pid_t pid = lab_process_pid(lab_segue_process(segue));
	struct usage before, after;

	poll(NULL, 0, SETTLE_MS);
	before = usage_of(pid);
	poll(NULL, 0, (int)seconds * 1000);
	after = usage_of(pid);
	report_row(report, "verify, 3 members, idle: share of a core",
	           (double)(after.cpu_us - before.cpu_us) / 10000 / seconds, " %", 1);
	report_row(report, "verify, 3 members, idle: wake-ups a minute",
	           (double)(after.wakeups - before.wakeups) * 60 / seconds, "", 0);
	report_row(report, "verify, 3 members: resident memory, libpq loaded",
	           (double)after.rss_kb / 1024, " MB", 8);
}

void probes_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned seconds)
{
	struct lab_pg *pg = lab_pg_start(lab, MEMBERS);
	struct lab_haproxy *haproxy = lab_haproxy_create(lab, NULL);
	struct lab_segue *segue;

	lab_haproxy_start(haproxy);
	publish(lab, zk, pg);
	segue = start_segue(lab, zk, haproxy);
	if (!lab_wait_until(all_have_answered, segue, START_TIMEOUT_MS))
		lab_fail("segue does not ask all members; its log:\n%s",
		         lab_process_log_tail(lab_segue_process(segue)));
	measure(segue, report, seconds);
	lab_process_stop(lab_segue_process(segue));
	lab_process_kill(lab_haproxy_process(haproxy));
	for (int i = 0; i < MEMBERS; i++)
		lab_process_kill(lab_pg_process(pg, i));
}
