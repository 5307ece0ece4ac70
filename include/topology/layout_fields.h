/* What the layouts share: the grammar of names, hosts, ports and times, and the form of their
 * errors. Every value of a topology is checked here. */
#ifndef SEGUE_TOPOLOGY_LAYOUT_FIELDS_H
#define SEGUE_TOPOLOGY_LAYOUT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "topology/topology.h"

#define LAYOUT_PORT_DEFAULT 5432
#define LAYOUT_TIME_MAX     64 /* bytes, as promoted_at of struct topology */

/* Returns NULL if `text` is valid. Otherwise returns what is wrong and what is allowed, as static
 * text. It never contains the value, which may be a part of a password. */
typedef const char *layout_problem_fn(const char *text);
layout_problem_fn layout_name_problem;   /* [A-Za-z0-9._-]{1,63} */
layout_problem_fn layout_member_problem; /* a member name of Patroni: 1 to 255 bytes of UTF-8 */
layout_problem_fn layout_host_problem;   /* host name, IPv4, or IPv6 without brackets and zone */
layout_problem_fn layout_system_identifier_problem; /* 1 to 20 decimal digits */
layout_problem_fn layout_time_problem;              /* ISO 8601, seconds, optional fraction, Z */

/* True if `host` is an IP address, which is written to `address` as inet_ntop(3) does. */
bool layout_host_numeric(const char *host, char address[TOPOLOGY_ADDRESS_MAX]);

bool layout_port_parse(const char *text, uint16_t *port); /* decimal, 1 to 65535 */

/* True if they have the same name, or the same port and the same host or address. */
bool layout_same_server(const struct member *a, const struct member *b);

/* Converts ISO 8601 with any offset to UTC with Z. False if `text` is no such time. */
bool layout_time_to_utc(const char *text, char utc[LAYOUT_TIME_MAX]);

/* Sets the error `<what> "<value, escaped>": <problem>`, or `<what>: <problem>` if `value` is NULL
 * or may contain a password. Always returns false. */
bool layout_refuse(struct err *err, const char *what, const char *value, const char *problem);

/* Sets host, port and, if the host is numeric, address. `secret`: errors do not show the host. */
bool layout_member_set(struct member *member, const char *what, const char *host, uint16_t port,
                       bool secret, struct err *err) MUST_CHECK;

/* The node.NAME key of the cluster with exactly this name; NULL if there is none. */
const struct config_node *layout_node_find(const struct config_cluster *cluster, const char *name);

/* Sets name, host and port from a node.NAME key. For an unknown name the error lists the known. */
bool layout_member_set_node(struct member *member, const char *what,
                            const struct config_cluster *cluster, const char *name,
                            struct err *err) MUST_CHECK;

/* True if the bytes may contain a password ("password", or user:password@ in a URI). Then they must
 * not be shown. The errors of layout_decode() never contain such bytes. */
bool layout_secret(const char *data, size_t len);

/* The server of a libpq connection string and, if it is no URI, user and database. Not set: "". */
struct conninfo {
	struct strbuf host, hostaddr, port, user, dbname;
};

#define CONNINFO_INIT                                                              \
	{                                                                          \
		.host = STRBUF_INIT, .hostaddr = STRBUF_INIT, .port = STRBUF_INIT, \
		.user = STRBUF_INIT, .dbname = STRBUF_INIT,                        \
	}
void conninfo_fini(struct conninfo *conninfo);
#define auto_conninfo __attribute__((cleanup(conninfo_fini)))

/* Parses a keyword/value string or a URI (PostgreSQL manual, 34.1.1), which may follow blanks. All
 * other keys are skipped, known to libpq or not. Errors have the byte offset and never contain
 * bytes of `text`. `several`: a URI may have several hosts. `out` has the first; if that has no
 * port, the port of the last one, which is what Patroni means by host1,host2:5432. */
bool conninfo_parse(const char *text, bool several, struct conninfo *out,
                    struct err *err) MUST_CHECK;
bool conninfo_is_uri(const char *text);

/* "user=segue dbname=postgres", for messages; never a password. "" for a URI, or if neither is set.
 * Caller frees. */
char *conninfo_login(const char *text) MUST_CHECK;

#endif
