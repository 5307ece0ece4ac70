/* Reads whole files and replaces files atomically. */
#ifndef SEGUE_BASE_FILE_H
#define SEGUE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"

/* Appends the whole file to `out`, or nothing on failure. Refuses a file of more than `max` bytes
 * and anything that is not a regular file. *missing (may be NULL) is true only for ENOENT. */
bool file_read(const char *path, size_t max, struct strbuf *out, bool *missing,
               struct err *err) MUST_CHECK;

struct file_owner {
	mode_t mode; /* permission bits; 0: those of the replaced file, or 0644 */
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid;
};

/* Writes the new content of `path` to "<dir>/.<name>.segue-new" and sets owner and mode, without
 * fsync. Returns that name (caller frees). On failure returns NULL and leaves no file. The name is
 * hidden because HAProxy loads only the non-hidden files of a directory. */
char *file_stage(const char *path, const void *data, size_t len, const struct file_owner *owner,
                 struct err *err) MUST_CHECK;

/* Calls fsync on the staged file, renames it to `path` and calls fsync on the directory. A failed
 * fsync of the directory is ignored. On failure removes the staged file and leaves `path` as it
 * was. Blocks until the disk has finished. Allocates nothing. */
bool file_commit(const char *staged, const char *path, struct err *err) MUST_CHECK;

/* file_stage(), then file_commit(). */
bool file_replace(const char *path, const void *data, size_t len, const struct file_owner *owner,
                  struct err *err) MUST_CHECK;

/* The same without fsync, for who cannot wait for the disk: after a power failure the file may be
 * the old one, or empty, unless file_sync() was called. */
bool file_swap(const char *path, const void *data, size_t len, const struct file_owner *owner,
               struct err *err) MUST_CHECK;

/* True if this process sees no such file afterwards, also if there was none before. */
bool file_remove(const char *path, struct err *err) MUST_CHECK;

/* True if this process can create files in the directory. Leaves no file. If false, errno has the
 * reason. */
bool file_can_create(const char *folder) MUST_CHECK;

/* Locks the lock file `path` and writes the pid of this process into it. The lock is held as long
 * as the returned descriptor (or a copy of it) is open. Returns -1 on failure, with errno set; if
 * another process has the lock, errno is EWOULDBLOCK and the error has that pid. */
int file_lock(const char *path, struct err *err) MUST_CHECK;

/* Calls fsync on `path` and on its directory, for a file that was renamed into place without
 * fsync because the caller could not wait for the disk. Blocks. */
bool file_sync(const char *path, struct err *err) MUST_CHECK;

#endif
