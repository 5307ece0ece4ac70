/* Children without a shell: how command lines are split, how they end, and that none is left. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/command.h"
#include "unit/loop.h"

struct outcome {
	bool called, ok;
	int calls;
	char what[4096];
};

static void record_cb(bool ok, const char *what, void *arg)
{
	struct outcome *outcome = arg;

	outcome->called = true;
	outcome->calls++;
	outcome->ok = ok;
	snprintf(outcome->what, sizeof(outcome->what), "%s", what);
}

static struct outcome run(const char *line, int64_t timeout_ms)
{
	struct event_base *base = event_base_new();
	struct outcome outcome = {0};
	struct err err;
	char **argv = command_split(line, NULL, &err);

	cr_assert_not_null(argv, "%s", err.message);
	cr_assert_not_null(command_run(base, argv, timeout_ms, record_cb, &outcome));
	command_argv_free(argv);
	cr_assert_not(outcome.called, "called back inside command_run()");
	cr_assert(loop_until(base, &outcome.called, 10000));
	cr_assert_eq(outcome.calls, 1);
	loop_for(base, 20); /* so that a killed child is reaped */
	event_base_free(base);
	return outcome;
}

Test(command, words_are_those_of_sh)
{
	static const struct {
		const char *line, *file;
		const char *words[6];
	} cases[] = {
	    {"haproxy -c", NULL, {"haproxy", "-c"}},
	    {"  a \t b  ", NULL, {"a", "b"}},
	    {"sh -c 'echo \"a  b\"; exit 1'", NULL, {"sh", "-c", "echo \"a  b\"; exit 1"}},
	    {"a \"b c\"'d e'f", NULL, {"a", "b cd ef"}},
	    {"a \"\\\"\\$\\x\"", NULL, {"a", "\"$\\x"}},
	    {"a b\\ c\\'", NULL, {"a", "b c'"}},
	    {"a '' \"\"", NULL, {"a", "", ""}},
	    {"haproxy -c -f {}", "/tmp/a b", {"haproxy", "-c", "-f", "/tmp/a b"}},
	    {"x --f={}:{} {}{", "F", {"x", "--f=F:F", "F{"}},
	    {"x '{}'", "{}", {"x", "{}"}},
	    {"x {}", NULL, {"x", "{}"}},
	    {"a $HOME *", NULL, {"a", "$HOME", "*"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;
		char **argv = command_split(cases[i].line, cases[i].file, &err);
		size_t n = 0;

		cr_assert_not_null(argv, "%s: %s", cases[i].line, err.message);
		for (; cases[i].words[n] != NULL; n++)
			cr_assert_str_eq(argv[n], cases[i].words[n], "%s", cases[i].line);
		cr_assert_null(argv[n], "%s", cases[i].line);
		command_argv_free(argv);
	}
}

Test(command, lines_without_end_are_refused)
{
	static const char *const lines[] = {"", "   ", "a 'b", "a \"b", "a \"b\\", "a \\", "''"};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct err err;

		cr_assert_null(command_split(lines[i], NULL, &err), "%s", lines[i]);
		cr_assert_not_null(strstr(err.message, "command '"));
	}
}

Test(command, exit_status_and_output_are_told)
{
	struct outcome good = run("/bin/true", 5000);
	struct outcome bad = run("sh -c 'echo one; echo two >&2; exit 3'", 5000);
	struct outcome killed = run("sh -c 'kill -SEGV $$'", 5000);
	struct outcome missing = run("/nonexistent/program", 5000);

	cr_assert(good.ok);
	cr_assert_str_eq(good.what, "/bin/true exited with 0");
	cr_assert_not(bad.ok);
	cr_assert_str_eq(bad.what, "sh exited with 3: one | two");
	cr_assert_not(killed.ok);
	cr_assert_not_null(strstr(killed.what, "killed by signal 11"), "%s", killed.what);
	cr_assert_not(missing.ok);
	cr_assert_not_null(strstr(missing.what, "No such file or directory"), "%s", missing.what);
}

Test(command, only_the_end_of_much_output_is_kept)
{
	struct outcome outcome =
	    run("sh -c 'head -c 300000 /dev/zero | tr \"\\0\" x; printf END'", 10000);

	cr_assert(outcome.ok, "%s", outcome.what);
	cr_assert_lt(strlen(outcome.what), 1100);
	cr_assert_not_null(strstr(outcome.what, ": ...xxx"), "%s", outcome.what);
	cr_assert_not_null(strstr(outcome.what, "xxxEND"));
}

Test(command, past_the_deadline_the_whole_group_is_killed)
{
	int64_t start = clock_now_ms();
	struct outcome outcome = run("sh -c 'sleep 60 & echo $$; sleep 60'", 100);
	pid_t group;

	cr_assert_not(outcome.ok);
	cr_assert_lt(clock_now_ms() - start, 5000);
	cr_assert_not_null(strstr(outcome.what, "did not end within 100 ms"), "%s", outcome.what);
	group = (pid_t)strtol(strrchr(outcome.what, ':') + 2, NULL, 10);
	cr_assert_gt(group, 1);
	for (int64_t until = clock_now_ms() + 5000; kill(-group, 0) == 0;)
		cr_assert_lt(clock_now_ms(), until, "the group still lives");
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child was not reaped");
	cr_assert_eq(errno, ECHILD);
}

Test(command, an_exit_counts_although_a_grandchild_keeps_the_pipe)
{
	int64_t start = clock_now_ms();
	struct outcome outcome = run("sh -c 'sleep 3 & echo started'", 60000);

	cr_assert(outcome.ok);
	cr_assert_lt(clock_now_ms() - start, 2500);
	cr_assert_str_eq(outcome.what, "sh exited with 0: started");
}

Test(command, cancel_never_calls_back_and_reaps)
{
	struct event_base *base = event_base_new();
	struct outcome outcome = {0};
	char *const argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
	char *const none[] = {(char[]){"/nonexistent"}, NULL};

	command_cancel(command_run(base, argv, 60000, record_cb, &outcome));
	command_cancel(command_run(base, none, 60000, record_cb, &outcome));
	for (int64_t until = clock_now_ms() + 5000; waitpid(-1, NULL, WNOHANG) != -1;) {
		cr_assert_lt(clock_now_ms(), until, "the child was not reaped");
		loop_for(base, 5);
	}
	cr_assert_not(outcome.called);
	event_base_free(base);
}
