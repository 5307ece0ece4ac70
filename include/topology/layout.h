/* Layouts: znode bytes -> topology. Pure: no ZooKeeper, no clock, no names resolved. Everything in
 * the bytes is hostile until it is checked here. */
#ifndef SEGUE_TOPOLOGY_LAYOUT_H
#define SEGUE_TOPOLOGY_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "topology/topology.h"

#define LAYOUT_VALUE_MAX ((size_t)64 * 1024) /* bytes; a larger znode is refused unread */

/* The znode that names the primary (patroni: the scope that holds it), and the one whose ephemeral
 * children are live publishers (segue: <path>/master and <path>/publishers; otherwise <path> both).
 * Caller frees. */
char *layout_master_path(const struct config_cluster *cluster) MUST_CHECK;
char *layout_presence_path(const struct config_cluster *cluster) MUST_CHECK;

/* The parent of what the sidecars of the cluster say of themselves: /segue/NAME/sidecars, whatever
 * the layout. Caller frees. */
char *layout_fleet_path(const struct config_cluster *cluster) MUST_CHECK;

/* Decodes by cluster->layout, of those that keep all in one znode; node names are looked up in
 * cluster->nodes. `out` is initialised by the call and, on success only, to be ended with
 * topology_fini(); out->zxid is left 0, addresses are filled in where the host is numeric already.
 * The error says what is wrong and, where it helps, at which byte; the caller adds path, zxid and
 * the escaped bytes. An empty value is an error. */
bool layout_decode(const struct config_cluster *cluster, const char *data, size_t len,
                   struct topology *out, struct err *err) MUST_CHECK;

/* May the bytes hold a password ("password", or user:password@ in a URI)? Then nobody shows them;
 * the errors of layout_decode() are free of them in any case. */
bool layout_secret(const char *data, size_t len);

/* The segue layout's JSON, as stored in the znode: for state files and publishers. `addresses`: the
 * host of each member is its numeric address, where it has one. */
void layout_segue_encode(const struct topology *topology, bool addresses, struct strbuf *out);

/* The decoders behind layout_decode(). */
bool layout_segue_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;
bool layout_plain_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;

/* One key of Patroni's. */
struct layout_patroni_key {
	bool present;
	const char *name;    /* of a member */
	const char *data;    /* not NUL terminated; NULL where it was not read */
	size_t len;          /* the true one, also of what is too large to be read */
	const char *problem; /* why it was not read; NULL where it was */
	int64_t czxid;       /* not looked at by the decoder: for the watcher */
};

/* What Patroni 2 to 4 keeps under its scope. */
struct layout_patroni {
	struct layout_patroni_key leader, initialize, config;
	const struct layout_patroni_key *members;
	size_t member_count;
	size_t unread_count; /* further members, that nobody reads */
};

/* What a person may want to know of single members: "; " between the parts, which are bounded. */
struct layout_patroni_notes {
	struct strbuf left_out; /* who is not in the topology, and why */
	struct strbuf unread;   /* standbys that get no readers, and why */
	unsigned count;
};

#define LAYOUT_PATRONI_NOTES_INIT                               \
	{                                                       \
		.left_out = STRBUF_INIT, .unread = STRBUF_INIT, \
	}
void layout_patroni_notes_fini(struct layout_patroni_notes *notes);
#define auto_patroni_notes __attribute__((cleanup(layout_patroni_notes_fini)))

/* The leader is the primary, whatever role its member claims, but in a standby cluster; all other
 * members are standbys. Without a leader, or without its member's key, there is no primary. A bad
 * member is left out; the leader's is an error, as is a leader key that is no name. `out` as with
 * layout_decode(). */
bool layout_patroni_decode(const struct layout_patroni *keys, struct topology *out,
                           struct layout_patroni_notes *notes, struct err *err) MUST_CHECK;

#endif
