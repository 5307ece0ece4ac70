/* What the files of the lab share among themselves. */
#ifndef SEGUE_TESTS_LAB_INTERNAL_H
#define SEGUE_TESTS_LAB_INTERNAL_H

#include "lab/lab.h"

#define READY_TIMEOUT_MS 60000 /* for a server to come up, on a machine that is busy */

struct lab {
	const char *dir;
	int janitor_fd; /* to the janitor; it acts when this end is closed */
	pid_t janitor_pid;
	struct {
		char **items;
		size_t count;
	} strings;
	struct {
		int *fds; /* bound, never listening: see lab_port() */
		size_t count;
	} ports;
	struct lab_process *processes; /* newest first */
	struct lab_part *parts;
	unsigned counter;  /* for names of files */
	unsigned hosts;    /* made so far */
	unsigned clusters; /* of PostgreSQL, made so far */
};

/* A piece of memory that ends with the lab; `fini` runs before the processes are killed. */
struct lab_part {
	struct lab_part *next;
	void (*fini)(void *memory);
	_Alignas(16) char memory[];
};

void *lab_alloc(struct lab *lab, size_t size, void (*fini)(void *memory));

/* host.c: descriptor and address; of NULL, -1 and 127.0.0.1 */
int host_netns(const struct lab_host *host);
const char *host_address(const struct lab_host *host);

/* janitor.c */
void janitor_start(struct lab *lab);
void janitor_watch(struct lab *lab, pid_t pid);
void janitor_forget(struct lab *lab, pid_t pid);
void janitor_finish(struct lab *lab); /* lets it remove the folder, and waits for that */

/* process.c */
struct lab_process *process_create(struct lab *lab, const char *name);
struct lab_process *process_end(struct lab_process *process); /* kills and frees it; the next one */
void process_exec(struct lab_process *process, const char *const *argv, bool as_postgres);
void process_fork(struct lab_process *process, int (*fn)(void *arg), void *arg, bool as_postgres);
void process_fail(struct lab_process *process, const char *what)
    __attribute__((noreturn)); /* with the tail of its log */
/* In another network namespace, by its descriptor; -1: the lab's own. Before its start. */
void process_place(struct lab_process *process, int netns);
int process_run_at(struct lab *lab, int netns, const char *const *argv, bool as_postgres,
                   struct strbuf *output);
int process_run(struct lab *lab, const char *const *argv, bool as_postgres, struct strbuf *output);

/* Waits for `cond`; when it does not come true, or the process ends before, process_fail(). */
void process_wait_ready(struct lab_process *process, bool (*cond)(void *arg), void *arg,
                        const char *what);

/* pg.c: "<folder>/<name>N", which belongs to the user that postgres programs run as; and the folder
 * of the newest PostgreSQL's programs */
const char *postgres_folder(struct lab *lab, const char *name);
const char *postgres_programs(struct lab *lab);

/* once.c: build/NAME; NULL: it cannot be made there. `make` makes the file or folder `path`. */
const char *once_made(struct lab *lab, const char *name, bool (*make)(void *arg, const char *path),
                      void *arg);

/* tree.c */
void tree_signal(pid_t pid, int signal); /* to `pid` and all its descendants */
void tree_each(pid_t pid, void (*fn)(pid_t pid, void *arg), void *arg);

/* net.c: blocking, bounded; -1 and false on any failure */
int net_connect(uint16_t port, int64_t timeout_ms);
int net_connect_to(const char *address, uint16_t port, int64_t timeout_ms);
int net_connect_unix(const char *path, int64_t timeout_ms);
bool net_ask(int fd, const char *request, struct strbuf *reply); /* the reply until EOF */

#endif
