/* Reads the master znode of a cluster and the znodes of its sidecars, for segue fleet and segue
 * wait. Uses a ZooKeeper session of its own; watches keep the data current. */
#ifndef SEGUE_CLI_FLEET_READER_INTERNAL_H
#define SEGUE_CLI_FLEET_READER_INTERNAL_H

#include <stdbool.h>

#include "base/err.h"
#include "report/fleet.h"

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
