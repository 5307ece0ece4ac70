/* Children of the lab: started with a log of their own, signalled, waited for. A child dies with
 * the lab's process: by PR_SET_PDEATHSIG, and by the janitor where that does not reach. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/internal.h"

#define FREEZE_TIMEOUT_MS 10000
#define STOP_TIMEOUT_MS   10000
#define RUN_TIMEOUT_MS    60000
#define LOG_TAIL          3000
#define LOG_MAX           ((size_t)256 * 1024 * 1024)

struct lab_process {
	struct lab *lab;
	struct lab_process *next;
	const char *name;
	const char *log;
	int netns;  /* where it is started; -1: where the lab is */
	pid_t pid;  /* 0: does not run */
	int status; /* of the last run, as waitpid() has it */
};

struct lab_process *process_create(struct lab *lab, const char *name)
{
	struct lab_process *process = xcalloc(1, sizeof(*process));

	process->lab = lab;
	process->netns = -1;
	process->name = lab_printf(lab, "%s", name);
	process->log = lab_printf(lab, "%s/%s-%u.log", lab->dir, name, lab->counter++);
	process->next = lab->processes;
	lab->processes = process;
	return process;
}

struct lab_process *process_end(struct lab_process *process)
{
	struct lab_process *next = process->next;

	lab_process_kill(process);
	free(process);
	return next;
}

/* PostgreSQL refuses to run as root. */
static void become_postgres(void)
{
	const struct passwd *user = getpwnam("postgres");

	if (geteuid() != 0)
		return;
	if (user == NULL)
		user = getpwnam("nobody");
	if (user == NULL || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0)
		lab_fail("cannot become the user postgres (or nobody): %s", strerror(errno));
}

/* In the child. The death signal comes after the change of user, which would clear it. */
static void become_child(const struct lab_process *process, bool as_postgres, pid_t parent)
{
	const char *log = process->log;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	sigset_t none;

	setpgid(0, 0);
	if (null < 0 || out < 0 || dup2(null, 0) != 0 || dup2(out, 1) != 1 || dup2(out, 2) != 2)
		_exit(126);
	if (process->netns >= 0 && setns(process->netns, CLONE_NEWNET) != 0)
		lab_fail("cannot enter the network of %s: %s", process->name, strerror(errno));
	close_range(3, ~0U, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (as_postgres)
		become_postgres();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
}

void process_place(struct lab_process *process, int netns)
{
	process->netns = netns;
}

/* Returns in the child with true. */
static bool fork_child(struct lab_process *process, bool as_postgres)
{
	pid_t parent = getpid(), pid;

	if (process->pid != 0)
		lab_fail("%s runs already, as process %d", process->name, (int)process->pid);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		lab_fail("cannot fork for %s: %s", process->name, strerror(errno));
	if (pid == 0) {
		become_child(process, as_postgres, parent);
		return true;
	}
	setpgid(pid, pid);
	process->pid = pid;
	janitor_watch(process->lab, pid);
	return false;
}

void process_exec(struct lab_process *process, const char *const *argv, bool as_postgres)
{
	if (!fork_child(process, as_postgres))
		return;
	execvp(argv[0], (char *const *)argv);
	lab_fail("cannot start %s: %s", argv[0], strerror(errno));
}

void process_fork(struct lab_process *process, int (*fn)(void *arg), void *arg, bool as_postgres)
{
	if (fork_child(process, as_postgres)) {
		int status;

		signal(SIGPIPE, SIG_IGN); /* a false server outlives a client that goes away */
		status = fn(arg);
		fflush(NULL);
		_exit(status);
	}
}

struct lab_process *lab_fork(struct lab *lab, const char *name, int (*fn)(void *arg), void *arg)
{
	struct lab_process *process = process_create(lab, name);

	process_fork(process, fn, arg, false);
	return process;
}

const char *lab_process_log_tail(struct lab_process *process)
{
	auto_strbuf struct strbuf log = STRBUF_INIT;
	struct err err;

	if (!file_read(process->log, LOG_MAX, &log, NULL, &err))
		return lab_printf(process->lab, "(%s)", err.message);
	return lab_printf(process->lab, "%s",
	                  log.data + (log.len > LOG_TAIL ? log.len - LOG_TAIL : 0));
}

void process_fail(struct lab_process *process, const char *what)
{
	lab_fail("%s %s; %s. The end of its log:\n%s", process->name, what,
	         lab_process_alive(process) ? "it still runs" : "it has ended",
	         lab_process_log_tail(process));
}

struct readiness {
	struct lab_process *process;
	bool (*cond)(void *arg);
	void *arg;
	bool ready;
};

static bool ready_or_dead(void *arg)
{
	struct readiness *readiness = arg;

	readiness->ready = readiness->cond(readiness->arg);
	return readiness->ready || !lab_process_alive(readiness->process);
}

void process_wait_ready(struct lab_process *process, bool (*cond)(void *arg), void *arg,
                        const char *what)
{
	struct readiness readiness = {.process = process, .cond = cond, .arg = arg};

	lab_wait_until(ready_or_dead, &readiness, READY_TIMEOUT_MS);
	if (!readiness.ready)
		process_fail(process, what);
}

pid_t lab_process_pid(const struct lab_process *process)
{
	return process->pid;
}

bool lab_process_alive(struct lab_process *process)
{
	pid_t got;

	if (process->pid == 0)
		return false;
	got = waitpid(process->pid, &process->status, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return true;
	janitor_forget(process->lab, process->pid);
	process->pid = 0;
	return false;
}

void lab_process_signal(struct lab_process *process, int signal)
{
	if (lab_process_alive(process))
		kill(process->pid, signal);
}

/* The janitor is told of every frozen process: a frozen orphan would stay for ever. */
static void freeze_one(pid_t pid, void *arg)
{
	janitor_watch(arg, pid);
	kill(pid, SIGSTOP);
}

struct freezing {
	struct lab_process *process;
	bool still;
};

/* proc(5): the state follows the name, which is in brackets and may hold anything. */
static char state_of(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	char line[512], *end = NULL;

	if (file != NULL && fgets(line, sizeof(line), file) != NULL)
		end = strrchr(line, ')');
	if (file != NULL)
		fclose(file);
	return end != NULL && end[1] == ' ' ? end[2] : '\0'; /* it has ended */
}

static void freeze_unless_still(pid_t pid, void *arg)
{
	struct freezing *freezing = arg;
	char state = state_of(pid);

	if (state == 'T' || state == 'Z' || state == '\0')
		return;
	freezing->still = false;
	freeze_one(pid, freezing->process->lab);
}

/* Nobody forks any more once all are seen to stand still, twice: a child may be younger than the
 * list that its parent was found in. */
static bool is_still(void *arg)
{
	struct freezing *freezing = arg;

	freezing->still = true;
	for (int i = 0; i < 2 && freezing->still; i++)
		tree_each(freezing->process->pid, freeze_unless_still, freezing);
	return freezing->still;
}

void lab_process_freeze(struct lab_process *process)
{
	struct freezing freezing = {.process = process};

	if (lab_process_alive(process) && !lab_wait_until(is_still, &freezing, FREEZE_TIMEOUT_MS))
		lab_fail("%s (process %d) does not stand still", process->name, (int)process->pid);
}

static void thaw_one(pid_t pid, void *arg)
{
	kill(pid, SIGCONT);
	janitor_forget(arg, pid);
}

void lab_process_thaw(struct lab_process *process)
{
	if (!lab_process_alive(process))
		return;
	tree_each(process->pid, thaw_one, process->lab);
	janitor_watch(process->lab, process->pid);
}

void lab_process_kill(struct lab_process *process)
{
	if (!lab_process_alive(process))
		return;
	tree_signal(process->pid, SIGKILL);
	if (!lab_process_wait(process, STOP_TIMEOUT_MS))
		lab_fail("%s (process %d) survives SIGKILL", process->name, (int)process->pid);
}

static bool has_ended(void *arg)
{
	return !lab_process_alive(arg);
}

bool lab_process_wait(struct lab_process *process, int64_t timeout_ms)
{
	return lab_wait_until(has_ended, process, timeout_ms);
}

int lab_process_stop(struct lab_process *process)
{
	lab_process_signal(process, SIGTERM);
	if (!lab_process_wait(process, STOP_TIMEOUT_MS))
		lab_process_kill(process);
	return lab_process_exit_code(process);
}

int lab_process_exit_code(const struct lab_process *process)
{
	if (process->pid != 0)
		return -1;
	return WIFSIGNALED(process->status) ? 128 + WTERMSIG(process->status)
	                                    : WEXITSTATUS(process->status);
}

const char *lab_process_log(struct lab_process *process)
{
	return process->log;
}

int process_run_at(struct lab *lab, int netns, const char *const *argv, bool as_postgres,
                   struct strbuf *output)
{
	struct lab_process *process = process_create(lab, "run");
	struct err err;

	process_place(process, netns);
	process_exec(process, argv, as_postgres);
	if (!lab_process_wait(process, RUN_TIMEOUT_MS))
		process_fail(process, lab_printf(lab, "(%s) does not end", argv[0]));
	if (output != NULL && !file_read(process->log, LOG_MAX, output, NULL, &err))
		lab_fail("%s", err.message);
	return lab_process_exit_code(process);
}

int process_run(struct lab *lab, const char *const *argv, bool as_postgres, struct strbuf *output)
{
	return process_run_at(lab, -1, argv, as_postgres, output);
}
