/* Asks one server again and again over one open connection. postgres/verifier.h says how often. */
#ifndef SEGUE_POSTGRES_PROBE_INTERNAL_H
#define SEGUE_POSTGRES_PROBE_INTERNAL_H

#include "config/config.h"
#include "postgres/libpq.h"
#include "topology/facts.h"

struct event_base;
struct probe;

/* Called after each attempt, and from inside probe_lose() and probe_note_end(), but from inside no
 * other function here. The probe must not be destroyed in it. `before`: the previous fact.
 * `awaited`: this is the first attempt that was started after probe_hurry(). */
typedef void probe_cb(const struct probe *probe, const struct server_fact *before, bool awaited,
                      void *arg);

/* The first question is asked in the next loop iteration. `pq` and `config` are borrowed, `member`
 * is copied. */
struct probe *probe_create(struct event_base *base, const struct libpq *pq,
                           const struct config_cluster *config, const struct member *member,
                           probe_cb *cb, void *arg) MUST_CHECK;
void probe_destroy(struct probe *probe); /* NULL is fine */

/* Sets what the server last answered before a reload. Call this before the first question. */
void probe_recall(struct probe *probe, const struct server_fact *before);

/* The caller has found that no process listens there any more. It has the effect of an attempt that
 * was refused right after the open connection had ended. `problem`: how it was found. */
void probe_lose(struct probe *probe, const char *problem);
/* Another connection to the server has ended, which the caller watches. If one more, or the probe's
 * own, has ended within PROBE_TOGETHER_US, only the end of the server explains that. The loss is
 * then proven without waiting for a refusal, which takes a round trip. A server that is alive
 * (something between was restarted) answers the next attempt, within a millisecond. */
#define PROBE_TOGETHER_US INT64_C(1000)
void probe_note_end(struct probe *probe);
/* As verifier_hurry(); `slowly`: as verifier_attend(). */
void probe_hurry(struct probe *probe, bool slowly);
const struct server_fact *probe_fact(const struct probe *probe);

#endif
