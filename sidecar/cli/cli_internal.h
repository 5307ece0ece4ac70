#ifndef SEGUE_CLI_CLI_INTERNAL_H
#define SEGUE_CLI_CLI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "publisher/node_query.h"
#include "report/fleet.h"

/* Asks servers of a cluster once, for `segue pin` and `segue set-primary`, and reports why one
 * cannot be the primary. It asks as the cluster's [publisher] does if segue.ini has one, otherwise
 * with verify_conninfo. */

struct event_base;
struct resolver;
struct ask_server;

/* Called once, never inside ask_server_begin(): every server has answered or failed, at the latest
 * after verify_timeout. */
typedef void ask_server_cb(void *arg);

/* `cluster` is one of `config`. All arguments are borrowed until ask_server_destroy(). */
struct ask_server *ask_server_create(struct event_base *base, struct resolver *resolver,
                                     const struct config *config,
                                     const struct config_cluster *cluster, ask_server_cb *cb,
                                     void *arg, struct err *err) MUST_CHECK;
void ask_server_destroy(struct ask_server *asking); /* NULL is fine */

/* Adds one server, at most TOPOLOGY_SLOTS_MAX + 1 in all; `member` is copied. */
bool ask_server_add(struct ask_server *asking, const struct member *member,
                    struct err *err) MUST_CHECK;
void ask_server_begin(struct ask_server *asking);

/* `i` is the index in the order of ask_server_add(). */
size_t ask_server_count(const struct ask_server *asking);
const struct member *ask_server_member(const struct ask_server *asking, size_t i);
const struct node_query_answer *ask_server_answer(const struct ask_server *asking, size_t i);

/* Appends "10.0.0.1:5432 (node1)". */
void ask_server_append_place(const struct member *member, struct strbuf *out);

/* Appends why this server cannot be the primary of the cluster with that system identifier ("": not
 * known). Appends nothing if it can. */
void ask_server_object(const struct ask_server *asking, size_t i, const char *system_identifier,
                       struct strbuf *out);

/* The same, from this answer alone: does not check whether a HAProxy of segue.ini listens there. */
void ask_server_object_answer(const struct member *member, const struct node_query_answer *answer,
                              const char *system_identifier, struct strbuf *out);

/* Reads the master znode of a cluster and the znodes of its sidecars, for segue fleet and segue
 * wait. Uses a ZooKeeper session of its own; watches keep the data current. */

struct event_base;
struct fleet_reader;

/* Takes [zookeeper] and that cluster's section from `config_file`. `changed`: the data may have
 * changed; it is never called inside a function of this header, and must not close the
 * fleet_reader. NULL with `err` set on failure, as for a wrong file or cluster name. */
struct fleet_reader *fleet_reader_open(const char *config_file, const char *cluster,
                                       void (*changed)(void *arg), void *arg,
                                       struct err *err) MUST_CHECK;
void fleet_reader_close(struct fleet_reader *fleet_reader);

struct event_base *fleet_reader_base(const struct fleet_reader *fleet_reader);

/* True if everything has been read: the view is complete at this moment. */
bool fleet_reader_known(const struct fleet_reader *fleet_reader);
/* The mzxid of the master znode, even of an invalid value; 0: not known, or there is no znode. */
int64_t fleet_reader_zxid(const struct fleet_reader *fleet_reader);
/* Why not everything is known yet. Borrowed. */
const char *fleet_reader_problem(const struct fleet_reader *fleet_reader);

/* The view as of now; borrowed until the next call or the next loop iteration. */
const struct fleet_view *fleet_reader_view(struct fleet_reader *fleet_reader);

#endif
