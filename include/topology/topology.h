/* Topology: what the store says of a cluster at one zxid. A plain value, made by a layout,
 * completed with numeric addresses by the watcher, read by everything to the right of it. */
#ifndef SEGUE_TOPOLOGY_TOPOLOGY_H
#define SEGUE_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/util.h"

#define TOPOLOGY_NAME_MAX     64  /* bytes of a node name, with the NUL */
#define TOPOLOGY_MEMBER_MAX   256 /* bytes of a member's name in Patroni, with the NUL */
#define TOPOLOGY_HOST_MAX     254 /* bytes of a host name (RFC 1035: 253) with the NUL */
#define TOPOLOGY_ADDRESS_MAX  46  /* INET6_ADDRSTRLEN */
#define MEMBER_ENDPOINT_MAX   (TOPOLOGY_ADDRESS_MAX + 16) /* bytes, with the NUL */
#define TOPOLOGY_WHO_MAX      128                         /* bytes of user@host with the NUL */
#define TOPOLOGY_TEXT_MAX     576 /* bytes of a name and tags, with both NULs */
#define TOPOLOGY_STANDBYS_MAX 64
#define TOPOLOGY_SLOTS_MAX    (TOPOLOGY_STANDBYS_MAX + 1)

struct member {
	char name[TOPOLOGY_TEXT_MAX]; /* "" when the store has none; the tags are behind its NUL */
	char host[TOPOLOGY_HOST_MAX]; /* as the store has it: a name or an address, no brackets */
	char address[TOPOLOGY_ADDRESS_MAX]; /* numeric, no brackets; "" until resolved */
	uint16_t port;                      /* 1 to 65535 */
	int64_t lag_bytes;                  /* of a standby; -1: not known */
	bool unread;   /* of a standby: it is to get no read-only traffic, but may become primary */
	unsigned slot; /* 1 to TOPOLOGY_SLOTS_MAX, nobody else's; 0: none assigned */
};

/* "10.0.0.1:5432", "[::1]:5432"; "none" for NULL. */
void member_endpoint(const struct member *member, char out[MEMBER_ENDPOINT_MAX]);

/* The word of a person who named the primary (segue set-primary). It stays in what publishers write
 * later, so that nobody misses it. Timelines are compared between values of one id only. */
struct topology_mark {
	char id[TOPOLOGY_NAME_MAX]; /* of this one word; "": nobody has said any */
	char who[TOPOLOGY_WHO_MAX]; /* printable ASCII; "" when not known */
	char at[64];                /* ISO 8601 UTC; "" when not known */
	int64_t timeline;           /* of the server that was named, then; 0: not known */
};

/* How long the cluster manager may take to have a new primary, in seconds, by its own settings. */
struct manager_times {
	int64_t ttl, loop_wait, retry_timeout, start_timeout; /* ttl 0: not known */
	bool assumed; /* Patroni's defaults: its /config is missing, or cannot be read */
};

struct topology {
	int64_t zxid;     /* mzxid of the master znode; of several, of the newest change */
	bool has_primary; /* false: the store says that nobody is (JSON null) */
	struct member primary;
	struct member *standbys; /* owned */
	size_t standby_count;
	char system_identifier[32]; /* decimal digits; "" when not known */
	int64_t timeline;           /* 0: not known */
	char promoted_at[64];       /* ISO 8601 UTC; "" when not known */
	char publisher[TOPOLOGY_NAME_MAX];
	char none_since[64]; /* without a primary: since when, as a publisher saw it; "": no
	                        publisher wrote that there is none */
	struct topology_mark set_by;
	char *leader; /* owned; without a primary: whom Patroni's leader key names, though nothing
	                 else is known of it; or NULL */
	bool paused;  /* Patroni's maintenance mode: no leader is no loss while the primary lives */
	struct manager_times times; /* layout patroni */
};

void topology_init(struct topology *topology);
void topology_fini(struct topology *topology);
void topology_copy(struct topology *to,
                   const struct topology *from); /* `to` is initialised or empty */

/* Appends an empty member and returns it, borrowed until the next add; NULL when there are
 * TOPOLOGY_STANDBYS_MAX already. */
struct member *topology_add_standby(struct topology *topology);

/* Patroni's tags, a JSON object of scalars, keys sorted; "": none. They are set after the name, and
 * leave it as it is where they do not fit behind it: false. */
const char *topology_tags(const struct member *member);
bool topology_set_tags(struct member *member, const char *tags) MUST_CHECK;

/* Two servers of 192.0.2.0/24 (RFC 5737), that nobody has: to try a template with before anything
 * is known. `topology` is an empty one. */
void topology_example(struct topology *topology);
bool topology_is_example(const struct topology *topology);

/* Gives every member of `now` a slot: the one that it has in `before` (may be NULL, or `now`
 * itself), and new members, in order, the lowest that are free. A member is known by its name, or
 * by host and port where it has none. So the slot of a member that left is free for a new one,
 * and nobody is ever moved to another. */
void topology_assign_slots(struct topology *now, const struct topology *before);

/* `topology` becomes a copy of `next`, each member in the slot that it has had. */
void topology_follow(struct topology *topology, const struct topology *next);

/* A person has named the primary, and nobody was promoted since: no server overrules it. */
bool topology_is_set(const struct topology *topology);

/* `now` holds a person's word that `before` (may be NULL) does not know: no timeline of before
 * counts any more. */
bool topology_is_set_anew(const struct topology *now, const struct topology *before);

/* The same numeric address and port, whatever the names. */
bool topology_same_address(const struct member *a, const struct member *b);

/* The order of members: by name (host, where it has none), then by address and port, as a name may
 * be missing or given twice. */
int topology_compare(const struct member *a, const struct member *b);

/* From the loss of a primary to the next one, at most, in ms; 0: not known. `starting`: its server
 * answers that it is starting up, so that its agent lives and leaves it the time for that. */
int64_t manager_times_ms(const struct manager_times *times, bool starting);
bool manager_times_same(const struct manager_times *a, const struct manager_times *b);

/* True when both name the same servers in the same roles, with the same tags, and the same of them
 * may be read from, whatever zxid, lag or slot. */
bool topology_same_servers(const struct topology *a, const struct topology *b);

#endif
