/* The init of a Patroni node: see patroni_internal.h. SIGUSR1 has it start Patroni again. It stays
 * when Patroni ends, with whatever PostgreSQL that left, and ends by SIGKILL to all of it only. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/patroni_internal.h"

static void start_agent(const struct machine *machine)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		lab_fail("cannot fork for Patroni: %s", strerror(errno));
	if (pid > 0) {
		atomic_store(machine->agent, pid);
		return;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execlp("patroni", "patroni", machine->config, (char *)NULL);
	lab_fail("cannot start patroni: %s", strerror(errno));
}

static void reap(const struct machine *machine)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		if (pid == atomic_load(machine->agent))
			atomic_store(machine->agent, 0);
}

/* Without a death signal of its own: it would leave its children behind, where the janitor, which
 * acts on the same death, still finds them below it. */
static int run_machine(void *arg)
{
	const struct machine *machine = arg;
	sigset_t awaited;
	int signal;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGUSR1);
	if (prctl(PR_SET_PDEATHSIG, 0) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
	    sigprocmask(SIG_BLOCK, &awaited, NULL) != 0)
		lab_fail("a machine for Patroni: %s", strerror(errno));
	start_agent(machine);
	for (;;) {
		if (sigwait(&awaited, &signal) != 0)
			continue;
		reap(machine);
		if (signal == SIGUSR1)
			start_agent(machine);
	}
}

static void unmap_agent(void *memory)
{
	munmap(*(void **)memory, sizeof(_Atomic(pid_t)));
}

void machine_init(struct machine *machine, struct lab *lab, const char *name, const char *config)
{
	void **part = lab_alloc(lab, sizeof(*part), unmap_agent);

	*part = mmap(NULL, sizeof(*machine->agent), PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (*part == MAP_FAILED)
		lab_fail("mmap: %s", strerror(errno));
	machine->agent = *part;
	machine->process = process_create(lab, name);
	machine->config = config;
}

static bool agent_runs(void *arg)
{
	const struct machine *machine = arg;

	return atomic_load(machine->agent) != 0;
}

void machine_run_agent(struct machine *machine)
{
	if (!lab_process_alive(machine->process)) {
		atomic_store(machine->agent, 0);
		process_fork(machine->process, run_machine, machine, true);
	} else if (!agent_runs(machine)) {
		lab_process_signal(machine->process, SIGUSR1);
	}
	process_wait_ready(machine->process, agent_runs, machine, "does not start Patroni");
}

#define PROCESSES_MAX 512

struct session_cleanup {
	pid_t init;
	pid_t found[PROCESSES_MAX];
	size_t count;
};

static void find_below(pid_t pid, void *arg)
{
	struct session_cleanup *sweep = arg;

	if (pid != sweep->init && sweep->count < PROCESSES_MAX)
		sweep->found[sweep->count++] = pid;
}

/* A machine dies at once: all its processes are found before the first of them is killed, and
 * nobody who is woken by a death gets the processor of the one who kills (which needs root). */
static bool is_bare(void *arg)
{
	static const struct sched_param urgent = {.sched_priority = 1}, usual = {0};
	struct session_cleanup sweep = {.init = lab_process_pid(arg)};

	tree_each(sweep.init, find_below, &sweep);
	sched_setscheduler(0, SCHED_FIFO, &urgent);
	for (size_t i = 0; i < sweep.count; i++)
		kill(sweep.found[i], SIGKILL);
	sched_setscheduler(0, SCHED_OTHER, &usual);
	return sweep.count == 0;
}

void machine_cut(struct machine *machine)
{
	if (!lab_process_alive(machine->process))
		return;
	lab_process_signal(machine->process, SIGCONT);
	if (!lab_wait_until(is_bare, machine->process, READY_TIMEOUT_MS))
		process_fail(machine->process, "has processes that survive SIGKILL");
}
