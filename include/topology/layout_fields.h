/* What the layouts share: the grammar of names, hosts, ports and times, and how a refusal is
 * worded. Nothing passes into a topology but through here. */
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
#define LAYOUT_TIME_MAX     64 /* as struct topology's promoted_at */

/* NULL when `text` is fine, otherwise what is wrong with it and what is allowed: static text that
 * never holds the value, which may be part of a password. */
typedef const char *layout_problem_fn(const char *text);
layout_problem_fn layout_name_problem;   /* [A-Za-z0-9._-]{1,63} */
layout_problem_fn layout_member_problem; /* a name as Patroni takes one: 1 to 255 bytes of UTF-8 */
layout_problem_fn layout_host_problem;   /* host name, IPv4, or IPv6 without brackets and zone */
layout_problem_fn layout_system_identifier_problem; /* 1 to 20 decimal digits */
layout_problem_fn layout_time_problem;              /* ISO 8601, seconds, optional fraction, Z */

/* Is `host` an IP address? Writes it as inet_ntop(3) does. */
bool layout_host_numeric(const char *host, char address[TOPOLOGY_ADDRESS_MAX]);

bool layout_port_parse(const char *text, uint16_t *port); /* decimal, 1 to 65535 */

/* Have they one name, or one place? */
bool layout_same_server(const struct member *a, const struct member *b);

/* ISO 8601 with any offset, rewritten to UTC with Z. */
bool layout_time_to_utc(const char *text, char utc[LAYOUT_TIME_MAX]);

/* Sets `<what> "<value, escaped>": <problem>`; a NULL value is not shown. Returns false. */
bool layout_refuse(struct err *err, const char *what, const char *value, const char *problem);

/* Fills host, port and, for a numeric host, address. `secret`: do not show the value. */
bool layout_member_set(struct member *member, const char *what, const char *host, uint16_t port,
                       bool secret, struct err *err) MUST_CHECK;

/* The cluster's node.NAME key of exactly this name; NULL when there is none. */
const struct config_node *layout_node_find(const struct config_cluster *cluster, const char *name);

/* Name, host and port of a node.NAME key. Fails for an unknown name, naming the known ones. */
bool layout_member_set_node(struct member *member, const char *what,
                            const struct config_cluster *cluster, const char *name,
                            struct err *err) MUST_CHECK;

/* What a libpq connection string says of the server, and, where it is no URI, of the login; empty
 * where it says nothing. */
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

/* Keyword/value strings and URIs (PostgreSQL manual, 34.1.1). Other keys are skipped, known or
 * not. Errors name the byte, counted from `text`, and never show any. */
bool conninfo_is_uri(const char *text);
bool conninfo_parse(const char *text, struct conninfo *out, struct err *err) MUST_CHECK;
bool conninfo_parse_uri(const char *text, const char *uri, struct conninfo *out,
                        struct err *err) MUST_CHECK;

/* "user=segue dbname=postgres", for people: no password. "" of a URI, or where neither is named;
 * caller frees. */
char *conninfo_login(const char *text) MUST_CHECK;

/* Appends a URI that has one host: of several the first, with the port of the last where it has
 * none of its own, as Patroni means host1,host2:5432. */
void conninfo_first_host(const char *uri, struct strbuf *out);

#endif
