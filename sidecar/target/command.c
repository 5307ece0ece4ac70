/* Runs check_command and reload_command: a child without a shell, watched through a pidfd, so that
 * no signal handler is needed. After the deadline or a cancel the whole process group is killed,
 * and the loop reaps the child later. The loop never blocks for a running child. */
#include "target/command.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/timer.h"

/* --- parsing the command line --- */

/* Nothing is expanded, as no shell is involved. "{}" is replaced after the splitting, so that a
 * file name never becomes two words. */

#define BLANKS " \t\r\n"

/* Appends the text between the quote at *p and the closing quote; moves *p after that. */
static bool take_quoted(const char **p, struct strbuf *word, struct err *err)
{
	char quote = *(*p)++;

	for (; **p != quote; (*p)++) {
		/* POSIX shell 2.2.3: inside "..." a backslash escapes only these. */
		if (quote == '"' && **p == '\\' && (*p)[1] != '\0' &&
		    strchr("$`\"\\\n", (*p)[1]) != NULL)
			(*p)++;
		if (**p == '\0')
			return err_set(err, "the quote %c is not closed", quote);
		strbuf_append_char(word, **p);
	}
	(*p)++;
	return true;
}

static bool take_word(const char **p, struct strbuf *word, struct err *err)
{
	while (**p != '\0' && strchr(BLANKS, **p) == NULL) {
		if (**p == '\'' || **p == '"') {
			if (!take_quoted(p, word, err))
				return false;
			continue;
		}
		if (**p == '\\' && *++*p == '\0')
			return err_set(
			    err, "a backslash at the end of the line, with no character after it");
		strbuf_append_char(word, *(*p)++);
	}
	return true;
}

static char *put_file(const char *word, const char *file)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *brace;

	for (; file != NULL && (brace = strstr(word, "{}")) != NULL; word = brace + 2) {
		strbuf_append(&out, word, (size_t)(brace - word));
		strbuf_append_str(&out, file);
	}
	strbuf_append_str(&out, word);
	return strbuf_detach(&out);
}

char **command_split(const char *line, const char *file, struct err *err)
{
	char **argv = xcalloc(1, sizeof(*argv));
	size_t count = 0;

	for (const char *p = line + strspn(line, BLANKS); *p != '\0'; p += strspn(p, BLANKS)) {
		auto_strbuf struct strbuf word = STRBUF_INIT;

		if (!take_word(&p, &word, err)) {
			err_wrap(err, "command '%s'", line);
			command_argv_free(argv);
			return NULL;
		}
		argv = xreallocarray(argv, count + 2, sizeof(*argv));
		argv[count++] = put_file(word.data, file);
		argv[count] = NULL;
	}
	if (count == 0 || argv[0][0] == '\0') {
		err_set(err, "command '%s': no program is named", line);
		command_argv_free(argv);
		return NULL;
	}
	return argv;
}

void command_argv_free(char **argv)
{
	for (char **arg = argv; arg != NULL && *arg != NULL; arg++)
		free(*arg);
	free(argv);
}

/* --- the child process --- */

#define OUTPUT_KEPT ((size_t)1024) /* how many bytes of the end of the output `what` shows */

struct command {
	struct event_base *base;
	struct event *exited;   /* on pidfd: readable once the child has ended */
	struct event *readable; /* on output_fd */
	struct timer *timer;    /* the deadline; fires at once if no child was started */
	char *program;
	int64_t timeout_ms;
	pid_t pid; /* also its process group; 0: not started */
	int pidfd, output_fd;
	struct strbuf output;
	struct err start_error;
	command_cb *cb;
	void *arg;
};

static void command_free(struct command *command)
{
	if (command->exited != NULL)
		event_free(command->exited);
	if (command->readable != NULL)
		event_free(command->readable);
	timer_free(command->timer);
	if (command->pidfd >= 0)
		close(command->pidfd);
	if (command->output_fd >= 0)
		close(command->output_fd);
	strbuf_fini(&command->output);
	free(command->program);
	free(command);
}

static void reap_cb(int pidfd, short events, void *arg)
{
	siginfo_t info;

	(void)events;
	(void)arg;
	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
	close(pidfd);
}

/* Kills the group; the loop reaps the child. The event gets no memory of ours, so that nothing
 * leaks when the child never ends or the loop ends before it. */
static void kill_and_reap_later(struct command *command)
{
	kill(-command->pid, SIGKILL);
	event_free(command->exited);
	command->exited = NULL;
	if (event_base_once(command->base, command->pidfd, EV_READ, reap_cb, NULL, NULL) == 0)
		command->pidfd = -1;
}

/* Frees the command before the callback, because the callback may destroy the caller of
 * command_run(). */
static void finish(struct command *command, bool ok, const struct strbuf *what)
{
	command_cb *cb = command->cb;
	void *arg = command->arg;

	command_free(command);
	cb(ok, what->data, arg);
}

static void append_output(const struct command *command, struct strbuf *what)
{
	const struct strbuf *output = &command->output;
	size_t from = output->len > OUTPUT_KEPT ? output->len - OUTPUT_KEPT : 0, end = output->len;

	while (end > from && strchr(" \t\r\n", output->data[end - 1]) != NULL)
		end--;
	if (end == from)
		return;
	strbuf_append_str(what, from > 0 ? ": ..." : ": ");
	for (size_t i = from; i < end; i++) {
		unsigned char c = (unsigned char)output->data[i];

		if (c == '\n')
			strbuf_append_str(what, " | ");
		else
			strbuf_append_char(what, c < 0x20 || c == 0x7f ? ' ' : (char)c);
	}
}

/* Reads at most 64 KiB a call: a child that writes without end must not block the loop. */
static void read_output(struct command *command)
{
	struct strbuf *output = &command->output;
	char chunk[4096];

	for (int i = 0; i < 16; i++) {
		ssize_t got = read(command->output_fd, chunk, sizeof(chunk));

		if (got == 0)
			event_del(command->readable);
		if (got <= 0)
			return;
		strbuf_append(output, chunk, (size_t)got);
		if (output->len <= 4 * OUTPUT_KEPT)
			continue;
		/* Keeps one byte more than is shown: append_output() then knows that there was
		 * more. The terminating NUL moves, too. */
		memmove(output->data, output->data + output->len - (OUTPUT_KEPT + 1),
		        OUTPUT_KEPT + 2);
		output->len = OUTPUT_KEPT + 1;
	}
}

static void readable_cb(int fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	read_output(arg);
}

/* Processes that the child has started may go on and keep the pipe open, so the exit of the child
 * counts, not EOF. */
static void exited_cb(int fd, short events, void *arg)
{
	struct command *command = arg;
	auto_strbuf struct strbuf what = STRBUF_INIT;
	siginfo_t info = {0};

	(void)events;
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) != 0) {
		strbuf_printf(
		    &what,
		    "%s: its exit status is lost: other code in this process has already reaped it",
		    command->program);
		finish(command, false, &what);
		return;
	}
	read_output(command);
	if (info.si_code == CLD_EXITED)
		strbuf_printf(&what, "%s exited with %d", command->program, info.si_status);
	else
		strbuf_printf(&what, "%s was killed by signal %d (%s)", command->program,
		              info.si_status, strsignal(info.si_status));
	append_output(command, &what);
	finish(command, info.si_code == CLD_EXITED && info.si_status == 0, &what);
}

static void on_timer(void *arg)
{
	struct command *command = arg;
	auto_strbuf struct strbuf what = STRBUF_INIT;

	if (command->pid == 0) {
		strbuf_append_str(&what, command->start_error.message);
		finish(command, false, &what);
		return;
	}
	read_output(command);
	kill_and_reap_later(command);
	strbuf_printf(&what, "%s did not end within %lld ms and was killed", command->program,
	              (long long)command->timeout_ms);
	append_output(command, &what);
	finish(command, false, &what);
}

/* stdin from /dev/null, stdout and stderr into the pipe, no other descriptor inherited, signal
 * handling reset to the defaults. */
static int spawn(pid_t *pid, char *const *argv, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
	                                    POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static bool start(struct command *command, char *const *argv)
{
	struct err *err = &command->start_error;
	int output[2], rc;

	if (pipe2(output, O_CLOEXEC) != 0)
		return err_set_errno(err, errno, "cannot run %s", argv[0]);
	command->output_fd = output[0];
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	rc = spawn(&command->pid, argv, output[1]);
	close(output[1]);
	if (rc != 0) {
		command->pid = 0;
		return err_set_errno(err, rc, "cannot run %s", argv[0]);
	}
	command->pidfd = pidfd_open(command->pid, 0);
	if (command->pidfd >= 0)
		return true;
	err_set_errno(err, errno, "cannot watch %s (pidfd_open), so it was killed", argv[0]);
	kill(-command->pid, SIGKILL);
	waitpid(command->pid, NULL, 0);
	command->pid = 0;
	return false;
}

struct command *command_run(struct event_base *base, char *const *argv, int64_t timeout_ms,
                            command_cb *cb, void *arg)
{
	struct command *command = xcalloc(1, sizeof(*command));

	*command = (struct command){.base = base,
	                            .pidfd = -1,
	                            .output_fd = -1,
	                            .output = STRBUF_INIT,
	                            .program = xstrdup(argv[0]),
	                            .timeout_ms = timeout_ms,
	                            .cb = cb,
	                            .arg = arg};
	command->timer = timer_new(base, on_timer, command);
	if (start(command, argv)) {
		command->exited = event_new(base, command->pidfd, EV_READ, exited_cb, command);
		command->readable =
		    event_new(base, command->output_fd, EV_READ | EV_PERSIST, readable_cb, command);
		event_add(command->exited, NULL);
		event_add(command->readable, NULL);
		timer_start(command->timer, timeout_ms);
	} else {
		timer_start(command->timer, 0);
	}
	return command;
}

void command_cancel(struct command *command)
{
	if (command->pid != 0)
		kill_and_reap_later(command);
	command_free(command);
}
