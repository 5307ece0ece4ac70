/* Internal to `segue check`: its report and its parts. Only cli/check.c and setup/ include this. */
#ifndef SEGUE_SETUP_CHECK_H
#define SEGUE_SETUP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/string_list.h"
#include "base/util.h"
#include "config/config.h"
#include "topology/topology.h"

struct event_base;
struct unit;

enum check_grade {
	CHECK_OK,
	CHECK_WARN, /* it works, but would harm a failover */
	CHECK_FAIL, /* segue run could not do its work */
};

struct check {
	const struct config *config;
	struct event_base *base;
	struct topology *topologies; /* one per cluster; an example where none is known */
	const struct unit *unit;     /* the systemd unit for this configuration; NULL: not known */
	const char *as;              /* for messages: "user segue, as segue.service runs" */
	bool bystander;              /* neither root nor the user of `unit`; --user was not given */
	unsigned failed, unknown;    /* unknown: how many things a bystander could not look at */
	char *what;           /* what is being checked, as "haproxy/local"; set by check_about() */
	struct strbuf *texts; /* one per target, rendered; empty: it could not be rendered */
};

/* Prints "ok|warn|FAIL  what: detail: fix" and counts failures. `what` NULL: check->what; `fix` may
 * be NULL. */
void check_note(struct check *check, enum check_grade grade, const char *what, const char *fix,
                const char *detail, ...) PRINTF_LIKE(5, 6);

/* Notes about check->what. */
#define check_ok(check, ...)        check_note(check, CHECK_OK, NULL, NULL, __VA_ARGS__)
#define check_warn(check, fix, ...) check_note(check, CHECK_WARN, NULL, fix, __VA_ARGS__)
#define check_fail(check, fix, ...) check_note(check, CHECK_FAIL, NULL, fix, __VA_ARGS__)

/* Sets check->what to "KIND/NAME" or, if `name` is NULL, "KIND"; free it after the last check. */
void check_about(struct check *check, const char *kind, const char *name);
void check_about_target(struct check *check, const struct config_target *target);

/* Notes each of `details`, with `prefix` before it. */
void check_note_all(struct check *check, enum check_grade grade, const char *what, const char *fix,
                    const char *prefix, const struct string_list *details);

/* Runs the event loop until event_base_loopbreak(), and for `ms` at most. */
void check_run_loop(struct check *check, int64_t ms);

/* The user that this process runs as: "segue", or "uid 998" without a name. Caller frees. */
char *check_user(void) MUST_CHECK;

/* Finds the unit of segue's package, below `root` ("": this machine), that runs with this
 * configuration: the enabled one, otherwise the one that its targets need. False if that is not
 * installed. Call unit_free() in either case. */
bool check_find_unit(const char *root, const struct config *config, struct unit *out) MUST_CHECK;

/* config_load() with the environment of this configuration's unit, as installed below `root`. */
struct config *check_load(const char *root, const char *file, struct strbuf *errors) MUST_CHECK;

/* Switches this process to `user`. If `user` is NULL, it switches to the unit's user, but only if
 * the process is root and the file is the one that the units read. Sets check->unit to `unit` or
 * NULL. Returns the text for check->as, which the caller frees; NULL if there is no such user or
 * this process may not switch to it. */
char *check_become(struct check *check, const char *user, struct unit *unit,
                   struct err *err) MUST_CHECK;

/* Notes "cannot VERB THING as USER", and which user could. The grade is `grade`, but for a
 * bystander a warning, because what a bystander may not do says nothing about segue. */
void check_denied(struct check *check, enum check_grade grade, const char *what, const char *verb,
                  const char *thing);

/* False, after a note, if the path exists, or may exist, but this user may not read it. */
bool check_may_read(struct check *check, enum check_grade grade, const char *what,
                    const char *path) MUST_CHECK;

/* True if a bystander may not write to this folder or socket: then it is not known whether segue
 * may. */
bool check_is_shut(const struct check *check, const char *path) MUST_CHECK;

/* Call last. Notes a failure if something could not be looked at: what is not known is not fine. */
void check_unknown(struct check *check);

/* What to do about a unix socket that cannot be connected to: `missing` if it does not exist,
 * otherwise by its access rights and by whether a process listens there. Caller frees. */
char *check_socket_fix(const char *path, const char *missing) MUST_CHECK;

/* Notes whether this process can create files in the folder. Leaves nothing behind. */
void check_folder(struct check *check, const char *what, const char *folder);

/* Warns if the unix socket of `listen` cannot be made. It is only a warning: without it segue still
 * moves clients, but nobody can see its status or stop it. */
void check_listen(struct check *check);

/* Notes a failure if `uid`, the user that `proxy` runs as, could not read the output with the owner
 * and mode that it will have. */
void check_reader(struct check *check, const struct config_target *target, const char *proxy,
                  uid_t uid);

/* Opens a session and reads every master znode. Fills check->topologies with what it reads. */
void check_store(struct check *check);

/* How long clients of the cluster are held, in ms; 0: they are not held. Call it after
 * check_store(), because it uses what that has read. */
int64_t check_hold_ms(const struct check *check, size_t cluster_index);

/* Compares that time with the time that the cluster manager may take to have a new primary. */
void check_hold_times(struct check *check);

/* Asks the running segue over its socket: does it use another state_dir, or did it refuse
 * segue.ini? */
void check_live_segue(struct check *check);

/* Notes a pin or a freeze that is in force, by the files in state_dir. */
void check_overrides(struct check *check);

/* Asks every PostgreSQL server of those topologies, unless verify = disable. */
void check_servers(struct check *check);

/* Checks every [publisher]'s servers, repmgr's tables, and whether the znode may be written. */
void check_publishers(struct check *check);

/* Checks the template, rendered text, output and commands of each target. Fills check->texts by
 * check->topologies; the caller frees them. */
void check_targets(struct check *check);

/* Checks that the primary has the databases that the texts of [pgbouncer] targets lead to. */
void check_databases(struct check *check);

/* Checks all rendered texts together: what check_command reports, addresses that are bound twice,
 * and primaries whose address is HAProxy's own listener. */
void check_rendered(struct check *check);

/* Notes that the primary of the target's cluster is an address where the target's proxy itself
 * listens. `whose` says which primary: "that ZooKeeper names". */
void check_note_own(struct check *check, const struct config_target *target, const char *whose,
                    const char *address, uint16_t port);

/* Checks the sockets of every [haproxy], and the settings that the running HAProxy was started
 * with. */
void check_haproxies(struct check *check);

/* Checks the console of every [pgbouncer], and the settings of the running PgBouncer. */
void check_pgbouncers(struct check *check);

#endif
