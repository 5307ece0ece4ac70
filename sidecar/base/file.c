/* Reads whole files and replaces files atomically. A reader sees the old content or the new one,
 * never a part. After file_commit() the new content survives a power failure. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, const char *path, size_t max, struct strbuf *out, struct err *err)
{
	ssize_t got;

	for (size_t total = 0;; total += (size_t)got) {
		if (total > max)
			return err_set(err, "%s: larger than %zu bytes", path, max);
		strbuf_reserve(out, 4096);
		got = read(fd, out->data + out->len, 4096);
		if (got < 0)
			return err_set_errno(err, errno, "%s", path);
		if (got == 0)
			return true;
		out->len += (size_t)got;
		out->data[out->len] = '\0';
	}
}

bool file_read(const char *path, size_t max, struct strbuf *out, bool *missing, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t before = out->len;
	struct stat st;

	if (missing != NULL)
		*missing = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return err_set_errno(err, errno, "%s", path);
	if (fstat(fd, &st) != 0)
		return err_set_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, "%s: not a regular file", path);
	if (read_all(fd, path, max, out, err))
		return true;
	if (out->len > before) {
		out->len = before;
		out->data[before] = '\0';
	}
	return false;
}

/* O_TMPFILE makes a file without a name, which leaves nothing behind in any case. Not every file
 * system supports it; then a named file is created and removed. */
bool file_can_create(const char *folder)
{
	auto_free char *name = xasprintf("%s/.segue-try-XXXXXX", folder);
	auto_close int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd >= 0;
	fd = mkostemp(name, O_CLOEXEC);
	return fd >= 0 && unlink(name) == 0;
}

static char *staged_name(const char *path)
{
	auto_free char *for_dir = xstrdup(path);
	auto_free char *for_base = xstrdup(path);

	return xasprintf("%s/.%s.segue-new", dirname(for_dir), basename(for_base));
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			data += done;
			len -= (size_t)done;
		}
	}
	return true;
}

/* Sets owner and mode as requested, or those of the replaced file. Group and user are set in
 * separate calls: without root a process may still set a group that it belongs to, and the proxy
 * may need that group to read the file. Only a requested owner is an error if it cannot be set. */
static bool set_owner(int fd, const char *path, const struct file_owner *owner)
{
	struct stat old;
	bool replaces = stat(path, &old) == 0;
	mode_t mode = owner->mode != 0 ? owner->mode : replaces ? old.st_mode & 07777 : 0644;
	uid_t uid = owner->has_uid ? owner->uid : replaces ? old.st_uid : (uid_t)-1;
	gid_t gid = owner->has_gid ? owner->gid : replaces ? old.st_gid : (gid_t)-1;
	struct stat now;

	if (fstat(fd, &now) != 0)
		return false;
	if (gid != (gid_t)-1 && gid != now.st_gid && fchown(fd, (uid_t)-1, gid) != 0 &&
	    owner->has_gid)
		return false;
	if (uid != (uid_t)-1 && uid != now.st_uid && fchown(fd, uid, (gid_t)-1) != 0 &&
	    owner->has_uid)
		return false;
	return fchmod(fd, mode) == 0;
}

char *file_stage(const char *path, const void *data, size_t len, const struct file_owner *owner,
                 struct err *err)
{
	auto_free char *staged = staged_name(path);
	auto_close int fd = -1;

	unlink(staged); /* of an earlier run; if it cannot be removed, open() fails */
	fd = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set_errno(err, errno, "cannot create %s", staged);
		return NULL;
	}
	if (!write_all(fd, data, len) || !set_owner(fd, path, owner)) {
		err_set_errno(err, errno, "cannot write %s", staged);
		unlink(staged);
		return NULL;
	}
	return STEAL(staged);
}

static bool sync_path(const char *path, int flags)
{
	auto_close int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0;
}

/* Does not report a failure: after the rename every reader sees the new content, and an error would
 * mean that the old content is still there. A directory that cannot be opened or synced only costs
 * durability. The buffer is on the stack because the thread of file_writer.c must not allocate. A
 * path that rename() accepts fits into PATH_MAX. */
static void sync_folder(const char *path)
{
	char for_dir[PATH_MAX];

	snprintf(for_dir, sizeof(for_dir), "%s", path);
	(void)sync_path(dirname(for_dir), O_DIRECTORY);
}

static bool rename_staged(const char *staged, const char *path, struct err *err)
{
	if (rename(staged, path) == 0)
		return true;
	err_set_errno(err, errno, "cannot rename %s to %s%s", staged, path,
	              errno == EBUSY ? ", a mount point: mount its folder instead" : "");
	unlink(staged);
	return false;
}

bool file_commit(const char *staged, const char *path, struct err *err)
{
	if (!sync_path(staged, 0)) {
		err_set_errno(err, errno, "cannot fsync %s", staged);
		unlink(staged);
		return false;
	}
	if (!rename_staged(staged, path, err))
		return false;
	sync_folder(path);
	return true;
}

bool file_sync(const char *path, struct err *err)
{
	if (!sync_path(path, 0))
		return err_set_errno(err, errno, "cannot fsync %s", path);
	sync_folder(path);
	return true;
}

bool file_replace(const char *path, const void *data, size_t len, const struct file_owner *owner,
                  struct err *err)
{
	auto_free char *staged = file_stage(path, data, len, owner, err);

	return staged != NULL && file_commit(staged, path, err);
}

bool file_swap(const char *path, const void *data, size_t len, const struct file_owner *owner,
               struct err *err)
{
	auto_free char *staged = file_stage(path, data, len, owner, err);

	return staged != NULL && rename_staged(staged, path, err);
}

/* On a read-only disk unlink() fails even if there is no such file. */
bool file_remove(const char *path, struct err *err)
{
	int error = unlink(path) == 0 ? 0 : errno;

	return error == 0 || access(path, F_OK) != 0 ||
	       err_set_errno(err, error, "cannot remove %s", path);
}

int file_lock(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	char owner[32] = "";
	int taken;

	if (fd < 0 && (errno == EROFS || errno == EACCES))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		int reason = errno;

		err_set_errno(err, reason, "%s", path);
		errno = reason;
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (pread(fd, owner, sizeof(owner) - 1, 0) <= 0)
			snprintf(owner, sizeof(owner), "unknown");
		owner[strcspn(owner, "\n")] = '\0';
		err_set(err, "%s: taken by another process, pid %s", path, owner);
		errno = EWOULDBLOCK;
		return -1;
	}
	/* The pid is only for people: a full or read-only disk must not make the lock fail. */
	(void)!(ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0);
	taken = fd;
	fd = -1; /* NOLINT(clang-analyzer-deadcode.DeadStores): the cleanup reads it */
	return taken;
}
