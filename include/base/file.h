/* Files: read whole, replace atomically. */
#ifndef SEGUE_BASE_FILE_H
#define SEGUE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"

/* Appends the whole file to `out`, or nothing on failure; refuses more than `max` bytes and
 * anything but a regular file. *missing (may be NULL) tells ENOENT from other failures. */
bool file_read(const char *path, size_t max, struct strbuf *out, bool *missing,
               struct err *err) MUST_CHECK;

struct file_owner {
	mode_t mode; /* permission bits; 0: those of the file replaced, or 0644 */
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid;
};

/* Writes `path`'s new content beside it, as a hidden "<dir>/.<name>.segue-new", with owner and mode
 * set, and returns that name (caller frees); NULL on failure, with nothing left behind. Hidden, as
 * HAProxy loads only non-hidden files of a folder. Not yet fsynced. */
char *file_stage(const char *path, const void *data, size_t len, const struct file_owner *owner,
                 struct err *err) MUST_CHECK;

/* fsync, rename over `path`, fsync of the folder (as far as the folder lets us); on failure the
 * staged file is removed and `path` is what it was. Waits for the disk; allocates nothing. */
bool file_commit(const char *staged, const char *path, struct err *err) MUST_CHECK;

/* file_stage() and file_commit() in one. */
bool file_replace(const char *path, const void *data, size_t len, const struct file_owner *owner,
                  struct err *err) MUST_CHECK;

/* Can this process make files in the folder? Leaves nothing behind; false: errno says why not. */
bool file_can_create(const char *folder) MUST_CHECK;

/* Takes the lock file `path` for this process, for as long as the returned descriptor (or a copy of
 * it) is open, and writes the pid into it. -1 where it cannot, or where another process has it: the
 * error then names its pid. */
int file_lock(const char *path, struct err *err) MUST_CHECK;

/* fsync of a file that was renamed into place before, and of its folder: for what could not wait
 * for the disk. */
bool file_sync(const char *path, struct err *err) MUST_CHECK;

#endif
