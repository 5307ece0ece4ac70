/* Where a rendered HAProxy text listens, and which sections of one HAProxy would share an address:
 * the kernel then deals the connections out among them, and `haproxy -c` sees nothing of it. Pure.
 * Configuration Manual 4.2 (bind), 5.1. */
#ifndef SEGUE_HAPROXY_MODEL_BINDS_H
#define SEGUE_HAPROXY_MODEL_BINDS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum haproxy_bind_kind {
	HAPROXY_BIND_NAME, /* a unix or abstract socket; a host name or variable, as it is spelled
	                    */
	HAPROXY_BIND_IPV4,
	HAPROXY_BIND_IPV6,
	HAPROXY_BIND_ANY_IPV4,
	HAPROXY_BIND_ANY_IPV6, /* and no IPv4 */
	HAPROXY_BIND_ANY,      /* both, as [::] is without v6only */
};

struct haproxy_bind {
	size_t group, owner; /* the caller's: only texts of one group share a HAProxy */
	size_t section;      /* of its text, counted */
	char *section_name;  /* "frontend orders_rw_in" */
	char *spelled;       /* as the text has it, without what stands around it in a list */
	enum haproxy_bind_kind kind;
	struct in6_addr address; /* the first 4 bytes for IPv4 */
	uint16_t first, last;    /* ports; 0 for a name */
	char *name;              /* of HAPROXY_BIND_NAME: the same for every spelling */
	char *host;              /* where that is a host name; see haproxy_bind_resolve() */
	int host_family;         /* AF_UNSPEC: any */
	uint16_t host_first, host_last;
	char *interface, *netns; /* "": any; the machine's own */
};

struct haproxy_binds {
	struct haproxy_bind *items;
	size_t count, capacity;
};

/* Appends what `text` binds. Leaves out what cannot clash or cannot be known: port 0, inherited
 * descriptors, UDP, lines inside .if, frontends that are `disabled`. */
void haproxy_binds_read(struct haproxy_binds *binds, const char *text, size_t len, size_t group,
                        size_t owner);

/* Calls `found` for every bind that shares an address with another section of its group, of the
 * same owner or of another one: once each, in the order of owners and sections. One section may
 * have an address twice. Reorders the binds. */
typedef void haproxy_binds_cb(const struct haproxy_bind *a, const struct haproxy_bind *b,
                              void *arg);
void haproxy_binds_clashes(struct haproxy_binds *binds, haproxy_binds_cb *found, void *arg);

void haproxy_binds_free(struct haproxy_binds *binds);

/* One numeric address and port, with nothing to free; 0.0.0.0 and :: stand for all, and an IPv4
 * address in an IPv6 one for itself. False: it is no address. */
bool haproxy_bind_of(const char *address, uint16_t port, struct haproxy_bind *out) MUST_CHECK;

/* What HAProxy binds for a bind with a host name: `address` is what the name stands for. False: it
 * has none, or `address` is no address. Nothing to free; shares the words of `bind`. */
bool haproxy_bind_at(const struct haproxy_bind *bind, const char *address,
                     struct haproxy_bind *out) MUST_CHECK;

/* Is there an IP address and port that both take? */
bool haproxy_bind_overlaps(const struct haproxy_bind *a, const struct haproxy_bind *b);

/* The same; or are both the same unix socket or name? */
bool haproxy_bind_shares(const struct haproxy_bind *a, const struct haproxy_bind *b);

#endif
