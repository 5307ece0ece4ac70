/* segue set-primary, and a null by a person's hand, with real servers: what was promoted by mistake
 * does not rule for good. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/repmgr_stage.h"

#define MASTER CROWD_PATH "/master"

TestSuite(set_primary, .timeout = 180);

static struct repmgr_stage repmgr_stage;
static struct lab_segue *sidecar;

static struct lab_process *process(int publisher)
{
	return lab_segue_process(repmgr_stage.publishers[publisher]);
}

static const char *logs(void)
{
	return lab_printf(repmgr_stage.lab, "%s--- sidecar ---\n%s\n",
	                  repmgr_stage_logs(&repmgr_stage),
	                  sidecar != NULL ? lab_process_log_tail(lab_segue_process(sidecar)) : "");
}

/* -- a sidecar, whose file holds the port of the primary -- */

static void start_sidecar(void)
{
	const char *template = lab_path(repmgr_stage.lab, "port.mustache");

	lab_write_file(template, "{{#primary}}{{port}}{{/primary}}\n");
	sidecar = lab_segue_create(
	    repmgr_stage.lab, lab_printf(repmgr_stage.lab,
	                                 "[segue]\nname = side\nstate_dir = %s/state\nlisten =\n"
	                                 "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	                                 "[cluster orders]\npath = " CROWD_PATH "\n"
	                                 "verify_conninfo = user=postgres dbname=postgres\n"
	                                 "[file port]\ncluster = orders\ntemplate = %s\n"
	                                 "output = %s/port\n",
	                                 lab_dir(repmgr_stage.lab), lab_zk_hosts(repmgr_stage.zk),
	                                 template, lab_dir(repmgr_stage.lab)));
	lab_segue_start(sidecar);
}

static bool has_port(void *arg)
{
	const int *node = arg;
	const char *text = lab_read_file(repmgr_stage.lab, lab_path(repmgr_stage.lab, "port"));

	return strtol(text, NULL, 10) == lab_pg_port(repmgr_stage.pg, *node);
}

static void expect_file(int node)
{
	cr_assert(lab_wait_until(has_port, &node, CROWD_TIMEOUT_MS), "not node %d:\n%s", node,
	          logs());
}

/* -- the verb -- */

static const char *place(int node)
{
	return lab_printf(repmgr_stage.lab, "127.0.0.1:%u", lab_pg_port(repmgr_stage.pg, node));
}

/* `segue set-primary -c INI [--force] orders PLACE`; `by`: whose segue.ini. */
static int set(const struct lab_segue *by, int node, bool force, struct strbuf *output)
{
	const char *argv[] = {lab_segue_binary(repmgr_stage.lab),
	                      "set-primary",
	                      "-c",
	                      lab_segue_ini_file(by),
	                      "orders",
	                      place(node),
	                      force ? "--force" : NULL,
	                      NULL};

	strbuf_reset(output);
	return lab_run(repmgr_stage.lab, argv, output);
}

static void must_set(const struct lab_segue *by, int node)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(set(by, node, false, &output), 0, "%s", output.data);
}

static void must_refuse(int node, const char *reason)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_eq(set(repmgr_stage.publishers[0], node, false, &output), 1, "%s", output.data);
	cr_assert_not_null(strstr(output.data, reason), "%s", output.data);
	cr_assert_not_null(strstr(output.data, "nothing was changed"), "%s", output.data);
}

/* -- what is common -- */

static void start(const char *settings)
{
	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.alone = true, .settings = settings});
	start_sidecar();
	expect_file(0);
}

static void finish(void)
{
	repmgr_stage_fini(&repmgr_stage);
	sidecar = NULL;
}

static void must_log(struct lab_segue *segue, const char *a, const char *b)
{
	cr_assert_not_null(lab_segue_wait_log(segue, CROWD_TIMEOUT_MS, a, b, NULL), "%s %s:\n%s", a,
	                   b, logs());
}

static bool lists_standbys(void *arg)
{
	const size_t *count = arg;
	struct topology topology;
	bool does;

	repmgr_stage_primary(&repmgr_stage, &topology);
	does = topology.standby_count == *count;
	topology_fini(&topology);
	return does;
}

/* A publisher has written since the person did. */
static void must_list_standbys(size_t count)
{
	cr_assert(lab_wait_until(lists_standbys, &count, CROWD_TIMEOUT_MS), "%s", logs());
}

static const char *command(int node)
{
	return lab_printf(repmgr_stage.lab, "segue set-primary orders %s", place(node));
}

/* Node 1 is promoted while node 0 lives, all follow, and it is made a standby again. */
static void promote_by_mistake_and_undo(void)
{
	lab_pg_promote(repmgr_stage.pg, 1);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	expect_file(1);
	lab_pg_rejoin(repmgr_stage.pg, 1, 0);
	repmgr_stage_must_name_nobody(&repmgr_stage);
}

Test(set_primary, a_mistaken_promotion_is_undone_by_one_command)
{
	struct topology topology;

	start(NULL);
	promote_by_mistake_and_undo();
	must_log(repmgr_stage.publishers[0], "on the old timeline 1", command(0));
	must_set(repmgr_stage.publishers[2], 0);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	for (int i = 0; i < CROWD_NODES; i++)
		must_log(repmgr_stage.publishers[i], "event=primary_set ",
		         "lowest_timeline_before=2");
	must_log(sidecar, "event=primary ", "a person has named the primary");
	/* Whoever is restarted keeps to it, ... */
	for (int i = 0; i < CROWD_NODES; i++)
		lab_process_kill(process(i));
	lab_process_kill(lab_segue_process(sidecar));
	for (int i = 0; i < CROWD_NODES; i++)
		lab_segue_publish(repmgr_stage.publishers[i]);
	lab_segue_start(sidecar);
	for (int i = 0; i < CROWD_NODES; i++)
		must_log(repmgr_stage.publishers[i], "event=opinion ", "verdict=same");
	must_log(sidecar, "event=primary ", "timeline=1");
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	/* ... a promotion later is followed, and the old primary that returns is refused. */
	lab_process_kill(lab_pg_process(repmgr_stage.pg, 0));
	lab_pg_promote(repmgr_stage.pg, 1);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	expect_file(1);
	lab_pg_node_start(repmgr_stage.pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(repmgr_stage.pg, 0), CROWD_TIMEOUT_MS));
	must_log(repmgr_stage.publishers[1],
	         lab_printf(repmgr_stage.lab, "port=%u ", lab_pg_port(repmgr_stage.pg, 0)),
	         "in_recovery=no timeline=1");
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	expect_file(1);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, &topology), 1);
	cr_assert_str_neq(topology.set_by.id, ""); /* who was away then may still learn of it */
	topology_fini(&topology);
	finish();
}

/* A sidecar and publishers that were away when the word was said hear it later, from a value that a
 * publisher wrote since. */
Test(set_primary, who_was_away_obeys_later)
{
	start(NULL);
	promote_by_mistake_and_undo();
	lab_process_kill(lab_segue_process(sidecar));
	lab_process_freeze(process(1));
	must_set(repmgr_stage.publishers[0], 0);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	must_list_standbys(2);
	lab_process_thaw(process(1));
	lab_segue_start(sidecar);
	must_log(repmgr_stage.publishers[1], "event=primary_set ", "timeline=1");
	expect_file(0);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	finish();
}

/* The stray lives: the person's word counts, and it is said. When it is gone, all is well. */
Test(set_primary, a_stray_that_lives_on_a_higher_timeline_wins_nothing)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	start(NULL);
	lab_pg_promote(repmgr_stage.pg, 1);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	expect_file(1);
	must_refuse(0, "also takes writes, on timeline 2: stop it first");
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 1);
	cr_assert_eq(set(repmgr_stage.publishers[0], 0, true, &output), 0, "%s", output.data);
	for (int i = 0; i < CROWD_NODES; i++)
		must_log(repmgr_stage.publishers[i], "event=alarm ", "split brain");
	must_log(repmgr_stage.publishers[0], "event=alarm ", command(1));
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	must_log(sidecar, "event=split_brain ", command(1));
	/* a publisher that knows nothing of before does not follow it either */
	lab_process_kill(process(0));
	lab_segue_publish(repmgr_stage.publishers[0]);
	must_log(repmgr_stage.publishers[0], "event=alarm ", "split brain");
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	lab_pg_rejoin(repmgr_stage.pg, 1, 0);
	must_list_standbys(2);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	finish();
}

Test(set_primary, the_server_is_asked_first)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	struct topology topology;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.alone = true});
	must_refuse(1, "is a standby: promote it first");
	lab_process_kill(lab_pg_process(repmgr_stage.pg, 2));
	must_refuse(2, "cannot be asked: refused");
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, &topology), 0);
	cr_assert_str_eq(topology.set_by.id, "");
	topology_fini(&topology);
	/* by force, and back, with a sidecar's configuration */
	for (int i = 0; i < CROWD_NODES; i++)
		lab_process_kill(process(i));
	cr_assert_eq(set(repmgr_stage.publishers[0], 1, true, &output), 0, "%s", output.data);
	cr_assert_not_null(strstr(output.data, "because of --force"), "%s", output.data);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 1);
	start_sidecar();
	must_set(sidecar, 0);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 0);
	expect_file(0);
	/* there is no znode yet */
	cr_assert(lab_zk_delete(repmgr_stage.zk, MASTER));
	must_set(repmgr_stage.publishers[0], 0);
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 0);
	finish();
}

Test(set_primary, other_layouts_say_what_to_do)
{
	static const struct {
		const char *cluster, *words, *says;
		int code;
	} cases[] = {
	    {"layout = patroni\npath = /service/orders\n", "orders", "patronictl", 1},
	    {"layout = plain\npath = /db/primary\n", "orders", "/orders.json", 1},
	    {"path = /segue/orders\n", "bills", "found no [cluster bills]", 2},
	};
	struct lab *lab = lab_create("set");
	auto_strbuf struct strbuf output = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *ini = lab_path(lab, "segue.ini");
		const char *argv[] = {lab_segue_binary(lab), "set-primary",   "-c", ini,
		                      cases[i].words,        "10.0.0.1:5432", NULL};

		lab_write_file(ini, lab_printf(lab,
		                               "[zookeeper]\nhosts = 127.0.0.1:1\n"
		                               "[cluster orders]\n%s",
		                               cases[i].cluster));
		strbuf_reset(&output);
		cr_assert_eq(lab_run(lab, argv, &output), cases[i].code, "%s", output.data);
		cr_assert_not_null(strstr(output.data, cases[i].says), "%s", output.data);
	}
	lab_destroy(lab);
}

/* -- a null by hand -- */

static bool has_none_since(void)
{
	auto_strbuf struct strbuf data = STRBUF_INIT;

	cr_assert(lab_zk_get(repmgr_stage.zk, MASTER, &data, NULL));
	return strstr(data.data, "none_since") != NULL;
}

static void write_null(void)
{
	static const char text[] = "{\"primary\": null, \"reason\": \"planned\"}";

	lab_zk_set(repmgr_stage.zk, MASTER, text, strlen(text));
}

Test(set_primary, a_null_by_hand_is_respected_until_a_promotion)
{
	start("null_hold = 10m\n");
	write_null();
	for (int i = 0; i < CROWD_NODES; i++)
		must_log(repmgr_stage.publishers[i], "verdict=wait ",
		         "which no publisher wrote: nothing is published for another ");
	must_log(sidecar, "event=hold ", "the store names no primary");
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), -1);
	cr_assert_not(has_none_since());
	lab_process_stop(lab_pg_process(repmgr_stage.pg, 0));
	lab_pg_promote(repmgr_stage.pg, 1);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	expect_file(1);
	finish();
}

static bool said_over(void *arg)
{
	(void)arg;
	for (int i = 0; i < CROWD_NODES; i++)
		if (lab_segue_count_log(repmgr_stage.publishers[i], "event=published ",
		                        "was respected for 3 s (null_hold)", NULL) > 0)
			return true;
	return false;
}

Test(set_primary, a_null_by_hand_is_over_after_null_hold)
{
	start("null_hold = 3s\n");
	write_null();
	must_log(repmgr_stage.publishers[0], "verdict=wait ", "nothing is published for another ");
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	cr_assert(lab_wait_until(said_over, NULL, CROWD_TIMEOUT_MS), "%s", logs());
	finish();
}

/* The primary that a publisher missed comes back on its timeline: nobody waits for null_hold. */
Test(set_primary, a_null_of_a_publisher_is_not_held)
{
	start("null_hold = 10m\nnull_after = 1\n");
	lab_process_kill(lab_pg_process(repmgr_stage.pg, 0));
	repmgr_stage_must_name_nobody(&repmgr_stage);
	cr_assert(has_none_since());
	lab_pg_node_start(repmgr_stage.pg, 0);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	finish();
}

Test(set_primary, a_null_by_hand_is_ended_by_the_command)
{
	start("null_hold = 10m\n");
	write_null();
	must_log(repmgr_stage.publishers[0], "verdict=wait ", command(0));
	must_set(repmgr_stage.publishers[0], 0);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	expect_file(0);
	finish();
}
