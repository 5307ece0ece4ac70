/* Reads the bind lines of a rendered HAProxy text, and finds sections of one HAProxy that bind the
 * same address. The kernel would distribute the connections among them, and `haproxy -c` does not
 * detect it. Pure. Configuration Manual 4.2 (bind), 5.1. */
#ifndef SEGUE_HAPROXY_MODEL_BINDS_H
#define SEGUE_HAPROXY_MODEL_BINDS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum haproxy_bind_kind {
	HAPROXY_BIND_NAME, /* a unix or abstract socket; a host name or variable, as spelled */
	HAPROXY_BIND_IPV4,
	HAPROXY_BIND_IPV6,
	HAPROXY_BIND_ANY_IPV4,
	HAPROXY_BIND_ANY_IPV6, /* [::] with v6only: no IPv4 */
	HAPROXY_BIND_ANY,      /* [::] without v6only: IPv4 and IPv6 */
};

struct haproxy_bind {
	size_t group, owner; /* set by the caller; texts of one group belong to one HAProxy */
	size_t section;      /* its number in the text, from 1; 0: before the first section */
	char *section_name;  /* "frontend orders_rw_in" */
	char *spelled;       /* one address of the bind line, as the text spells it */
	enum haproxy_bind_kind kind;
	struct in6_addr address; /* IPv4: the first 4 bytes */
	uint16_t first, last;    /* ports; 0 for a name */
	char *name;              /* HAPROXY_BIND_NAME: a socket without unix@, or `spelled` */
	char *host;              /* the host name, else NULL; see haproxy_bind_resolve() */
	int host_family;         /* AF_UNSPEC: any */
	uint16_t host_first, host_last;
	char *interface, *netns; /* "": any interface; HAProxy's own network namespace */
};

struct haproxy_binds {
	struct haproxy_bind *items;
	size_t count, capacity;
};

/* Appends the binds of `text`. Leaves out those that cannot conflict or cannot be known: port 0,
 * inherited descriptors, UDP, lines inside .if, `disabled` frontends. */
void haproxy_binds_read(struct haproxy_binds *binds, const char *text, size_t len, size_t group,
                        size_t owner);

/* Calls `found` once for every bind that shares an address with another section of its group; `a`
 * comes before `b` in the order of owners and sections. The two may have the same owner. A section
 * that binds an address twice is no conflict. Reorders the binds. */
typedef void haproxy_binds_cb(const struct haproxy_bind *a, const struct haproxy_bind *b,
                              void *arg);
void haproxy_binds_clashes(struct haproxy_binds *binds, haproxy_binds_cb *found, void *arg);

void haproxy_binds_free(struct haproxy_binds *binds);

/* Makes a bind of one numeric address and port; nothing to free. 0.0.0.0 and :: mean all addresses;
 * an IPv4-mapped IPv6 address becomes its IPv4 address. False: `address` is no address. */
bool haproxy_bind_of(const char *address, uint16_t port, struct haproxy_bind *out) MUST_CHECK;

/* Makes the bind that HAProxy has for the host name of `bind`, which resolves to `address`. False:
 * `bind` has no host name, or `address` is no address. Nothing to free; `out` borrows the strings
 * of `bind`. */
bool haproxy_bind_at(const struct haproxy_bind *bind, const char *address,
                     struct haproxy_bind *out) MUST_CHECK;

/* True when both bind some IP address and port. */
bool haproxy_bind_overlaps(const struct haproxy_bind *a, const struct haproxy_bind *b);

/* True when they overlap, or when both are the same unix socket or name. */
bool haproxy_bind_shares(const struct haproxy_bind *a, const struct haproxy_bind *b);

#endif
