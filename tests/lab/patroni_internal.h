/* What patroni.c and patroni_machine.c share. */
#ifndef SEGUE_TESTS_LAB_PATRONI_INTERNAL_H
#define SEGUE_TESTS_LAB_PATRONI_INTERNAL_H

#include <stdatomic.h>

#include "lab/internal.h"

/* A machine: a process that starts Patroni, takes in what it leaves behind (the postmaster is no
 * child of Patroni's) and reaps it, as init does on a real one. So all of it ends, freezes and is
 * seen to be dead with one process, whoever is init here. */
struct machine {
	struct lab_process *process;
	const char *config;    /* Patroni's */
	_Atomic(pid_t) *agent; /* Patroni; 0: it does not run. Shared with the process */
};

void machine_init(struct machine *machine, struct lab *lab, const char *name, const char *config);
void machine_run_agent(struct machine *machine); /* where it does not run */
void machine_cut(struct machine *machine);       /* all that it runs is killed, and reaped */

#endif
