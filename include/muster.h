/* What segue fleet and segue wait look at: the master znode of a cluster and the znodes of its
 * sidecars, by a session of their own, kept current by watches. */
#ifndef SEGUE_MUSTER_H
#define SEGUE_MUSTER_H

#include <stdbool.h>

#include "base/err.h"
#include "report/fleet_view.h"

struct event_base;
struct muster;

/* Reads `config_file`, of which it takes [zookeeper] and that cluster. `changed`: look again; it is
 * not called inside a call, and must not close the muster. NULL: the file or the name is wrong. */
struct muster *muster_open(const char *config_file, const char *cluster, void (*changed)(void *arg),
                           void *arg, struct err *err) MUST_CHECK;
void muster_close(struct muster *muster);

struct event_base *muster_base(const struct muster *muster);

/* All that there is to know at this moment is in the view. */
bool muster_known(const struct muster *muster);
/* The zxid of the master znode's value, good or bad; 0: not known, or there is none. */
int64_t muster_zxid(const struct muster *muster);
/* Why not all is known. Borrowed. */
const char *muster_problem(const struct muster *muster);

/* As of now; borrowed until the next call, and the next loop iteration. */
const struct fleet_view *muster_view(struct muster *muster);

#endif
