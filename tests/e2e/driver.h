/* What the tests of the HAProxy target stand on: a real HAProxy, servers that say their names, and
 * the target in this process's own event loop. */
#ifndef SEGUE_TESTS_E2E_DRIVER_H
#define SEGUE_TESTS_E2E_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "lab/lab.h"
#include "target/target.h"

#define DRIVER_TIMEOUT_MS 15000

struct driver {
	struct lab *lab;
	struct lab_haproxy *haproxy;
	struct lab_backend *a, *b, *c; /* named "a", "b", "c" */
	uint16_t rw, ro;               /* ports of the frontends */
	struct event_base *base;
	struct target_hub *hub;
	struct target *target;
	struct config_target config;
	int64_t zxid;
	const char *log; /* path; what segue logs goes there */
};

/* HAProxy runs with nothing in its conf.d; the target exists, with a master socket. */
void driver_init(struct driver *driver);
void driver_fini(struct driver *driver);

/* Ends the target as a crash would, or by the book, and makes it anew with the config as it is. */
void driver_restart(struct driver *driver);

/* The text with these servers ("server primary ..." lines) in t_rw and t_ro. `more` lines go into
 * the structure of t_rw. Lives as long as the lab. */
const char *driver_text(struct driver *driver, const char *rw, const char *ro, const char *more);
const char *driver_server(struct driver *driver, const char *name, struct lab_backend *backend,
                          const char *params);

void driver_set(struct driver *driver, const char *text);   /* asserts that it is taken */
void driver_apply(struct driver *driver, const char *text); /* and waits until in sync */

/* Runs the loop until target_status() is in sync, or its problem holds the words. */
bool driver_wait_sync(struct driver *driver);
bool driver_wait_problem(struct driver *driver, const char *words);
void driver_run(struct driver *driver, int64_t ms); /* whatever happens: for chaos, not to wait */

/* Runs the loop until the condition holds; false after the timeout. */
bool driver_wait_log(struct driver *driver, const char *words, int count); /* at least so often */
bool driver_wait_file(struct driver *driver, const char *text);
bool driver_wait_ended(struct driver *driver, int session);
bool driver_wait_gone(struct driver *driver, const char *backend, const char *server);

bool driver_reaches(uint16_t port, const char *name);
bool driver_file_is(struct driver *driver, const char *text);
int driver_count_log(struct driver *driver, const char *words);
const char *driver_ask(struct driver *driver, const char *command); /* HAProxy's reply */

/* An established session through the frontend; -1 when it does not get the name. */
int driver_open_session(uint16_t port, const char *name);
bool driver_session_lives(int fd);

#endif
