/* A service of segue's own package, as its unit file and the drop-ins say: whom the sidecar will
 * run as, and what systemd makes for it. Read from the files, so that it is known before systemd
 * runs, or where it does not. */
#ifndef SEGUE_SETUP_UNIT_H
#define SEGUE_SETUP_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/util.h"

struct unit {
	char *name;         /* "segue", without .service */
	char *user, *group; /* "": root, and the user's own */
	char *where;        /* file and line of the last of these, and groups */
	struct strbuf groups, environment, state; /* words, as the files have them */
	struct strbuf environment_files;          /* words; a - before one that need not be there */
	struct strbuf writable;                   /* words of ReadWritePaths= and the like */
	char *protect;                            /* ProtectSystem */
	struct strbuf ignored; /* keys of these that stand where systemd ignores them, one a line */
};

/* Whether it is installed under `root` ("": this machine); where it is not, `out` is empty.
 * unit_free() either way. */
bool unit_load(const char *root, const char *name, struct unit *out) MUST_CHECK;
void unit_free(struct unit *unit);

/* It starts with the machine. */
bool unit_is_enabled(const char *root, const char *name);

/* /var/lib/NAME is made, and given to the user, when the unit starts. */
bool unit_makes_state(const struct unit *unit, const char *folder);

/* The sandbox of the unit leaves the folder writable, whatever owner and mode say. */
bool unit_leaves_writable(const struct unit *unit, const char *folder);

/* This process gets the environment of the unit: Environment=, and then its files. Without the
 * variables of libpq, where those are not wanted. Returns how many. */
size_t unit_set_environment(const struct unit *unit, bool libpq);

/* Somebody whose access is looked at. */
struct account {
	char *name;
	char *home;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
};

/* Somebody of the system's, with all groups; NULL with `err` set where there is none. */
struct account *account_find(const char *user, struct err *err) MUST_CHECK;

/* The unit's user, with the groups that the unit adds. */
struct account *account_of_unit(const struct unit *unit, struct err *err) MUST_CHECK;
void account_free(struct account *account);

/* May it make files in this folder? By owner, group and mode, also of the folders above; lists of
 * access rights (setfacl) are not known here. False where there is none. */
bool account_may_write(const struct account *account, const char *folder) MUST_CHECK;

/* May it read a file there that has this owner, group and mode? */
bool account_may_read(const struct account *account, const char *path,
                      const struct stat *st) MUST_CHECK;

/* This process, which is root, becomes it for good: groups, ids, HOME and the unit's environment
 * (`unit` may be NULL). */
bool account_become(const struct account *account, const struct unit *unit,
                    struct err *err) MUST_CHECK;

#endif
