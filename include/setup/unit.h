/* A systemd service of segue's package: the user that it runs as, and what systemd prepares for it.
 * Read from the unit file and its drop-ins, so it is known before systemd starts the service, and
 * also where systemd does not run. */
#ifndef SEGUE_SETUP_UNIT_H
#define SEGUE_SETUP_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/string_list.h"
#include "base/util.h"

struct unit {
	char *name;         /* "segue", without .service */
	char *user, *group; /* User=, "": root; Group=, "": the user's own group */
	char *where;        /* file and line of the last User=, Group= or SupplementaryGroups= */
	char *groups, *environment, *state; /* words, as the unit files have them */
	char *environment_files;            /* words; a - before a file that may be missing */
	char *writable;                     /* words of ReadWritePaths= and its old name */
	char *protect, *private_tmp;        /* ProtectSystem=, PrivateTmp= */
	struct string_list ignored;         /* such keys outside [Service], which systemd ignores */
};

/* Reads the unit from below `root` ("": this machine). False if it is not installed: then `out` has
 * no settings. Call unit_free() in either case. */
bool unit_load(const char *root, const char *name, struct unit *out) MUST_CHECK;
void unit_free(struct unit *unit);

/* True if systemd starts the unit at boot (multi-user.target). */
bool unit_is_enabled(const char *root, const char *name);

/* True if `folder` is /var/lib/NAME with NAME in StateDirectory=: systemd creates it for the unit's
 * user when the unit starts. */
bool unit_makes_state(const struct unit *unit, const char *folder);

/* True if the unit's sandbox (ProtectSystem=, ReadWritePaths=, PrivateTmp=) leaves the folder
 * writable. Does not look at owner and mode. */
bool unit_leaves_writable(const struct unit *unit, const char *folder);

/* Sets the unit's environment in this process: Environment=, then EnvironmentFile=. Unless `libpq`,
 * leaves out the variables that begin with PG. Returns how many it has set. */
size_t unit_set_environment(const struct unit *unit, bool libpq);

/* A user whose access rights are checked. */
struct account {
	char *name;
	char *home;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
};

/* The user of that name, with all groups; NULL with `err` set if there is none. */
struct account *account_find(const char *user, struct err *err) MUST_CHECK;

/* The unit's user, with the groups that the unit adds; NULL with `err` set if one is missing. */
struct account *account_of_unit(const struct unit *unit, struct err *err) MUST_CHECK;
void account_free(struct account *account);

/* Can the account create files in this folder? Decided by owner, group and mode of the folder and
 * of all folders above it. ACLs (setfacl) are not looked at. False if there is no such folder. */
bool account_may_write(const struct account *account, const char *folder) MUST_CHECK;

/* Can the account read a file at `path` that has the owner, group and mode of `st`? */
bool account_may_read(const struct account *account, const char *path,
                      const struct stat *st) MUST_CHECK;

/* Switches this process, which has to be root, to the account for good: groups, ids, HOME and the
 * unit's environment (`unit` may be NULL). */
bool account_become(const struct account *account, const struct unit *unit,
                    struct err *err) MUST_CHECK;

#endif
