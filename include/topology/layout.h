/* Layouts: bytes of znodes -> topology. Pure: no ZooKeeper, no clock, no name resolution. The bytes
 * are not trusted until they are checked here. */
#ifndef SEGUE_TOPOLOGY_LAYOUT_H
#define SEGUE_TOPOLOGY_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "topology/topology.h"

#define LAYOUT_VALUE_MAX ((size_t)64 * 1024) /* bytes; a larger value is refused and not read */

/* The path of the master znode (patroni: of the scope), and the path of the znode whose ephemeral
 * children are live publishers. Layout segue: <path>/master and <path>/publishers. Other layouts:
 * <path> for both. Caller frees. */
char *layout_master_path(const struct config_cluster *cluster) MUST_CHECK;
char *layout_presence_path(const struct config_cluster *cluster) MUST_CHECK;

/* The parent of the znodes in which the sidecars of the cluster report their state:
 * /segue/NAME/sidecars in every layout. Caller frees. */
char *layout_fleet_path(const struct config_cluster *cluster) MUST_CHECK;

/* Decodes the value of the master znode for layout segue or plain (patroni uses several znodes).
 * Node names are looked up in cluster->nodes. The call initialises `out`; only after success the
 * caller calls topology_fini(). out->zxid is 0, and an address is set only if the host is numeric.
 * An empty value is an error. The error has the reason and, if useful, the byte; the caller adds
 * path, zxid and the escaped bytes. */
bool layout_decode(const struct config_cluster *cluster, const char *data, size_t len,
                   struct topology *out, struct err *err) MUST_CHECK;

/* Appends the JSON of layout segue, as stored in the znode, for state files and publishers. */
void layout_segue_encode(const struct topology *topology, struct strbuf *out);

/* The decoders that layout_decode() calls. */
bool layout_segue_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;
bool layout_plain_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err) MUST_CHECK;

/* One key of Patroni. */
struct layout_patroni_key {
	bool present;
	const char *name;    /* of a member; otherwise not used */
	const char *data;    /* not NUL terminated; NULL if it was not read */
	size_t len;          /* the real length, also of a value that was too large to read */
	const char *problem; /* why it was not read; NULL if it was */
	int64_t czxid;       /* for the watcher; the decoder does not use it */
};

/* The keys of Patroni 2 to 4 in its scope. */
struct layout_patroni {
	struct layout_patroni_key leader, initialize, config;
	const struct layout_patroni_key *members;
	size_t member_count;
	size_t not_fetched_count; /* further members, of which there are too many */
};

/* Notes on single members, for the log. The parts are separated by "; "; number and length of the
 * parts are limited. */
struct layout_patroni_notes {
	struct strbuf left_out; /* what was ignored (members, keys, tags), and why */
	struct strbuf no_reads; /* standbys that get no read-only traffic, and why */
	unsigned count;
};

#define LAYOUT_PATRONI_NOTES_INIT                                 \
	{                                                         \
		.left_out = STRBUF_INIT, .no_reads = STRBUF_INIT, \
	}
void layout_patroni_notes_fini(struct layout_patroni_notes *notes);
#define auto_patroni_notes __attribute__((cleanup(layout_patroni_notes_fini)))

/* The leader is the primary, whatever role its member key has, except in a standby cluster. All
 * other members are standbys. If the leader key or the member key of the leader is missing, there
 * is no primary. A bad member key is ignored, but that of the leader is an error, and so is a
 * leader key that is no valid name. `out` as in layout_decode(). */
bool layout_patroni_decode(const struct layout_patroni *keys, struct topology *out,
                           struct layout_patroni_notes *notes, struct err *err) MUST_CHECK;

#endif
