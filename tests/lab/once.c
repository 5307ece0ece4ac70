/* What takes long to make is made once a build, and kept in the folder `build`: whoever needs it
 * first makes it, and all others wait for that. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lab/internal.h"

const char *once_made(struct lab *lab, const char *name, bool (*make)(void *arg, const char *path),
                      void *arg)
{
	const char *path = lab_printf(lab, "build/%s", name);
	const char *fresh = lab_printf(lab, "%s.new", path);
	const char *const remove[] = {"rm", "-rf", fresh, NULL};
	auto_close int lock = -1;

	if (access(path, R_OK) == 0)
		return path;
	lock = open(lab_printf(lab, "%s.lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) != 0)
		return NULL; /* there is no folder build, or it is somebody else's */
	if (access(path, R_OK) == 0)
		return path;
	if (process_run(lab, remove, false, NULL) != 0 || !make(arg, fresh))
		return NULL;
	return rename(fresh, path) == 0 ? path : NULL;
}
