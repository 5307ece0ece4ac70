/* One server, asked again and again on one warm connection. See postgres/verifier.h for how often.
 */
#ifndef SEGUE_POSTGRES_PROBE_INTERNAL_H
#define SEGUE_POSTGRES_PROBE_INTERNAL_H

#include "config/config.h"
#include "postgres/libpq.h"
#include "topology/facts.h"

struct event_base;
struct probe;

/* After each attempt, and never inside a call from the left. The probe is not to be destroyed in
 * it. `before`: what the fact was. `awaited`: this is the first one that was begun after
 * probe_hurry(). */
typedef void probe_cb(const struct probe *probe, const struct server_fact *before, bool awaited,
                      void *arg);

/* The first question goes out in the next loop iteration. `pq` and `config` are borrowed, `member`
 * is copied. */
struct probe *probe_create(struct event_base *base, const struct libpq *pq,
                           const struct config_cluster *config, const struct member *member,
                           probe_cb *cb, void *arg) MUST_CHECK;
void probe_destroy(struct probe *probe); /* NULL is fine */

/* What it last answered to the probe before a reload. Before the first question goes out. */
void probe_recall(struct probe *probe, const struct server_fact *before);

/* Somebody beside found that nobody listens there any more: as an attempt that was refused right
 * after the warm connection had ended. `problem`: how it was found, in words. */
void probe_lose(struct probe *probe, const char *problem);
/* A connection of somebody beside has ended. Where another one, or the warm one, has ended within
 * PROBE_TOGETHER_US, nothing but the end of the server does that: the loss is taken for proven
 * without waiting for a refusal, which is a round trip away. A server that lives (something between
 * was restarted) answers the next attempt, in a millisecond. */
#define PROBE_TOGETHER_US INT64_C(1000)
void probe_note_end(struct probe *probe);
void probe_hurry(struct probe *probe, bool slowly); /* as verifier_hurry(), verifier_attend() */
const struct server_fact *probe_fact(const struct probe *probe);

#endif
