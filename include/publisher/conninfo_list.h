/* Connection strings of `nodes` and of repmgr.nodes: they are parsed, merged with the common
 * `conninfo`, and searched for the server that they lead to. */
#ifndef SEGUE_PUBLISHER_CONNINFO_LIST_H
#define SEGUE_PUBLISHER_CONNINFO_LIST_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "postgres/libpq.h"
#include "topology/topology.h"

/* Returns the next string of a comma-separated list that the configuration has accepted; the caller
 * frees it. NULL at the end. */
char *conninfo_list_next(const char **list) MUST_CHECK;

/* The server that a string leads to, and the other settings. */
struct conninfo_target {
	struct member member; /* host and port; the address if the host is one, or from hostaddr */
	char *conninfo;       /* keyword=value pairs of both strings, without the server */
};

enum conninfo_precedence {
	CONNINFO_OWN_FIRST,    /* the string's own settings override the common ones: for `nodes` */
	CONNINFO_COMMON_FIRST, /* the common settings override the string's, except for the server:
	                          for repmgr's strings, as repmgr is not segue */
};

/* Refuses a string that a proxy could not use: no host, the folder of a socket, or several
 * hosts. */
bool conninfo_target_parse(const struct libpq *pq, const char *common, const char *conninfo,
                           enum conninfo_precedence precedence, struct conninfo_target *out,
                           struct err *err) MUST_CHECK;
void conninfo_target_fini(struct conninfo_target *target);

#endif
