/* The servers of a cluster, asked once for a verb of a person's: as its publisher asks them, where
 * one is configured here, or else as the sidecar does. What is said against one as the primary. */
#ifndef SEGUE_CLI_ASK_SERVER_INTERNAL_H
#define SEGUE_CLI_ASK_SERVER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "publisher/node_query.h"

struct event_base;
struct resolver;
struct ask_server;

/* All servers have answered, or verify_timeout is over. Once, never inside ask_server_begin(). */
typedef void ask_server_cb(void *arg);

/* `config` and `cluster`, one of its own, are borrowed, as the others are. */
struct ask_server *ask_server_create(struct event_base *base, struct resolver *resolver,
                                     const struct config *config,
                                     const struct config_cluster *cluster, ask_server_cb *cb,
                                     void *arg, struct err *err) MUST_CHECK;
void ask_server_destroy(struct ask_server *asking); /* NULL is fine */

/* At most TOPOLOGY_SLOTS_MAX + 1 of them; `member` is copied. */
bool ask_server_add(struct ask_server *asking, const struct member *member,
                    struct err *err) MUST_CHECK;
void ask_server_begin(struct ask_server *asking);

/* In the order of ask_server_add(). */
size_t ask_server_count(const struct ask_server *asking);
const struct member *ask_server_member(const struct ask_server *asking, size_t i);
const struct node_query_answer *ask_server_answer(const struct ask_server *asking, size_t i);

/* "10.0.0.1:5432 (node1)" */
void ask_server_append_place(const struct member *member, struct strbuf *out);

/* Appends what speaks against this server as the primary of the cluster with that system
 * identifier ("": not known); nothing where nothing does. */
void ask_server_object(const struct ask_server *asking, size_t i, const char *system_identifier,
                       struct strbuf *out);

/* The same, going by this answer alone. */
void ask_server_object_answer(const struct member *member, const struct node_query_answer *answer,
                              const char *system_identifier, struct strbuf *out);

#endif
