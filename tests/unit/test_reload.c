/* Reloads against a fake master CLI and against commands: one at a time, and what counts as done.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar/haproxy/driver_internal.h"
#include "target/reload.h"
#include "unit/loop.h"

#define PROCS                                                                                   \
	"#<PID>          <type>          <reloads>       <uptime>        <version>\n"           \
	"100             master          %d [failed: %d]   0d00h00m03s     2.6.12\n# workers\n" \
	"%-15d worker          0               0d00h00m01s     2.6.12\n# programs\n\n"

#define WORKER_MS 2000

/* How the fake master takes a reload. */
enum manner {
	MANNER_WELL,    /* silently; the new worker shows up at the second `show proc` after it */
	MANNER_FAILED,  /* as 2.6: silently, failed goes up */
	MANNER_REFUSED, /* as 2.7: Success=0 */
	MANNER_NOTHING, /* nothing ever happens */
	MANNER_GARBAGE, /* it is something else */
};

static struct {
	struct event_base *base;
	char dir[64], path[96];
	pid_t server;
} t;

struct outcome {
	bool called, ok;
	int calls;
	char what[2048];
};

static void setup(void)
{
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-reload-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/sock", t.dir);
}

/* By the master CLI where there is a socket, else by the command. */
static struct reloader *new_reloader(const char *socket, const char *command)
{
	static struct reload_method by_master;

	by_master = haproxy_master_reload;
	by_master.limit_ms = WORKER_MS;
	return *socket != '\0' ? reloader_create(t.base, &by_master, socket)
	                       : reloader_create(t.base, &reload_by_command, command);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	unlink(path);
}

static void teardown(void)
{
	if (t.server > 0) {
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
	}
	loop_for(t.base, 20);
	remove_file("sock");
	remove_file("runs");
	remove_file("go");
	cr_assert_eq(rmdir(t.dir), 0);
	event_base_free(t.base);
}

static void answer(int fd, const char *line, enum manner manner)
{
	static int reloads, failed, worker = 200, asked;

	if (strcmp(line, "reload") == 0) {
		reloads++;
		asked = 0;
		failed += manner == MANNER_FAILED;
		if (manner == MANNER_REFUSED)
			dprintf(fd, "Success=0\n--\n[ALERT] line 3: unknown keyword\n");
	} else if (manner == MANNER_GARBAGE) {
		dprintf(fd, "HTTP/1.0 400 Bad request\n\n");
	} else {
		if (manner == MANNER_WELL && reloads > worker - 200 && ++asked == 2)
			worker++;
		dprintf(fd, PROCS, reloads, failed, worker);
	}
}

static void serve(enum manner manner)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t.path);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, 16), 0);
	t.server = fork();
	while (t.server == 0) {
		int fd = accept(listener, NULL, NULL);
		char line[256] = "";
		size_t len = 0;

		while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
			len++;
		line[len] = '\0';
		answer(fd, line, manner);
		close(fd);
	}
	close(listener);
}

static void record_cb(bool ok, const char *what, void *arg)
{
	struct outcome *outcome = arg;

	outcome->called = true;
	outcome->calls++;
	outcome->ok = ok;
	snprintf(outcome->what, sizeof(outcome->what), "%s", what);
}

static struct outcome reload_once(const char *socket, const char *command)
{
	struct reloader *reloader = new_reloader(socket, command);
	struct outcome outcome = {0};

	cr_assert_not_null(reloader_request(reloader, record_cb, &outcome));
	cr_assert_not(outcome.called, "called back inside reloader_request()");
	cr_assert(loop_until(t.base, &outcome.called, 15000));
	cr_assert_eq(outcome.calls, 1);
	cr_assert_eq(reloader_last_ok_ms(reloader) != 0, outcome.ok);
	reloader_destroy(reloader);
	return outcome;
}

TestSuite(reload, .init = setup, .fini = teardown);

Test(reload, is_done_when_a_new_worker_shows_up)
{
	struct outcome outcome;

	serve(MANNER_WELL);
	outcome = reload_once(t.path, "");
	cr_assert(outcome.ok, "%s", outcome.what);
	cr_assert_str_eq(outcome.what, "worker 201 took over from 200");
}

Test(reload, failures_are_told_apart_by_their_words)
{
	static const struct {
		enum manner manner;
		const char *words;
	} cases[] = {{MANNER_FAILED, "failed reloads: 1"},
	             {MANNER_REFUSED, "Success=0 | -- | [ALERT] line 3: unknown keyword"},
	             {MANNER_GARBAGE, "the master CLI does not answer"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome outcome;

		serve(cases[i].manner);
		outcome = reload_once(t.path, "");
		cr_assert_not(outcome.ok);
		cr_assert_not_null(strstr(outcome.what, cases[i].words), "%s", outcome.what);
		kill(t.server, SIGKILL);
		waitpid(t.server, NULL, 0);
		t.server = 0;
		unlink(t.path);
	}
}

Test(reload, a_worker_that_never_comes_is_a_failure_in_time)
{
	struct outcome outcome;

	serve(MANNER_NOTHING);
	outcome = reload_once(t.path, "");
	cr_assert_not(outcome.ok);
	cr_assert_not_null(strstr(outcome.what, "no new worker within 2000 ms"), "%s",
	                   outcome.what);
}

Test(reload, nobody_at_the_socket_is_a_failure)
{
	struct outcome outcome = reload_once(t.path, "");

	cr_assert_not(outcome.ok);
	cr_assert_not_null(strstr(outcome.what, t.path), "%s", outcome.what);
}

Test(reload, a_command_counts_by_its_exit_status)
{
	struct outcome good = reload_once("", "true"),
	               bad = reload_once("", "sh -c 'echo no; exit 2'"),
	               none = reload_once("", "'unclosed");

	cr_assert(good.ok);
	cr_assert_not(bad.ok);
	cr_assert_str_eq(bad.what, "sh exited with 2: no");
	cr_assert_not(none.ok);
	cr_assert_not_null(strstr(none.what, "reload_command"), "%s", none.what);
}

static int count_lines(const char *path)
{
	FILE *file = fopen(path, "r");
	int lines = 0;

	for (int c; file != NULL && (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	if (file != NULL)
		fclose(file);
	return lines;
}

Test(reload, requests_made_during_one_share_the_next)
{
	struct outcome first = {0}, more[5] = {{0}}, gone = {0};
	char command[256], runs[128];
	struct reloader *reloader;

	snprintf(runs, sizeof(runs), "%s/runs", t.dir);
	snprintf(command, sizeof(command),
	         "sh -c 'echo run >>%s; while [ ! -e %s/go ]; do :; done'", runs, t.dir);
	reloader = new_reloader("", command);
	cr_assert_not_null(reloader_request(reloader, record_cb, &first));
	for (int64_t until = clock_now_ms() + 10000; count_lines(runs) == 0;) {
		cr_assert_lt(clock_now_ms(), until);
		loop_for(t.base, 5);
	}
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		cr_assert_not_null(reloader_request(reloader, record_cb, &more[i]));
	reload_cancel(reloader_request(reloader, record_cb, &gone));
	snprintf(command, sizeof(command), "%s/go", t.dir);
	fclose(fopen(command, "w"));
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		cr_assert(loop_until(t.base, &more[i].called, 10000));
	cr_assert(first.called && first.ok);
	cr_assert_eq(count_lines(runs), 2);
	cr_assert_not(gone.called);
	reloader_destroy(reloader);
}

Test(reload, cancelled_by_all_it_calls_nobody)
{
	struct reloader *reloader = new_reloader("", "true");
	struct outcome outcome = {0};
	struct reload *reload = reloader_request(reloader, record_cb, &outcome);

	loop_for(t.base, 1);
	if (!outcome.called)
		reload_cancel(reload);
	else
		outcome.called = false;
	loop_for(t.base, 50);
	cr_assert_not(outcome.called);
	reloader_destroy(reloader);
}
