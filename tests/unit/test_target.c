/* What all kinds of targets have in common, shown with a file target: its moves and its log. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "target/file_target.h"
#include "target/install.h"
#include "unit/loop.h"

#define TIMEOUT_MS 15000

static struct {
	struct event_base *base;
	struct target_hub *hub;
	struct target *target;
	char dir[64], output[96], marker[96];
	struct config_target config;
	int sink; /* takes the place of stderr: each test is a process */
} t;

static void open_target(char *reload_command)
{
	struct target_setup target = {.config = &t.config, .state_dir = t.dir};

	t.config.reload_command = reload_command;
	target.hub = t.hub = target_hub_create(t.base);
	t.target = file_target_create(&target);
}

static void close_target(void)
{
	target_destroy(t.target);
	target_hub_destroy(t.hub);
}

static void setup(void)
{
	static char name[] = "app", cluster[] = "orders", none[] = "";

	t.sink = memfd_create("stderr", 0);
	cr_assert_geq(dup2(t.sink, STDERR_FILENO), 0);
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-target-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.output, sizeof(t.output), "%s/app.conf", t.dir);
	snprintf(t.marker, sizeof(t.marker), "%s/file-app.reload", t.dir);
	t.config = (struct config_target){.kind = CONFIG_TARGET_FILE,
	                                  .name = name,
	                                  .cluster = cluster,
	                                  .output = t.output,
	                                  .owner = none,
	                                  .mode = 0600,
	                                  .check_command = none};
	t.base = event_base_new();
	open_target(none);
}

static void teardown(void)
{
	close_target();
	loop_for(t.base, 20);
	event_base_free(t.base);
	unlink(t.output);
	rmdir(t.marker);
	cr_expect_eq(rmdir(t.dir), 0, "something was left in the folder");
}

TestSuite(target, .init = setup, .fini = teardown);

static const char *logged(void)
{
	static char text[65536];
	ssize_t len = pread(t.sink, text, sizeof(text) - 1, 0);

	cr_assert_geq(len, 0);
	text[len] = '\0';
	return text;
}

static unsigned count_log(const char *words)
{
	unsigned count = 0;

	for (const char *at = logged(); (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static bool file_is(const char *text)
{
	return install_is_current(t.output, text, strlen(text));
}

static bool in_sync(void)
{
	struct target_status status;

	target_status(t.target, &status);
	return status.in_sync;
}

static void set(const char *text)
{
	const struct desired desired = {
	    .text = text, .len = strlen(text), .zxid = 7, .notified_us = clock_now_us()};
	struct err err;

	cr_assert(target_set_desired(t.target, &desired, &err), "%s", err.message);
}

/* Waits until the file has the text and the target agrees. */
static void apply(const char *text)
{
	int64_t until = clock_now_ms() + TIMEOUT_MS;

	set(text);
	while (!in_sync() && clock_now_ms() < until)
		loop_for(t.base, 2);
	cr_assert(file_is(text));
}

static uint64_t moves(void)
{
	struct target_counts counts;

	target_counts(t.target, &counts);
	return counts.moves;
}

static uint64_t tallied(void)
{
	const struct move_histogram *moved = &target_hub_tally(t.hub)->moves[CONFIG_TARGET_FILE];
	uint64_t count = 0;

	for (size_t i = 0; i <= MOVE_BUCKETS; i++)
		count += moved->counts[i];
	return count;
}

Test(target, a_move_is_logged_with_its_times)
{
	apply("a\n");
	cr_expect_eq(
	    count_log("event=moved cluster=orders target=file/app zxid=7 what=\"the file\" "
	              "notified="),
	    1, "%s", logged());
	cr_expect_eq(count_log(" persisted_ms="), 1, "%s", logged());
	cr_expect_eq(moves(), 1);
	apply("b\n");
	cr_expect_eq(count_log("event=moved"), 2);
	cr_expect_eq(count_log("event=drift"), 0);
}

Test(target, a_file_that_somebody_changed_is_drift_and_no_move)
{
	const struct file_owner owner = {.mode = 0600};
	int64_t until = clock_now_ms() + TIMEOUT_MS;
	struct err err;

	apply("a\n");
	cr_assert(file_replace(t.output, "by hand\n", 8, &owner, &err), "%s", err.message);
	while (!file_is("a\n") && clock_now_ms() < until)
		loop_for(t.base, 2);
	while (!in_sync() && clock_now_ms() < until)
		loop_for(t.base, 2);
	cr_expect(file_is("a\n"));
	cr_expect_eq(count_log("event=drift cluster=orders target=file/app "
	                       "what=\"somebody had changed the file\""),
	             1, "%s", logged());
	cr_expect_eq(count_log("event=moved"), 1, "%s", logged());
	cr_expect_eq(moves(), 1);
	cr_expect_eq(tallied(), 1);
	apply("b\n");
	cr_expect_eq(count_log("event=moved"), 2, "a new text is a move again");
}

/* --- reload_command: it ends when there is a file "go", and fails if that is empty --- */

static void await_log(const char *words)
{
	int64_t until = clock_now_ms() + TIMEOUT_MS;

	while (count_log(words) == 0 && clock_now_ms() < until)
		loop_for(t.base, 1);
	cr_assert_eq(count_log(words), 1, "%s: %s", words, logged());
}

static void let_it_end(const char *content)
{
	auto_free char *go = xasprintf("%s/go", t.dir);
	const struct file_owner owner = {.mode = 0600};
	struct err err;

	cr_assert(file_replace(go, content, strlen(content), &owner, &err), "%s", err.message);
}

static char *waiting_command(void)
{
	return xasprintf("sh -c 'until test -e %s/go; do sleep 0.01; done; test -s %s/go'", t.dir,
	                 t.dir);
}

static void forget_go(void)
{
	auto_free char *go = xasprintf("%s/go", t.dir);

	unlink(go);
}

Test(target, what_is_put_right_while_the_reload_fails_is_drift)
{
	const struct file_owner owner = {.mode = 0600};
	auto_free char *command = waiting_command();
	struct err err;

	close_target();
	open_target(command);
	let_it_end("");
	set("a\n");
	await_log("event=reload_failed");
	cr_assert(file_replace(t.output, "by hand\n", 8, &owner, &err), "%s", err.message);
	let_it_end("well");
	await_log("event=drift");
	apply("a\n");
	cr_expect_eq(count_log("event=moved"), 1, "%s", logged());
	forget_go();
}

Test(target, a_text_that_comes_during_a_reload_does_not_wait_when_that_fails)
{
	auto_free char *command = waiting_command();
	struct target_status status;

	close_target();
	open_target(command);
	set("a\n");
	do {
		loop_for(t.base, 1);
		target_status(t.target, &status);
	} while (strcmp(status.step, "reloading") != 0);
	set("b\n");
	let_it_end("");
	await_log("event=reload_failed");
	target_status(t.target, &status);
	cr_expect_str_neq(status.step, "waiting");
	let_it_end("well");
	apply("b\n");
	forget_go();
}

/* Two methods may have the same object. */
Test(target, a_shared_object_is_of_one_kind)
{
	static const struct reload_method other = {.limit_ms = 1};
	struct reloader *reloader = target_hub_reloader(t.hub, &reload_by_command, "x");

	cr_expect_not_null(reloader);
	cr_expect_eq(target_hub_reloader(t.hub, &reload_by_command, "x"), reloader);
	cr_expect_neq(target_hub_reloader(t.hub, &other, "x"), reloader);
	cr_expect_null(target_hub_reloader(t.hub, &other, ""));
}

/* The name of a target alone does not say which cluster is in trouble. */
Test(target, what_cannot_be_removed_is_logged_with_the_cluster)
{
	cr_assert_eq(mkdir(t.marker, 0700), 0);
	target_marker_remove(t.target);
	cr_expect_eq(
	    count_log("level=warning event=marker_left cluster=orders target=file/app error="), 1,
	    "%s", logged());
}

Test(target, a_failure_is_logged_with_the_zxid_and_counted)
{
	struct target_counts counts;

	apply("a\n");
	target_fail(t.target, "move_failed", "no reply", "tried again");
	target_counts(t.target, &counts);
	cr_expect_eq(counts.failures, 1);
	cr_expect_eq(
	    count_log("level=error event=move_failed cluster=orders target=file/app zxid=7 "
	              "error=\"no reply\" next=\"tried again\""),
	    1, "%s", logged());
}
