/* What segue fleet and segue wait look at: the master znode of a cluster and the znodes of its
 * sidecars, by a session of their own, kept current by watches. */
#ifndef SEGUE_CLI_FLEET_READER_INTERNAL_H
#define SEGUE_CLI_FLEET_READER_INTERNAL_H

#include <stdbool.h>

#include "base/err.h"
#include "report/fleet.h"

struct event_base;
struct fleet_reader;

/* Reads `config_file`, of which it takes [zookeeper] and that cluster. `changed`: look again; it is
 * not called inside a call, and must not close the fleet_reader. NULL: the file or the name is
 * wrong. */
struct fleet_reader *fleet_reader_open(const char *config_file, const char *cluster,
                                       void (*changed)(void *arg), void *arg,
                                       struct err *err) MUST_CHECK;
void fleet_reader_close(struct fleet_reader *fleet_reader);

struct event_base *fleet_reader_base(const struct fleet_reader *fleet_reader);

/* All that there is to know at this moment is in the view. */
bool fleet_reader_known(const struct fleet_reader *fleet_reader);
/* The zxid of the master znode's value, good or bad; 0: not known, or there is none. */
int64_t fleet_reader_zxid(const struct fleet_reader *fleet_reader);
/* Why not all is known. Borrowed. */
const char *fleet_reader_problem(const struct fleet_reader *fleet_reader);

/* As of now; borrowed until the next call, and the next loop iteration. */
const struct fleet_view *fleet_reader_view(struct fleet_reader *fleet_reader);

#endif
