/* check_commands on rendered texts: who is asked, how many at once, and that nothing is left. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "run/precheck.h"
#include "unit/loop.h"

#define TARGETS 5

static struct {
	struct event_base *base;
	char dir[64];
	struct config_target targets[TARGETS];
	struct config config;
	struct strbuf texts[TARGETS];
	struct precheck_request request;
	struct strbuf said;
	bool done;
} t;

static void checked(size_t target, bool accepted, const char *what, void *arg)
{
	(void)arg;
	cr_assert_not(t.done);
	strbuf_printf(&t.said, "%zu %s: %s\n", target, accepted ? "yes" : "no", what);
}

static void done(void *arg)
{
	(void)arg;
	cr_assert_not(t.done, "done twice");
	t.done = true;
}

static void setup(void)
{
	strcpy(t.dir, "/tmp/segue-precheck-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	t.base = event_base_new();
	t.done = false;
	strbuf_init(&t.said);
	for (size_t i = 0; i < TARGETS; i++) {
		t.targets[i] = (struct config_target){.output = xasprintf("%s/out%zu", t.dir, i),
		                                      .owner = strbuf_empty,
		                                      .mode = 0640,
		                                      .check_command = strbuf_empty};
		strbuf_init(&t.texts[i]);
		strbuf_printf(&t.texts[i], "text %zu\n", i);
	}
	t.config = (struct config){.targets = t.targets, .target_count = TARGETS};
	t.request = (struct precheck_request){
	    .config = &t.config, .texts = t.texts, .checked = checked, .done = done};
}

static void teardown(void)
{
	for (size_t i = 0; i < TARGETS; i++) {
		unlink(t.targets[i].output);
		free(t.targets[i].output);
		strbuf_fini(&t.texts[i]);
	}
	cr_assert_eq(rmdir(t.dir), 0, "something was left in %s", t.dir);
	strbuf_fini(&t.said);
	event_base_free(t.base);
}

static void run_all(void)
{
	cr_assert_not_null(precheck_start(t.base, &t.request));
	cr_assert_not(t.done, "called back inside the call");
	cr_assert(loop_until(t.base, &t.done, 10000));
}

Test(precheck, without_a_command_there_is_nothing_to_ask, .init = setup, .fini = teardown)
{
	run_all();
	cr_expect_str_eq(t.said.data, "");
}

Test(precheck, each_text_is_checked_on_a_hidden_probe_beside_the_output, .init = setup,
     .fini = teardown)
{
	auto_free char *wanted = NULL;

	t.targets[1].check_command =
	    (char[]){"sh -c 'echo ${0%.check-*}; cat $0; test ! -e ${0%/*}/out1; exit 7' {}"};
	t.targets[2].check_command = (char[]){"grep -q 'text 2' {}"};
	t.targets[3].check_command = (char[]){"/no/such/program {}"};
	t.targets[4].check_command = (char[]){"false"};
	strbuf_reset(&t.texts[4]); /* not known: not checked */
	run_all();
	wanted = xasprintf("1 no: sh exited with 7: %s/.out1 | text 1\n", t.dir);
	cr_expect_not_null(strstr(t.said.data, wanted), "%s", t.said.data);
	cr_expect_not_null(strstr(t.said.data, "2 yes: grep exited with 0\n"), "%s", t.said.data);
	cr_expect_not_null(strstr(t.said.data, "3 no: cannot run /no/such/program: "), "%s",
	                   t.said.data);
	cr_expect_null(strstr(t.said.data, "4 "), "%s", t.said.data);
}

Test(precheck, what_is_installed_already_need_not_be_checked, .init = setup, .fini = teardown)
{
	const struct file_owner owner = {.mode = 0644};
	struct err err;

	t.request.changed_only = true;
	t.targets[0].check_command = t.targets[1].check_command = (char[]){"false"};
	cr_assert(file_replace(t.targets[0].output, "text 0\n", 7, &owner, &err));
	cr_assert(file_replace(t.targets[1].output, "old\n", 4, &owner, &err));
	run_all();
	cr_expect_str_eq(t.said.data, "1 no: false exited with 1\n");
}

Test(precheck, a_probe_that_cannot_be_written_is_a_refusal, .init = setup, .fini = teardown)
{
	char *output = t.targets[0].output;

	t.targets[0].output = (char[]){"/nonexistent/out"};
	t.targets[0].check_command = (char[]){"true"};
	run_all();
	t.targets[0].output = output;
	cr_expect_eq(strncmp(t.said.data, "0 no: cannot create /nonexistent/", 33), 0, "%s",
	             t.said.data);
}

Test(precheck, at_most_two_run_at_a_time, .init = setup, .fini = teardown)
{
	auto_free char *command = xasprintf("sh -c 'cd %s; mkdir one 2>/dev/null && d=one || "
	                                    "{ mkdir two && d=two; } || exit 9; "
	                                    "sleep 0.05; rmdir $d' {}",
	                                    t.dir);

	for (size_t i = 0; i < TARGETS; i++)
		t.targets[i].check_command = command;
	run_all();
	for (size_t i = 0; i < TARGETS; i++) {
		auto_free char *wanted = xasprintf("%zu yes: ", i);

		cr_expect_not_null(strstr(t.said.data, wanted), "%s", t.said.data);
	}
}

Test(precheck, cancelled_it_says_nothing_and_leaves_nothing, .init = setup, .fini = teardown)
{
	struct precheck *check;

	t.targets[0].check_command = t.targets[1].check_command = (char[]){"sleep 60"};
	check = precheck_start(t.base, &t.request);
	loop_for(t.base, 20);
	precheck_cancel(check);
	precheck_cancel(NULL);
	loop_for(t.base, 20);
	cr_expect_not(t.done);
	cr_expect_str_eq(t.said.data, "");
}
