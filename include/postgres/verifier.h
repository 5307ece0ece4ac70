/* The verifier of a cluster: it asks every member whether it is the primary, each over one
 * connection that stays open. It decides nothing. It never blocks the event loop: addresses are
 * numeric, libpq is used asynchronously, and verify_timeout ends each attempt.
 *
 * A member that accepts writes is asked every second, the others every 5 s. A connection that ends
 * (those to a killed server end at once) is opened again at once. Failed attempts are repeated
 * after 1, 2, 4 ms ... up to that interval. The loss of a killed server is proven by the end of the
 * connection and the refusal of the next one, after about 0.3 ms. For a guarded server it is proven
 * by two ends at the same time, without waiting for a refusal. A server that closes a new
 * connection without sending anything is asked again at once; if it does the same again, that is a
 * refusal. */
#ifndef SEGUE_POSTGRES_VERIFIER_H
#define SEGUE_POSTGRES_VERIFIER_H

#include <stddef.h>

#include "config/config.h"
#include "topology/facts.h"

struct event_base;
struct verifier;

/* Called when a fact has changed in anything but times, lsn, and `running` and `unserved` above
 * SERVER_RUNNING_MATTERS, or is the first answer to a question that was asked after
 * verifier_hurry(). Called from the event loop, never from inside a function below. The verifier
 * may be destroyed in it. */
typedef void verifier_cb(void *arg);

/* `config` is borrowed. With verify = disable nothing is asked, and there are no facts. Logs
 * event=server whenever a server's answer differs from its last one. */
struct verifier *verifier_create(struct event_base *base, const struct config_cluster *config,
                                 verifier_cb *cb, void *arg) MUST_CHECK;
void verifier_destroy(struct verifier *verifier); /* NULL is fine */

/* Takes over what the servers last answered to the verifier before a reload; it holds until they
 * answer this one. How attempts ended is not taken over, because the login may be another. Call
 * this before the first verifier_follow(). */
void verifier_recall(struct verifier *verifier, const struct verifier *before);

/* Sets the servers that are asked from now on. NULLs and members without an address are skipped; a
 * server listed twice is asked once. A new server is asked at once. The connections of servers that
 * stay are kept, those of servers that left are closed. */
void verifier_follow(struct verifier *verifier, const struct member *const *members, size_t count);

/* Asks this server now, then every 2 ms, after 0.5 s every 5 ms, after 2 s every 20 ms, after 10 s
 * every 100 ms. This ends when the answer differs (see server_says_the_same()), and 2 s after the
 * last call: the caller repeats the call every second. A connection that cannot be opened is tried
 * at least every 100 ms. Has no effect if the server is not followed. */
void verifier_hurry(struct verifier *verifier, const struct member *member);

/* Asks all followed servers now, and again every 100 ms, until 2 s after the last call. */
void verifier_attend(struct verifier *verifier);

/* From its next answer on, watches this server also with config->tripwires silent connections (see
 * sidecar/postgres/postgres_internal.h), so that its death is known before the last client notices
 * it. NULL: watches none. The server has to be followed as well. */
void verifier_guard(struct verifier *verifier, const struct member *member);

/* In the order of verifier_follow(); borrowed until the next loop iteration or call. */
const struct server_fact *verifier_facts(const struct verifier *verifier, size_t *count);

#endif
