/* A verifier that asks one fake server, which runs in a process of its own and does what a real one
 * cannot be made to do. One at a time: it is a variable of the test's process. */
#ifndef SEGUE_TESTS_UNIT_PROBE_CASE_H
#define SEGUE_TESTS_UNIT_PROBE_CASE_H

#include <event2/event.h>
#include <sys/types.h>

#include "postgres/verifier.h"

extern struct probe_case {
	struct event_base *base;
	struct config_cluster config; /* verify_timeout 100 ms */
	char name[8], conninfo[64];
	struct verifier *verifier;
	struct member member;
	int listener; /* bound, not listening before probe_case_serve() */
	pid_t server;
	int *connections;                      /* shared with the server: how many it had */
	int calls;                             /* of the verifier's callback */
	unsigned most_running[SERVER_CLASSES]; /* that a callback has seen */
} t;

void probe_case_init(void);
void probe_case_fini(void);

int probe_case_bind(uint16_t *port); /* a socket on a free port of 127.0.0.1 */

/* What the fake server does with its connection number `n`. */
typedef void serve_fn(int fd, int n);
void probe_case_serve(serve_fn *fn);
void probe_case_stop_server(void);

void probe_case_follow(void); /* the one server */
const struct server_fact *probe_case_fact(void);

/* Runs the loop until the server is of this class, for the `running`th time at least. */
void probe_case_expect(enum server_class class, unsigned running);

/* ---- in the fake server: what is put leaves in one piece, with the next take or the end ---- */

bool fake_take(int fd); /* false: the other end is gone */
bool fake_take_text(int fd, char *text, size_t size);
void fake_flush(int fd); /* what was put leaves now */
void fake_put_raw(const char *text);
/* One message of the protocol: type, length, body (PostgreSQL manual, 55.7). */
void fake_put(char type, const void *body, size_t len);
void fake_put_error(const char *sqlstate, const char *text);
void fake_put_row(const char *const *values, int count);
void fake_log_in(int fd);
void fake_answer(void); /* takes writes, timeline 2, position 4096, identifier 77 */
void fake_primary(int fd, int n);

#endif
