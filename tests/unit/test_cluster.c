/* What a cluster says of itself: the event of an alarm, whose line numbers an error has, and what
 * is known of a server. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "sidecar/cluster/cluster_internal.h"

static const struct config_cluster config = {.name = (char *)"orders",
                                             .path = (char *)"/segue/orders"};
static const struct watch_fact fact = {.state = WATCH_VALUE};

Test(cluster, only_an_error_with_a_line_is_of_that_rendered_line)
{
	struct err err;

	err_set(&err, "line of sight: lost");
	cr_assert_not(cluster_of_rendered(&err));
	cr_assert_str_eq(err.message, "rendered: line of sight: lost");
	err_set(&err, "a quote is open");
	err_at_line(&err, 7);
	cr_assert_not(cluster_of_rendered(&err));
	cr_assert_str_eq(err.message, "rendered line 7: a quote is open");
}

/* --- alarms --- */

static void judge(const struct cluster *cluster, const struct decision *decision,
                  struct last_decision *out)
{
	const struct decide_input input = {
	    .cluster = &config, .fact = &fact, .applied = &cluster->applied};

	cluster_judge(cluster, &input, decision, out);
}

Test(cluster, two_servers_that_take_writes_are_a_split_and_no_other_alarm_is)
{
	const struct cluster cluster = {.config = &config, .state_problem = (char *)"full"};
	const struct member one = {.address = "10.0.0.1"}, two = {.address = "10.0.0.2"};
	struct decision decision = {.kind = DECIDE_CURRENT, .reason = "", .why = ""};
	struct last_decision got;

	judge(&cluster, &decision, &got);
	cr_assert_not_null(strstr(got.alarm, "state_dir cannot be written"), "%s", got.alarm);
	cr_assert_not(got.split);
	decision.beside = &one;
	decision.stale_primary = &two;
	judge(&cluster, &decision, &got);
	cr_assert_not_null(strstr(got.alarm, "two servers take writes"), "%s", got.alarm);
	cr_assert(got.split);
}

static void expect_event(struct cluster *cluster, const char *alarm, bool split, const char *event)
{
	int sink = memfd_create("stderr", 0);
	char text[1024] = "";

	cr_assert_geq(dup2(sink, STDERR_FILENO), 0);
	snprintf(cluster->last_decision.alarm, sizeof(cluster->last_decision.alarm), "%s", alarm);
	cluster->last_decision.split = split;
	cluster_log(cluster, &fact);
	cr_assert_gt(pread(sink, text, sizeof(text) - 1, 0), 0);
	cr_assert_not_null(strstr(text, event), "%s", text);
	close(sink);
}

Test(cluster, the_event_of_an_alarm_does_not_depend_on_its_words)
{
	struct cluster cluster = {
	    .config = &config, .last_decision = {.kind = DECIDE_CURRENT, .reason = "", .why = ""}};

	log_configure(LOG_ERROR, LOG_TEXT);
	expect_event(&cluster, "two files cannot be read", false, " event=alarm ");
	expect_event(&cluster, "a second server takes writes", true, " event=split_brain ");
	free(cluster.logged);
	free(cluster.alarm_logged);
}

/* --- servers --- */

static struct server_fact server_at(const char *address, bool in_recovery, int64_t lsn)
{
	struct server_fact server = {.port = 5432,
	                             .class = SERVER_ANSWERED,
	                             .known = true,
	                             .in_recovery = in_recovery,
	                             .lsn = lsn};

	snprintf(server.address, sizeof(server.address), "%s", address);
	return server;
}

Test(cluster, the_lag_is_the_store_s_or_from_what_both_servers_answered)
{
	static struct member standbys[] = {{.address = "10.0.0.2", .port = 5432, .lag_bytes = 7},
	                                   {.address = "10.0.0.3", .port = 5432, .lag_bytes = -1}};
	const struct topology topology = {
	    .has_primary = true,
	    .primary = {.address = "10.0.0.1", .port = 5432, .lag_bytes = -1},
	    .standbys = standbys,
	    .standby_count = ARRAY_LEN(standbys)};
	const struct server_fact servers[] = {
	    server_at("10.0.0.1", false, 1000), server_at("10.0.0.2", true, 400),
	    server_at("10.0.0.3", true, 400), server_at("10.0.0.4", true, 2000),
	    server_at("10.0.0.5", false, 2000)};
	static const struct {
		const char *role;
		int64_t lag;
	} expected[] = {{"primary", -1}, {"standby", 7}, {"standby", 600}, {"?", 0}, {"?", -1}};
	struct cluster_snapshot snapshot = {
	    .topology = &topology,
	    .primary = &servers[0],
	    .input = {.servers = servers, .server_count = ARRAY_LEN(servers)}};
	struct cluster_server got;

	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		cluster_server(&snapshot, i, &got);
		cr_expect_str_eq(got.role, expected[i].role, "%zu", i);
		cr_expect_eq(got.lag_bytes, expected[i].lag, "%zu", i);
		cr_expect_str_eq(got.at.address, servers[i].address);
		cr_expect_eq(got.member != NULL, i < 3, "%zu", i);
	}
	snapshot.primary = NULL;
	cluster_server(&snapshot, 2, &got);
	cr_expect_eq(got.lag_bytes, -1, "the primary was not asked");
}
