/* The verifier of a cluster: asks every member, on one warm connection each, whether it is the
 * primary. It decides nothing. The loop is never stalled: addresses are numeric, libpq's
 * asynchronous calls only, and each attempt ends by verify_timeout.
 *
 * How often: a member that takes writes every second, the others every 5 s; a connection that ends
 * (a killed server's do at once) is made anew at once; failures are repeated after 1, 2, 4 ms
 * ... up to the interval. The loss of a killed server is proven by its end and the refusal that
 * follows, in some 0.3 ms; where it is guarded, by two ends at the same time, without waiting for a
 * refusal. Who hangs up without a word is asked again at once, and refuses when he
 * does so again. */
#ifndef SEGUE_POSTGRES_VERIFIER_H
#define SEGUE_POSTGRES_VERIFIER_H

#include <stddef.h>

#include "config/config.h"
#include "topology/facts.h"

struct event_base;
struct verifier;

/* A fact is different in anything but times, lsn and `running` above SERVER_RUNNING_MATTERS, or is
 * the first answer to a question that was asked after verifier_hurry(). Never
 * inside a call from the left. The verifier may be destroyed in it. */
typedef void verifier_cb(void *arg);

/* `config` is borrowed. Nothing is asked with verify = disable, and there are no facts. Logs what a
 * server says whenever it says something different (event=server). */
struct verifier *verifier_create(struct event_base *base, const struct config_cluster *config,
                                 verifier_cb *cb, void *arg) MUST_CHECK;
void verifier_destroy(struct verifier *verifier); /* NULL is fine */

/* What the servers last answered to the verifier before a reload is known to this one, too, until
 * they answer it: not how they end attempts, as the login may be another. Before the first
 * verifier_follow(). */
void verifier_recall(struct verifier *verifier, const struct verifier *before);

/* These are the servers to be asked from now on (NULLs and members without an address are skipped,
 * doubles are one). The first question to a new one goes out at once; the connections of those that
 * stay are kept, of those that left closed. */
void verifier_follow(struct verifier *verifier, const struct member *const *members, size_t count);

/* Asks this one now, and again every 2 ms, after 0.5 s every 5 ms, after 2 s every 20 ms, after 10
 * s every 100 ms, until what it says is different (see server_says_the_same()), or for 2 s after
 * the last call: it is to be repeated every second. A connection that cannot be made is tried every
 * 100 ms at least. Harmless when it is not followed. */
void verifier_hurry(struct verifier *verifier, const struct member *member);

/* Asks all that are followed now, and again every 100 ms, for 2 s after the last call. */
void verifier_attend(struct verifier *verifier);

/* Watches this one with config->tripwires silent connections, too, from its next answer on, so that
 * its death is known before the last client sees it (see postgres/tripwire_internal.h); NULL: none.
 * It is to be followed as well. */
void verifier_guard(struct verifier *verifier, const struct member *member);

/* In the order of verifier_follow(); borrowed until the next loop iteration or call. */
const struct server_fact *verifier_facts(const struct verifier *verifier, size_t *count);

#endif
