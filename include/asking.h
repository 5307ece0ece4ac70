/* The servers of a cluster, asked once for a verb of a person's: as its publisher asks them, where
 * one is configured here, or else as the sidecar does. What is said against one as the primary. */
#ifndef SEGUE_ASKING_H
#define SEGUE_ASKING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "config.h"
#include "publisher/inquiry.h"

struct event_base;
struct resolver;
struct asking;

/* All servers have answered, or verify_timeout is over. Once, never inside asking_begin(). */
typedef void asking_cb(void *arg);

/* `config` and `cluster`, one of its own, are borrowed, as the others are. */
struct asking *asking_create(struct event_base *base, struct resolver *resolver,
                             const struct config *config, const struct config_cluster *cluster,
                             asking_cb *cb, void *arg, struct err *err) MUST_CHECK;
void asking_destroy(struct asking *asking); /* NULL is fine */

/* At most TOPOLOGY_SLOTS_MAX + 1 of them; `member` is copied. */
bool asking_add(struct asking *asking, const struct member *member, struct err *err) MUST_CHECK;
void asking_begin(struct asking *asking);

/* In the order of asking_add(). */
size_t asking_count(const struct asking *asking);
const struct member *asking_member(const struct asking *asking, size_t i);
const struct inquiry_answer *asking_answer(const struct asking *asking, size_t i);

/* "10.0.0.1:5432 (node1)" */
void asking_append_place(const struct member *member, struct strbuf *out);

/* Appends what speaks against this server as the primary of the cluster with that system
 * identifier ("": not known); nothing where nothing does. */
void asking_object(const struct asking *asking, size_t i, const char *system_identifier,
                   struct strbuf *out);

/* The same, going by this answer alone. */
void asking_object_answer(const struct member *member, const struct inquiry_answer *answer,
                          const char *system_identifier, struct strbuf *out);

#endif
