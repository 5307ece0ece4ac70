/* `segue check`, may the proxy read the output? A proxy that runs keeps what it has read, so that
 * nothing shows until it is reloaded, and then it is too late: PgBouncer stops at that line, and at
 * its next start it does not start. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/install.h"
#include "base/file.h"
#include "check/check.h"
#include "init/unit.h"

/* As file_stage() will make it. */
static bool foresee(const struct config_target *target, struct stat *out)
{
	struct file_owner owner;
	struct err ignored; /* noted by check_targets() */
	bool replaces = stat(target->output, out) == 0;

	if (!install_owner(target, &owner, &ignored))
		return false;
	if (!replaces)
		*out = (struct stat){.st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid()};
	if (owner.mode != 0)
		out->st_mode = owner.mode;
	if (owner.has_uid)
		out->st_uid = owner.uid;
	if (owner.has_gid)
		out->st_gid = owner.gid;
	return true;
}

void check_reader(struct check *check, const struct config_target *target, const char *proxy,
                  uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	struct err ignored;
	struct account *account = user != NULL ? account_find(user->pw_name, &ignored) : NULL;
	auto_free char *what = check_target_name(target);
	struct stat st;

	if (account != NULL && foresee(target, &st) &&
	    !account_may_read(account, target->output, &st))
		check_note(check, CHECK_FAIL, what,
		           "mode, owner, or the rights of the folders above: mode = 0644 lets all "
		           "read it; mode = 0640 with owner = :GROUP, those in that group",
		           "%s, mode %04o, uid %u, gid %u: %s runs as %s, and cannot read it: it "
		           "would not follow, and not start again",
		           target->output, (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid,
		           (unsigned)st.st_gid, proxy, account->name);
	account_free(account);
}
