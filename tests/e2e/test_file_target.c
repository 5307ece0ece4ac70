/* A [file NAME] target with real commands: what is installed, when the command runs, what a crash
 * in between leaves to be done. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/target_kinds.h"
#include "lab/lab.h"
#include "target/target.h"
#include "unit/loop.h"

#define TIMEOUT_MS 15000

static struct {
	struct lab *lab;
	struct event_base *base;
	struct target_hub *hub;
	struct target *target;
	struct config_target config;
	const char *runs; /* one line for each run of reload_command */
	int changed;
} t;

static void changed_cb(void *arg)
{
	(void)arg;
	t.changed++;
}

static void open_target(void)
{
	t.base = event_base_new();
	t.hub = target_hub_create(t.base);
	t.target = target_create(t.hub, &t.config, lab_dir(t.lab), changed_cb, NULL);
}

static void close_target(void)
{
	target_destroy(t.target);
	target_hub_destroy(t.hub);
	loop_for(t.base, 30);
	event_base_free(t.base);
}

static void setup(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
	t.lab = lab_create("file");
	t.runs = lab_path(t.lab, "runs");
	t.config = (struct config_target){
	    .kind = CONFIG_TARGET_FILE,
	    .name = xstrdup("app"),
	    .cluster = xstrdup("orders"),
	    .output = xstrdup(lab_path(t.lab, "app.conf")),
	    .owner = xstrdup(""),
	    .mode = 0600,
	    .check_command = xstrdup("grep -q good {}"),
	    .reload_command = xstrdup(lab_printf(t.lab, "sh -c 'echo run >>%s; test ! -e %s'",
	                                         t.runs, lab_path(t.lab, "fail"))),
	};
	open_target();
}

static void teardown(void)
{
	close_target();
	free(t.config.name);
	free(t.config.cluster);
	free(t.config.output);
	free(t.config.owner);
	free(t.config.check_command);
	free(t.config.reload_command);
	lab_destroy(t.lab);
}

static void set(const char *text)
{
	const struct desired desired = {.text = text, .len = strlen(text), .zxid = 7};
	struct err err;

	cr_assert(target_set_desired(t.target, &desired, &err), "%s", err.message);
}

static bool wait_sync(void)
{
	struct target_status status;

	for (int64_t until = clock_now_ms() + TIMEOUT_MS; clock_now_ms() < until;) {
		target_status(t.target, &status);
		if (status.in_sync)
			return true;
		loop_for(t.base, 2);
	}
	return false;
}

static bool wait_problem(const char *words)
{
	struct target_status status;

	for (int64_t until = clock_now_ms() + TIMEOUT_MS; clock_now_ms() < until;) {
		target_status(t.target, &status);
		if (strstr(status.problem, words) != NULL)
			return true;
		loop_for(t.base, 2);
	}
	return false;
}

static bool file_is(const char *text)
{
	return strcmp(lab_read_file(t.lab, t.config.output), text) == 0;
}

static size_t runs(void)
{
	return strlen(lab_read_file(t.lab, t.runs)) / strlen("run\n");
}

TestSuite(file_target, .init = setup, .fini = teardown);

Test(file_target, new_text_is_checked_installed_and_reloaded_once)
{
	set("good 1\n");
	cr_assert(wait_sync());
	cr_assert(file_is("good 1\n"));
	cr_assert_eq(runs(), 1);
	set("good 1\n");
	cr_assert(wait_sync());
	set("good 2\n");
	cr_assert(wait_sync());
	cr_assert(file_is("good 2\n"));
	cr_assert_eq(runs(), 2);
	loop_for(t.base, 20);
	cr_assert_gt(t.changed, 0);
}

Test(file_target, what_the_check_refuses_is_not_installed)
{
	set("good\n");
	cr_assert(wait_sync());
	set("bad\n");
	cr_assert(wait_problem("grep exited with 1"));
	cr_assert(file_is("good\n"));
	cr_assert_eq(runs(), 1);
	set("good again\n");
	cr_assert(wait_sync());
	cr_assert(file_is("good again\n"));
}

Test(file_target, a_failed_command_is_run_again)
{
	lab_write_file(lab_path(t.lab, "fail"), "");
	set("good\n");
	cr_assert(wait_problem("sh exited with 1"));
	cr_assert(file_is("good\n"));
	unlink(lab_path(t.lab, "fail"));
	cr_assert(wait_sync());
	cr_assert_geq(runs(), 2);
}

Test(file_target, a_command_owed_before_a_crash_is_run_after_it)
{
	lab_write_file(lab_path(t.lab, "fail"), "");
	set("good\n");
	cr_assert(wait_problem("sh exited with 1"));
	close_target(); /* the file is new, the command has not succeeded */
	unlink(lab_path(t.lab, "fail"));
	open_target();
	set("good\n");
	cr_assert(wait_sync());
	cr_assert_eq(runs(), 2);
	close_target();
	open_target();
	set("good\n");
	cr_assert(wait_sync());
	cr_assert_eq(runs(), 2, "and not again");
}

Test(file_target, an_unknown_owner_is_said_and_looked_up_again)
{
	close_target();
	free(t.config.owner);
	t.config.owner = xstrdup("no-such-user");
	open_target();
	set("good\n");
	cr_assert(wait_problem("no-such-user"));
	cr_assert(file_is(""));
	*t.config.owner = '\0';
	cr_assert(wait_sync());
	cr_assert(file_is("good\n"));
}
