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

/* `cluster` is one of `config`. All arguments are borrowed until ask_server_destroy(). */
struct ask_server *ask_server_create(struct event_base *base, struct resolver *resolver,
                                     const struct config *config,
                                     const struct config_cluster *cluster,
                                     struct err *err) MUST_CHECK;
void ask_server_destroy(struct ask_server *asking); /* NULL is fine */

/* Adds one server, at most TOPOLOGY_SLOTS_MAX + 1 in all; `member` is copied. The first one is the
 * new primary. */
bool ask_server_add(struct ask_server *asking, const struct member *member,
                    struct err *err) MUST_CHECK;

/* Runs the loop until every server has answered or failed, at the latest after verify_timeout. */
void ask_server_run(struct ask_server *asking);

/* What the first server has answered. */
const struct server_fact *ask_server_fact(const struct ask_server *asking);

/* Appends "10.0.0.1:5432 (node1)". */
void ask_server_append_name(const struct member *member, struct strbuf *out);

/* Appends why the first server cannot be the primary of the cluster with that system identifier
 * ("": not known), and which of the others take writes. Appends nothing if it can. */
void ask_server_object(const struct ask_server *asking, const char *system_identifier,
                       struct strbuf *out);

/* The same of one server, from this answer alone: does not check whether a HAProxy of segue.ini
 * listens there. */
void ask_server_object_answer(const struct member *member, const struct node_query_answer *answer,
                              const char *system_identifier, struct strbuf *out);

/* Reads the master znode of a cluster and the znodes of its sidecars, for segue fleet and segue
 * wait. Uses a ZooKeeper session of its own; watches keep the data current. */

struct fleet_reader;

/* Takes [zookeeper] and that cluster's section from the configuration. NULL on failure, as for a
 * wrong file or cluster name; the reason is printed. */
struct fleet_reader *fleet_reader_open(const char *verb, const char *config_file,
                                       const char *cluster) MUST_CHECK;
void fleet_reader_close(struct fleet_reader *fleet_reader);

/* Waits until is_done() returns true, which is called after each change once everything has been
 * read (NULL: until everything has been read), and for `ms` at most. Returns whether it did. */
bool fleet_reader_wait(struct fleet_reader *fleet_reader, int64_t ms,
                       bool (*is_done)(const struct fleet_view *view, void *arg), void *arg);

/* The view as of now, borrowed until the next call or fleet_reader_wait(). Its zxid is 0 if there
 * is no master znode. NULL: not everything has been read yet; fleet_reader_problem() says why. */
const struct fleet_view *fleet_reader_view(struct fleet_reader *fleet_reader);
const char *fleet_reader_problem(const struct fleet_reader *fleet_reader); /* borrowed */

#endif
