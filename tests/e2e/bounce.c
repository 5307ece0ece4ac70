/* The stand for tests of `segue run` with PgBouncer; see the header. */
#include "bounce.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

#define MASTER "/segue/orders/master"

static void write_template(struct bounce *bounce)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, "[databases]\n{{#primary}}\n");
	for (int i = 0; i < bounce->databases; i++)
		strbuf_printf(&text, "app%s = host={{address}} port={{port}} dbname=postgres\n",
		              i > 0 ? lab_printf(bounce->lab, "%d", i) : "");
	strbuf_append_str(&text, "{{/primary}}\n");
	lab_write_file(bounce->template_file, text.data);
}

static const char *make_ini(struct bounce *bounce, const struct bounce_options *options)
{
	auto_strbuf struct strbuf ini = STRBUF_INIT;

	strbuf_printf(&ini,
	              "[segue]\nstate_dir = %s\n[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	              "[cluster orders]\npath = /segue/orders\nverify = disable\n%s",
	              bounce->state_dir, lab_zk_hosts(bounce->zk),
	              options->cluster != NULL ? options->cluster : "");
	for (int i = 0; i < BOUNCE_MAX && bounce->bouncers[i] != NULL; i++)
		strbuf_printf(&ini,
		              "[pgbouncer %s]\ncluster = orders\ntemplate = %s\noutput = %s\n"
		              "console = %s\n%s",
		              bounce_target(i), bounce->template_file,
		              lab_pgbouncer_databases_file(bounce->bouncers[i]),
		              i == 0 && options->console != NULL
		                  ? options->console
		                  : lab_pgbouncer_console(bounce->bouncers[i]),
		              options->target != NULL ? options->target : "pause_timeout = 2s\n");
	return lab_printf(bounce->lab, "%s", ini.data);
}

static void must_query(const char *conninfo, const char *sql)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	cr_assert_not_null(value, "PostgreSQL refuses: %s", sql);
}

static void start_servers(struct bounce *bounce, const struct bounce_options *options)
{
	const char *node = NULL;

	bounce->pg = lab_pg_start(bounce->lab, TRAFFIC_NODES);
	node = lab_pg_conninfo(bounce->pg, 0);
	traffic_prepare(node);
	bounce_catch_up(bounce);
	if (options->synchronous) {
		must_query(node, "alter system set synchronous_standby_names = '*'");
		must_query(node, "select pg_reload_conf()");
	}
	if (!options->standby)
		lab_pg_promote(bounce->pg, 1);
}

void bounce_init(struct bounce *bounce, const struct bounce_options *options)
{
	*bounce = (struct bounce){.lab = lab_create("bounce"),
	                          .standby = options->standby,
	                          .databases = options->databases > 0 ? options->databases : 1};
	bounce->zk = options->own_zk ? lab_zk_start(bounce->lab, 1) : lab_zk_share(bounce->lab);
	bounce->template_file = lab_path(bounce->lab, "databases.mustache");
	bounce->state_dir = lab_path(bounce->lab, "state");
	bounce->faults = faults_create(bounce->lab);
	write_template(bounce);
	start_servers(bounce, options);
	for (int i = 0; i < (options->bouncers > 0 ? options->bouncers : 1); i++) {
		bounce->bouncers[i] = lab_pgbouncer_create(bounce->lab, options->settings);
		if (options->share_port && i > 0)
			lab_pgbouncer_share_port(bounce->bouncers[i], bounce->bouncers[0]);
		lab_pgbouncer_start(bounce->bouncers[i]);
	}
	bounce->segue = lab_segue_create(bounce->lab, make_ini(bounce, options));
}

void bounce_start_traffic(struct bounce *bounce)
{
	struct traffic_options options = {
	    .conninfo = lab_pgbouncer_conninfo(bounce->bouncers[0], "app"),
	    .ports = {lab_pg_port(bounce->pg, 0), lab_pg_port(bounce->pg, 1)},
	    .clients = BOUNCE_CLIENTS,
	    .keep = true};

	bounce->traffic = traffic_start(bounce->lab, &options);
	cr_assert(traffic_all_served(bounce->traffic, BOUNCE_TIMEOUT_MS));
}

void bounce_start(struct bounce *bounce, const struct bounce_options *options)
{
	bounce_init(bounce, options);
	bounce_name(bounce, 0);
	lab_segue_start(bounce->segue);
	for (int i = 0; i < BOUNCE_MAX && bounce->bouncers[i] != NULL; i++) {
		cr_assert(bounce_wait_settled(bounce, i), "%s",
		          lab_process_log_tail(lab_segue_process(bounce->segue)));
		cr_assert(bounce_leads_to(bounce, i, 0));
	}
	if (!options->no_traffic)
		bounce_start_traffic(bounce);
}

void bounce_fini(struct bounce *bounce)
{
	lab_destroy(bounce->lab);
}

int64_t bounce_name(struct bounce *bounce, int node)
{
	const char *primary = "null", *json;

	if (node >= 0)
		primary = lab_printf(bounce->lab,
		                     "{\"name\":\"db%d\",\"host\":\"127.0.0.1\",\"port\":%u}", node,
		                     lab_pg_port(bounce->pg, node));
	json = lab_printf(bounce->lab, "{\"version\":1,\"primary\":%s,\"standbys\":[]}", primary);
	return lab_zk_set(bounce->zk, MASTER, json, strlen(json));
}

const char *bounce_target(int bouncer)
{
	return bouncer == 0 ? "local" : "other";
}

bool bounce_wait_moved(struct bounce *bounce, int bouncer, int64_t zxid)
{
	const char *target = lab_printf(bounce->lab, " target=%s ", bounce_target(bouncer));
	const char *wanted = lab_printf(bounce->lab, " zxid=%" PRId64 " ", zxid);

	return lab_segue_wait_log(bounce->segue, BOUNCE_TIMEOUT_MS, "event=moved ", target, wanted,
	                          NULL) != NULL;
}

struct wanted {
	struct bounce *bounce;
	int bouncer;
	int value; /* node, or paused */
};

static bool settled(void *arg)
{
	const struct wanted *wanted = arg;
	struct lab_segue *segue = wanted->bounce->segue;
	const char *target =
	    lab_printf(wanted->bounce->lab, " target=%s ", bounce_target(wanted->bouncer));

	return lab_segue_count_log(segue, "event=in_sync ", target, NULL) > 0 ||
	       lab_segue_count_log(segue, "event=moved ", target, NULL) > 0;
}

bool bounce_wait_settled(struct bounce *bounce, int bouncer)
{
	return lab_wait_until(settled, &(struct wanted){bounce, bouncer, 0}, BOUNCE_TIMEOUT_MS);
}

bool bounce_is_paused(struct bounce *bounce, int bouncer)
{
	return lab_pgbouncer_says(bounce->bouncers[bouncer], "app", "paused", "1");
}

static bool has_pause(void *arg)
{
	const struct wanted *wanted = arg;

	return lab_pgbouncer_says(wanted->bounce->bouncers[wanted->bouncer], "app", "paused",
	                          wanted->value ? "1" : "0");
}

bool bounce_wait_paused(struct bounce *bounce, int bouncer, bool paused)
{
	return lab_wait_until(has_pause, &(struct wanted){bounce, bouncer, paused},
	                      BOUNCE_TIMEOUT_MS);
}

static bool drained(void *arg)
{
	const struct wanted *wanted = arg;
	auto_free char *server = lab_pgbouncer_find(wanted->bounce->bouncers[wanted->bouncer],
	                                            "SHOW SERVERS", "database", "app", "state");

	return server != NULL && *server == '\0' &&
	       bounce_is_paused(wanted->bounce, wanted->bouncer);
}

bool bounce_wait_drained(struct bounce *bounce, int bouncer)
{
	return lab_wait_until(drained, &(struct wanted){bounce, bouncer, 0}, BOUNCE_TIMEOUT_MS);
}

static bool restored(void *arg)
{
	const struct wanted *wanted = arg;
	auto_free char *retry =
	    lab_pgbouncer_find(wanted->bounce->bouncers[wanted->bouncer], "SHOW CONFIG", "key",
	                       "server_login_retry", "value");

	return retry != NULL && strcmp(retry, "15") == 0;
}

bool bounce_wait_restored(struct bounce *bounce, int bouncer)
{
	return lab_wait_until(restored, &(struct wanted){bounce, bouncer, 0}, BOUNCE_TIMEOUT_MS);
}

bool bounce_leads_to(struct bounce *bounce, int bouncer, int node)
{
	struct lab_pgbouncer *pgbouncer = bounce->bouncers[bouncer];
	const char *port = lab_printf(bounce->lab, "%u", lab_pg_port(bounce->pg, node));
	auto_free char *answered = NULL;

	if (!lab_pgbouncer_says(pgbouncer, "app", "port", port) ||
	    !lab_pgbouncer_says(pgbouncer, "app", "paused", "0"))
		return false;
	answered =
	    lab_pg_query(lab_pgbouncer_conninfo(pgbouncer, "app"), "select inet_server_port()");
	return answered != NULL && strcmp(answered, port) == 0;
}

static bool leads_to(void *arg)
{
	const struct wanted *wanted = arg;

	return bounce_leads_to(wanted->bounce, wanted->bouncer, wanted->value);
}

bool bounce_wait_leads_to(struct bounce *bounce, int bouncer, int node)
{
	return lab_wait_until(leads_to, &(struct wanted){bounce, bouncer, node}, BOUNCE_TIMEOUT_MS);
}

static bool has_caught_up(void *arg)
{
	const struct bounce *bounce = arg;
	auto_free char *there =
	    lab_pg_query(lab_pg_conninfo(bounce->pg, 0), "select pg_current_wal_lsn()");
	auto_free char *sql =
	    there != NULL ? xasprintf("select pg_last_wal_replay_lsn() >= '%s'", there) : NULL;
	auto_free char *caught_up =
	    sql != NULL ? lab_pg_query(lab_pg_conninfo(bounce->pg, 1), sql) : NULL;

	return caught_up != NULL && strcmp(caught_up, "t") == 0;
}

void bounce_catch_up(struct bounce *bounce)
{
	cr_assert(lab_wait_until(has_caught_up, bounce, BOUNCE_TIMEOUT_MS));
}

void bounce_promote(struct bounce *bounce)
{
	bounce_catch_up(bounce);
	lab_pg_promote(bounce->pg, 1);
}

static char *query(struct bounce *bounce, int node, const char *sql)
{
	char *value = lab_pg_query(lab_pg_conninfo(bounce->pg, node), sql);

	cr_assert_not_null(value, "db%d refuses: %s", node, sql);
	return value;
}

/* The first row of node 1 is younger than the last one of node 0, as their clocks are one. */
static void judge_order(struct bounce *bounce)
{
	const char *sql = lab_printf(bounce->lab, "select min(at) from writes where port = %u",
	                             lab_pg_port(bounce->pg, 1));
	auto_free char *first = query(bounce, 1, sql);
	auto_free char *late =
	    query(bounce, 0,
	          lab_printf(bounce->lab, "select count(*) from writes where at >= '%s'", first));

	cr_assert_str_eq(late, "0", "%s rows were written on db0 after the first one on db1", late);
}

void bounce_judge(struct bounce *bounce, int64_t failed_max)
{
	const char *servers[] = {lab_pg_conninfo(bounce->pg, 1), lab_pg_conninfo(bounce->pg, 0)};
	struct traffic_client sum;

	cr_assert(traffic_all_served(bounce->traffic, BOUNCE_TIMEOUT_MS));
	traffic_stop(bounce->traffic);
	sum = traffic_sum(bounce->traffic);
	cr_assert_leq(sum.failed, failed_max, "%" PRId64 " writes failed: %s", sum.failed,
	              sum.error);
	cr_assert_eq(traffic_lost(bounce->traffic, servers, bounce->standby ? 1 : 2), 0);
	if (lab_process_alive(lab_pg_process(bounce->pg, 0)))
		judge_order(bounce);
}

int bounce_resume(struct bounce *bounce, const char *target)
{
	const char *argv[] = {lab_segue_binary(bounce->lab),     "resume", "-c",
	                      lab_segue_ini_file(bounce->segue), target,   NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int status = lab_run(bounce->lab, argv, &output);

	if (status != 0)
		fprintf(stderr, "segue resume: %s\n", output.data);
	return status;
}
