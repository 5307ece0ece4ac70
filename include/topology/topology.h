/* Topology: what ZooKeeper has about a cluster at one zxid. A plain value. A layout creates it, the
 * watcher adds the numeric addresses, and all later stages read it. */
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
	char name[TOPOLOGY_TEXT_MAX]; /* "" if ZooKeeper has none; the tags follow after its NUL */
	char host[TOPOLOGY_HOST_MAX]; /* as in ZooKeeper: a name or an address, no brackets */
	char address[TOPOLOGY_ADDRESS_MAX]; /* numeric, no brackets; "" until resolved */
	uint16_t port;                      /* 1 to 65535 */
	int64_t lag_bytes;                  /* of a standby; -1: not known */
	bool no_reads; /* of a standby: it gets no read-only traffic, but may become primary */
	unsigned slot; /* 1 to TOPOLOGY_SLOTS_MAX, unique in the topology; 0: not assigned */
};

/* Numeric address and port: "10.0.0.1:5432", "[::1]:5432"; "none" for NULL. */
void member_endpoint(const struct member *member, char out[MEMBER_ENDPOINT_MAX]);

/* Records that a person has named the primary (segue set-primary). Publishers keep it in every
 * later value, so that no sidecar or publisher misses it. Timelines of two values are comparable
 * only if both have the same id. */
struct topology_mark {
	char id[TOPOLOGY_NAME_MAX]; /* new for each set-primary; "": there was none */
	char who[TOPOLOGY_WHO_MAX]; /* printable ASCII; "" when not known */
	char at[64];                /* ISO 8601 UTC; "" when not known */
	int64_t timeline;           /* of the named server at that time; 0: not known */
};

/* Settings of the cluster manager (Patroni), in seconds. They determine how long it may take until
 * there is a new primary. */
struct manager_times {
	int64_t ttl, loop_wait, retry_timeout, start_timeout; /* ttl 0: not known */
	bool assumed; /* Patroni's defaults, because its /config is missing or invalid */
};

struct topology {
	int64_t zxid;     /* mzxid of the master znode; of several znodes: of the newest change */
	bool has_primary; /* false: ZooKeeper names no primary (JSON null) */
	struct member primary;
	struct member *standbys; /* owned */
	size_t standby_count;
	char system_identifier[32]; /* decimal digits; "" when not known */
	int64_t timeline;           /* 0: not known */
	char promoted_at[64];       /* ISO 8601 UTC; "" when not known */
	char publisher[TOPOLOGY_NAME_MAX];
	char none_since[64]; /* without a primary: since when, as a publisher saw it; "": it was not
	                        a publisher that wrote null */
	struct topology_mark set_by;
	char *leader; /* owned, or NULL: the name in Patroni's leader key, if this member has no
	                 member key, so that there is no primary */
	bool paused;  /* Patroni's maintenance mode: while the primary takes writes, a missing
	                 leader key does not mean that it is lost */
	struct manager_times times; /* layout patroni only */
};

void topology_init(struct topology *topology);
void topology_fini(struct topology *topology);
void topology_copy(struct topology *to,
                   const struct topology *from); /* `to` is initialised or zeroed */

/* Appends an empty member and returns it, borrowed until the next call. Returns NULL if there are
 * already TOPOLOGY_STANDBYS_MAX. */
struct member *topology_add_standby(struct topology *topology);

/* Patroni's tags: a JSON object of scalars with sorted keys; "": none. Set the name before the
 * tags. topology_set_tags() returns false and changes nothing if the tags do not fit after the
 * name. */
const char *topology_tags(const struct member *member);
bool topology_set_tags(struct member *member, const char *tags) MUST_CHECK;

/* Fills an empty topology with two servers of 192.0.2.0/24 (RFC 5737, for documentation), to test a
 * template before any topology is known. */
void topology_example(struct topology *topology);
bool topology_is_example(const struct topology *topology);

/* Gives every member of `now` a slot. A member that `before` (may be NULL, or `now` itself) has
 * keeps its slot. New members get the lowest free slots, in the order of topology_compare().
 * Members are matched by name, or by host and port if they have no name. So the slot of a member
 * that left can be used again, and no member ever changes its slot. */
void topology_assign_slots(struct topology *now, const struct topology *before);

/* `topology` becomes a copy of `next`. Each member keeps the slot that it had in `topology`. */
void topology_follow(struct topology *topology, const struct topology *next);

/* True if a person has named the primary and no promotion followed. No server overrules it then. */
bool topology_is_set(const struct topology *topology);

/* True if `now` has a set-primary that `before` (may be NULL) does not have. The timelines seen
 * before no longer count then. */
bool topology_is_set_anew(const struct topology *now, const struct topology *before);

/* The same numeric address and port; names are not compared. */
bool topology_same_address(const struct member *a, const struct member *b);

/* The order of members: by name (by host if there is no name), then by address and port, because a
 * name may be missing or used twice. */
int topology_compare(const struct member *a, const struct member *b);

/* The longest time from the loss of a primary to the next primary, in ms; 0: not known. `starting`:
 * the server of the lost primary answers that it is starting up; then its Patroni agent runs and
 * gives it time to start. */
int64_t manager_times_ms(const struct manager_times *times, bool starting);
bool manager_times_same(const struct manager_times *a, const struct manager_times *b);

/* True if both have the same servers in the same roles and order, with the same tags and
 * `no_reads`. zxid, lag and slot are not compared. */
bool topology_same_servers(const struct topology *a, const struct topology *b);

#endif
