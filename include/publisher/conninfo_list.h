/* Connection strings of `nodes` and of repmgr.nodes: taken apart, merged with what is common to
 * all, and looked at for the server that they lead to. */
#ifndef SEGUE_PUBLISHER_CONNINFO_LIST_H
#define SEGUE_PUBLISHER_CONNINFO_LIST_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "postgres/libpq.h"
#include "topology/topology.h"

/* The next string of a comma separated list that the configuration has let pass; the caller frees
 * it. NULL at the end. */
char *conninfo_list_next(const char **list) MUST_CHECK;

/* Where a string leads to, and with which settings. */
struct conninfo_target {
	struct member member; /* host and port; the address where the host is one, or hostaddr */
	char *conninfo;       /* keyword=value pairs: both strings, without the server */
};

enum conninfo_precedence {
	CONNINFO_OWN_FIRST,    /* what the string says counts, then what is common: `nodes` */
	CONNINFO_COMMON_FIRST, /* the other way round, but for the server: repmgr's, who is not
	                        * segue
	                        */
};

/* Refuses what a proxy could not be led to: no host, a socket's folder, several hosts. */
bool conninfo_target_parse(const struct libpq *pq, const char *common, const char *conninfo,
                           enum conninfo_precedence precedence, struct conninfo_target *out,
                           struct err *err) MUST_CHECK;
void conninfo_target_fini(struct conninfo_target *target);

#endif
