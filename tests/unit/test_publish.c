/* Publishing against a store that does what the test says: which requests, on which version, and
 * what is made of each answer. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "publisher/write.h"

/* The store: keeps the request under way, until the test answers it. */
struct script {
	enum { ASKED_NOTHING, ASKED_READ, ASKED_CREATE, ASKED_SET } asked;
	int32_t version; /* SET */
	char data[512];
	char path[64];
	zk_write_cb *cb;
	void *arg;
	unsigned cancelled;

	unsigned formed, done;
	enum stored_state formed_on;
	enum publish_action action; /* what is formed */
	enum publish_result result;
	char problem[256];
	unsigned races_lost;
	struct publish *publish;
};

static struct script script;
static const struct config_cluster cluster = {
    .name = (char *)"c", .layout = CONFIG_LAYOUT_SEGUE, .path = (char *)"/segue/c"};

static struct zk_write *ask(int asked, const char *path, zk_write_cb *cb, void *arg)
{
	cr_assert_eq(script.asked, ASKED_NOTHING, "one request at a time");
	script.asked = asked;
	snprintf(script.path, sizeof(script.path), "%s", path);
	script.cb = cb;
	script.arg = arg;
	return (struct zk_write *)(void *)&script;
}

static struct zk_write *script_read(void *store, const char *path, zk_write_cb *cb, void *arg)
{
	(void)store;
	return ask(ASKED_READ, path, cb, arg);
}

static struct zk_write *script_create(void *store, const char *path, const void *data, size_t size,
                                      zk_write_cb *cb, void *arg)
{
	(void)store;
	snprintf(script.data, sizeof(script.data), "%.*s", (int)size, (const char *)data);
	return ask(ASKED_CREATE, path, cb, arg);
}

static struct zk_write *script_set(void *store, const char *path, const void *data, size_t size,
                                   int32_t version, zk_write_cb *cb, void *arg)
{
	script.version = version;
	snprintf(script.data, sizeof(script.data), "%.*s", (int)size, (const char *)data);
	(void)store;
	return ask(ASKED_SET, path, cb, arg);
}

static void script_cancel(struct zk_write *write)
{
	(void)write;
	script.cancelled++;
}

static void on_form(const struct stored_value *store, struct publish_decision *out, void *arg)
{
	(void)arg;
	script.formed++;
	script.formed_on = store->state;
	*out = (struct publish_decision){.action = script.action, .reason = "because"};
	topology_init(&out->topology);
	out->topology.has_primary = true;
	strcpy(out->topology.primary.host, "10.0.0.2");
	out->topology.primary.port = 5432;
}

static void on_done(const struct publish_outcome *outcome, void *arg)
{
	(void)arg;
	script.done++;
	script.result = outcome->result;
	script.races_lost = outcome->races_lost;
	snprintf(script.problem, sizeof(script.problem), "%s",
	         outcome->problem != NULL ? outcome->problem : "");
}

static void setup(void)
{
	const struct publish_store store = {.read = script_read,
	                                    .create = script_create,
	                                    .set = script_set,
	                                    .cancel = script_cancel};
	const struct publish_options options = {
	    .cluster = &cluster, .store = &store, .form = on_form, .done = on_done};

	script = (struct script){.action = PUBLISH_DO_PUBLISH};
	script.publish = publish_create(&options);
}

static void teardown(void)
{
	publish_destroy(script.publish);
}

TestSuite(publish, .init = setup, .fini = teardown, .timeout = 30);

static void answer_data(enum zk_result result, int32_t version, const char *data)
{
	const struct zk_answer answer = {.result = result,
	                                 .problem = result != ZK_RESULT_OK ? "in words" : NULL,
	                                 .version = version,
	                                 .mzxid = 77,
	                                 .data = data,
	                                 .size = strlen(data)};

	cr_assert_neq(script.asked, ASKED_NOTHING);
	script.asked = ASKED_NOTHING;
	script.cb(&answer, script.arg);
}

static void answer(enum zk_result result, int32_t version)
{
	answer_data(result, version, "{\"version\":1,\"primary\":null}");
}

static void assert_done(enum publish_result result)
{
	cr_assert_eq(script.done, 1);
	cr_assert_eq(script.result, result, "%d", script.result);
	cr_assert_eq(script.asked, ASKED_NOTHING);
}

/* A run that has nothing to write leaves behind what it read, in version 41, from mzxid 77. */
static void know_version_41(void)
{
	script.action = PUBLISH_DO_SAME;
	publish_run(script.publish);
	answer(ZK_RESULT_OK, 41);
	assert_done(PUBLISH_NOTHING);
	script.action = PUBLISH_DO_PUBLISH;
	script.done = script.formed = 0;
}

Test(publish, writes_without_a_read_upon_what_the_store_still_has)
{
	know_version_41();
	publish_note(script.publish, 77);
	publish_run(script.publish);
	cr_assert_eq(script.formed_on, STORED_VALUE);
	cr_assert_eq(script.asked, ASKED_SET);
	cr_assert_eq(script.version, 41);
	cr_assert_eq(script.done, 0, "called back inside the call");
	answer(ZK_RESULT_OK, 42);
	assert_done(PUBLISH_WRITTEN);
	script.done = 0;
	publish_run(script.publish); /* upon what it wrote itself, which the watch says is there */
	cr_assert_eq(script.asked, ASKED_SET);
	cr_assert_eq(script.version, 42);
	answer(ZK_RESULT_OK, 43);
	assert_done(PUBLISH_WRITTEN);
}

Test(publish, reads_first_what_the_watch_does_not_vouch_for)
{
	static const int64_t notes[] = {0, 76, 78}; /* not known, the past, another one's write */

	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		publish_note(script.publish, 0);
		know_version_41();
		publish_note(script.publish, notes[i]);
		publish_run(script.publish);
		cr_assert_eq(script.asked, ASKED_READ);
		cr_assert_eq(script.formed, 0);
		answer(ZK_RESULT_LOST, -1);
		assert_done(PUBLISH_FAILED);
		script.done = 0;
	}
	publish_note(script.publish, 77); /* that failed, so that nothing is known */
	publish_run(script.publish);
	cr_assert_eq(script.asked, ASKED_READ);
}

Test(publish, a_write_without_a_read_that_loses_reads_and_decides_again)
{
	know_version_41();
	publish_note(script.publish, 77);
	publish_run(script.publish);
	cr_assert_eq(script.asked, ASKED_SET);
	script.action = PUBLISH_DO_SAME;
	answer(ZK_RESULT_BAD_VERSION, -1);
	cr_assert_eq(script.asked, ASKED_READ);
	answer(ZK_RESULT_OK, 42);
	assert_done(PUBLISH_NOTHING);
	cr_assert_eq(script.formed, 2);
	cr_assert_eq(script.races_lost, 1);
}

Test(publish, what_is_known_never_replaces_the_read_of_a_round_without_news)
{
	know_version_41();
	publish_note(script.publish, 77);
	script.action = PUBLISH_DO_SAME;
	publish_run(script.publish);
	cr_assert_eq(script.asked, ASKED_READ);
	answer(ZK_RESULT_OK, 41);
	assert_done(PUBLISH_NOTHING);
}

Test(publish, writes_on_the_version_that_it_read)
{
	publish_run(script.publish);
	cr_assert_eq(script.asked, ASKED_READ);
	cr_assert_str_eq(script.path, "/segue/c/master");
	answer(ZK_RESULT_OK, 41);
	cr_assert_eq(script.formed_on, STORED_VALUE);
	cr_assert_eq(script.asked, ASKED_SET);
	cr_assert_eq(script.version, 41);
	cr_assert_not_null(strstr(script.data, "\"host\":\"10.0.0.2\""), "%s", script.data);
	answer(ZK_RESULT_OK, 42);
	assert_done(PUBLISH_WRITTEN);
}

Test(publish, creates_what_is_absent)
{
	publish_run(script.publish);
	answer(ZK_RESULT_NO_NODE, -1);
	cr_assert_eq(script.formed_on, STORED_ABSENT);
	cr_assert_eq(script.asked, ASKED_CREATE);
	answer(ZK_RESULT_OK, 0);
	assert_done(PUBLISH_WRITTEN);
}

Test(publish, garbage_is_told_apart_from_nothing)
{
	publish_run(script.publish);
	answer_data(ZK_RESULT_OK, 3, "who knows");
	cr_assert_eq(script.formed_on, STORED_INVALID);
	cr_assert_eq(script.version, 3);
	answer(ZK_RESULT_OK, 4);
	assert_done(PUBLISH_WRITTEN);
}

Test(publish, writes_nothing_when_the_opinion_is_not_to)
{
	static const enum publish_action verdicts[] = {PUBLISH_DO_SAME, PUBLISH_DO_WAIT,
	                                               PUBLISH_DO_ALARM, PUBLISH_DO_BLIND};

	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		script.done = 0;
		script.action = verdicts[i];
		publish_run(script.publish);
		answer(ZK_RESULT_OK, 5);
		assert_done(PUBLISH_NOTHING);
	}
}

Test(publish, who_lost_the_race_reads_and_forms_anew)
{
	publish_run(script.publish);
	answer(ZK_RESULT_OK, 5);
	answer(ZK_RESULT_BAD_VERSION, -1);
	cr_assert_eq(script.asked, ASKED_READ);
	cr_assert_eq(script.formed, 1);
	script.action = PUBLISH_DO_SAME;
	answer(ZK_RESULT_OK, 6);
	cr_assert_eq(script.formed, 2);
	assert_done(PUBLISH_NOTHING);
	cr_assert_eq(script.races_lost, 1);
}

Test(publish, losing_the_creation_and_losing_the_node_are_races_too)
{
	publish_run(script.publish);
	answer(ZK_RESULT_NO_NODE, -1);
	answer(ZK_RESULT_EXISTS, -1);
	answer(ZK_RESULT_OK, 0);
	cr_assert_eq(script.asked, ASKED_SET);
	answer(ZK_RESULT_NO_NODE, -1);
	answer(ZK_RESULT_NO_NODE, -1);
	cr_assert_eq(script.asked, ASKED_CREATE);
	answer(ZK_RESULT_OK, 0);
	assert_done(PUBLISH_WRITTEN);
	cr_assert_eq(script.races_lost, 2);
}

Test(publish, endless_races_end)
{
	publish_run(script.publish);
	for (int i = 0; script.done == 0 && i < 50; i++)
		answer(script.asked == ASKED_READ ? ZK_RESULT_OK : ZK_RESULT_BAD_VERSION, i);
	assert_done(PUBLISH_CONTENDED);
	cr_assert_eq(script.races_lost, 6);
}

Test(publish, a_lost_answer_is_looked_up_and_it_was_ours)
{
	char written[sizeof(script.data)];

	publish_run(script.publish);
	answer(ZK_RESULT_OK, 5);
	memcpy(written, script.data, sizeof(written));
	answer(ZK_RESULT_LOST, -1);
	cr_assert_eq(script.asked, ASKED_READ);
	answer_data(ZK_RESULT_OK, 6, written);
	assert_done(PUBLISH_WRITTEN);
	cr_assert_eq(script.formed, 1);
}

Test(publish, a_lost_answer_is_looked_up_and_it_was_not_written)
{
	publish_run(script.publish);
	answer(ZK_RESULT_OK, 5);
	answer(ZK_RESULT_LOST, -1);
	answer(ZK_RESULT_OK, 5);
	cr_assert_eq(script.formed, 2);
	cr_assert_eq(script.asked, ASKED_SET);
	answer(ZK_RESULT_OK, 6);
	assert_done(PUBLISH_WRITTEN);
}

Test(publish, a_lost_answer_that_cannot_be_looked_up_is_said_to_be_unknown)
{
	publish_run(script.publish);
	answer(ZK_RESULT_OK, 5);
	answer(ZK_RESULT_LOST, -1);
	answer(ZK_RESULT_NOT_SENT, -1);
	assert_done(PUBLISH_FAILED);
	cr_assert_not_null(strstr(script.problem, "is not known"), "%s", script.problem);
}

Test(publish, failures_name_the_znode_and_are_not_repeated)
{
	static const enum zk_result results[] = {ZK_RESULT_DENIED, ZK_RESULT_REFUSED,
	                                         ZK_RESULT_NOT_SENT};

	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		script.done = 0;
		publish_run(script.publish);
		answer(ZK_RESULT_OK, 5);
		answer(results[i], -1);
		assert_done(PUBLISH_FAILED);
		cr_assert_not_null(strstr(script.problem, "/segue/c/master"));
		cr_assert_not_null(strstr(script.problem, "in words"));
	}
}

Test(publish, a_chroot_that_is_missing_is_no_race)
{
	publish_run(script.publish);
	answer(ZK_RESULT_NO_NODE, -1);
	answer(ZK_RESULT_NO_NODE, -1);
	assert_done(PUBLISH_FAILED);
	cr_assert_not_null(strstr(script.problem, "chroot"), "%s", script.problem);
}

Test(publish, runs_asked_for_during_a_run_become_one_more)
{
	script.action = PUBLISH_DO_SAME;
	publish_run(script.publish);
	publish_run(script.publish);
	publish_run(script.publish);
	answer(ZK_RESULT_OK, 5);
	cr_assert_eq(script.done, 1);
	cr_assert_eq(script.asked, ASKED_READ);
	answer(ZK_RESULT_OK, 5);
	cr_assert_eq(script.done, 2);
	cr_assert_eq(script.asked, ASKED_NOTHING);
}

Test(publish, destroying_ends_the_request_without_a_callback)
{
	publish_run(script.publish);
	publish_destroy(script.publish);
	script.publish = NULL;
	cr_assert_eq(script.cancelled, 1);
	cr_assert_eq(script.done, 0);
}
