/* Inside `segue check`: the report, and the parts of the check. Nobody else includes this. */
#ifndef SEGUE_SETUP_CHECK_H
#define SEGUE_SETUP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/util.h"
#include "config/config.h"
#include "haproxy/process_args.h"
#include "topology/topology.h"

struct event_base;
struct layout_patroni;
struct unit;

enum check_grade {
	CHECK_OK,
	CHECK_WARN, /* works, but not as it should in a failover */
	CHECK_FAIL, /* segue run would not do its work */
};

struct check {
	const struct config *config;
	struct event_base *base;
	struct topology
	    *topologies;          /* one a cluster, to render with; made up where none is known */
	const struct unit *unit;  /* what will run with this configuration; NULL: not known */
	const char *as;           /* "user segue, as segue.service runs" */
	bool bystander;           /* neither root nor the user of `unit`, and not asked for */
	unsigned failed, unknown; /* unknown: what a bystander could not look at */
};

/* Prints "ok|warn|FAIL  what: detail: fix"; `fix` may be NULL. */
void check_note(struct check *check, enum check_grade grade, const char *what, const char *fix,
                const char *detail, ...) PRINTF_LIKE(5, 6);

/* "haproxy/local" */
char *check_target_name(const struct config_target *target) MUST_CHECK;

/* Whom this check runs as: "segue", or "uid 998". */
char *check_user(void) MUST_CHECK;

/* The unit of segue's package under `root` ("": this machine) that runs with this configuration:
 * the one that is enabled, or else the one that its targets need. False where none is installed.
 * unit_free() either way. */
bool check_find_unit(const char *root, const struct config *config, struct unit *out) MUST_CHECK;

/* config_load() with the environment that the unit of this configuration has below `root`. */
struct config *check_load(const char *root, const char *file, struct strbuf *errors) MUST_CHECK;

/* Makes this process `user`; with NULL, where root looks at the file that the units read, the
 * unit's user; else nobody else. Sets check->unit to `unit` or NULL and returns what check->as is
 * to be, which the caller frees; NULL where there is no such user, or this one may not. */
char *check_become(struct check *check, const char *user, struct unit *unit,
                   struct err *err) MUST_CHECK;

/* Notes "cannot VERB THING as USER", and who could: of this grade, or of a bystander a warning, as
 * it says nothing of segue. */
void check_denied(struct check *check, enum check_grade grade, const char *what, const char *verb,
                  const char *thing);

/* False where a file or folder is there, or may be, and this user is kept from it; that is noted.
 */
bool check_may_read(struct check *check, enum check_grade grade, const char *what,
                    const char *path) MUST_CHECK;

/* A bystander may not write to this folder or socket: whether segue may is not known. */
bool check_is_shut(const struct check *check, const char *path) MUST_CHECK;

/* In the end: what is not known is not fine. */
void check_unknown(struct check *check);

/* What to do about a unix socket that cannot be connected to: `missing` where there is none, else
 * by who may use it and whether anybody listens. Caller frees. */
char *check_socket_fix(const char *path, const char *missing) MUST_CHECK;

/* Can this process make files there? Leaves nothing behind. */
void check_folder(struct check *check, const char *what, const char *folder);

/* Notes where the user whom `proxy` runs as could not read the output, as it will be written. */
void check_reader(struct check *check, const struct config_target *target, const char *proxy,
                  uid_t uid);

/* The session, and every master znode; fills check->topologies with what is read. */
void check_store(struct check *check);

/* How long clients of the cluster are held, by all that is known of it; after check_store(). 0:
 * they are not. */
int64_t check_hold_ms(const struct check *check, size_t cluster_index);

/* That time, and whether the cluster manager is done before it is over. */
void check_hold_times(struct check *check);

/* The segue that runs here, asked over its socket: has it another state_dir, or refused segue.ini?
 */
void check_live_segue(struct check *check);

/* A pin or a freeze that is in force, by the files in state_dir. */
void check_overrides(struct check *check);

/* Every PostgreSQL server of those topologies, where verify is not disable. */
void check_servers(struct check *check);

/* The servers of every [publisher], repmgr's tables, and whether the znode may be written. */
void check_publishers(struct check *check);

/* Template, rendered text, output and commands of each target. */
void check_targets(struct check *check);

/* The text of the target's template, with the topology at hand. */
bool check_render(struct check *check, const struct config_target *target, struct strbuf *out,
                  struct err *err) MUST_CHECK;

/* Does the primary have the databases that the texts of [pgbouncer] targets lead to? */
void check_databases(struct check *check);

/* All rendered texts together: what check_command says of them, addresses taken twice, and
 * primaries that are where HAProxy listens itself. */
void check_rendered(struct check *check);

/* Notes that the primary of its cluster is where the target's proxy listens itself. `whose`: "that
 * the store names". */
void check_note_own(struct check *check, const struct config_target *target, const char *whose,
                    const char *address, uint16_t port);

/* The sockets of every [haproxy], and the settings that the running HAProxy was started with. */
void check_haproxies(struct check *check);

/* The console of every [pgbouncer], and the settings of the running PgBouncer. */
void check_pgbouncers(struct check *check);

/* Inside `segue check`: the files that a HAProxy was started with. Nobody else includes this. */

#define CHECK_SETTINGS_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of one file of HAProxy's */

#endif
