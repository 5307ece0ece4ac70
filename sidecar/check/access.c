/* `segue check`, what this user is kept out of. That says nothing of the sidecar, where it runs as
 * somebody else: it is neither fine nor broken, but not known. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"
#include "init/unit.h"

static char *who_could(const struct check *check, const char *user)
{
	const char *other = check->unit != NULL ? check->unit->user : "segue's user";

	if (strcmp(other, user) == 0)
		return xasprintf("give the user %s access to it", user);
	return xasprintf("run it as root%s%s", *other != '\0' ? " or " : "", other);
}

void check_denied(struct check *check, enum check_grade grade, const char *what, const char *verb,
                  const char *thing)
{
	auto_free char *user = check_user(), *fix = who_could(check, user);

	check->unknown += check->bystander;
	check_note(check, check->bystander ? CHECK_WARN : grade, what, fix, "cannot %s %s as %s",
	           verb, thing, user);
}

bool check_may_read(struct check *check, enum check_grade grade, const char *what, const char *path)
{
	if (access(path, R_OK) == 0 || errno != EACCES)
		return true;
	check_denied(check, grade, what, "read", path);
	return false;
}

bool check_is_shut(const struct check *check, const char *path)
{
	return check->bystander && access(path, W_OK) != 0 && errno == EACCES;
}

void check_unknown(struct check *check)
{
	auto_free char *user = check_user(), *fix = who_could(check, user);

	if (check->unknown > 0)
		check_note(check, CHECK_FAIL, "check", fix,
		           "things above that are not known, as %s may not look at them: %u", user,
		           check->unknown);
}
