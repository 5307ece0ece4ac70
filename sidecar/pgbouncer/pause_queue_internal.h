/* PAUSE for many databases at once. It answers only when its database has drained, and until then
 * its console can send nothing else. So several consoles are used, and a PAUSE that takes too long
 * is abandoned together with its console (the pause stays), so that the others need not wait. */
#ifndef SEGUE_PGBOUNCER_PAUSE_QUEUE_INTERNAL_H
#define SEGUE_PGBOUNCER_PAUSE_QUEUE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct pauser;

#define PAUSER_CONSOLES 8

/* One PAUSE was answered; `err` is NULL on success. Never called inside pauser_add(), never after
 * pauser_stop(). `lost`: the connection is lost, so it is not known whether the database is paused.
 */
typedef void pauser_cb(const char *name, const struct err *err, bool lost, void *arg);

/* `conninfo` is copied. */
struct pauser *pauser_create(struct event_base *base, const char *conninfo, pauser_cb *cb,
                             void *arg);
void pauser_destroy(struct pauser *pauser);

void pauser_open(struct pauser *pauser); /* connects one console, ahead of the first PAUSE */
void pauser_add(struct pauser *pauser, const char *name, int64_t timeout_ms);

/* Not answered yet: not sent, or not drained. An abandoned PAUSE counts as answered. */
bool pauser_is_pending(const struct pauser *pauser, const char *name);
bool pauser_is_done(const struct pauser *pauser); /* none is pending */

void pauser_forget_unsent(struct pauser *pauser);
void pauser_stop(struct pauser *pauser); /* closes every console that has a PAUSE pending */

#endif
