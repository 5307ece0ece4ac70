/* What the tests of a HAProxy that is held or fenced stand on: the fixture `driver`, and words for
 * the way to the primary, which is open or closed. */
#ifndef SEGUE_TESTS_E2E_DOOR_H
#define SEGUE_TESTS_E2E_DOOR_H

#include "e2e/driver.h"

#define LONG_MS 60000

extern struct driver d;

void door_setup(void);
void door_teardown(void);

/* `params` of the server, `more` lines of its backend; may be "". */
const char *door_text_at(struct lab_backend *rw, const char *params, const char *more);
void door_set_text(struct lab_backend *primary, const char *text);
void door_set(struct lab_backend *primary);
void door_apply(struct lab_backend *primary); /* and waits until it is in sync */

/* Ask for it, and wait until it is so. */
void door_hold(int64_t episode, int64_t timeout_ms);
void door_fence(int64_t episode);

const char *door_step(void);
bool door_leads_to(struct lab_backend *backend);
bool door_is_checked(void);
bool door_has_note(void);

/* Of t_rw/primary: the limit of sessions, 0: none; who waits in a queue there. wait: until the
 * limit is that, or so many wait. */
long door_limit(void);
long door_queued(void);
bool door_wait_limit(long limit);
bool door_wait_queued(long clients);

/* What a crash leaves: the note is there, and nobody opens. */
void door_crash_and_restart(void);

/* A client's socket: it gets the name; it waits, and has got neither a byte nor an end. */
bool door_wait_name(int fd, const char *name);
bool door_is_waiting(int fd);

#endif
