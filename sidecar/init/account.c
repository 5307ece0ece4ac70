/* Whose access is looked at; see init/unit.h. Root looks for somebody else by becoming that one, or
 * where it has to stay root, by owner, group and mode. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/unit.h"

#define GROUPS_MAX 65536 /* as many as Linux lets a process have */

static void add_group(struct account *account, gid_t gid)
{
	account->groups = xreallocarray(account->groups, (size_t)account->group_count + 1,
	                                sizeof(*account->groups));
	account->groups[account->group_count++] = gid;
}

static bool find_groups(struct account *account, struct err *err)
{
	int count = GROUPS_MAX;
	auto_free gid_t *groups = xcalloc((size_t)count, sizeof(*groups));

	if (getgrouplist(account->name, account->gid, groups, &count) < 0)
		return err_set(err, "user %s: in more than %d groups", account->name, GROUPS_MAX);
	for (int i = 0; i < count; i++)
		add_group(account, groups[i]);
	return true;
}

static struct account *find(const char *user, const gid_t *gid, struct err *err)
{
	const struct passwd *found = getpwnam(user);
	struct account *account;

	if (found == NULL) {
		err_set(err, "there is no user \"%s\" on this machine", user);
		return NULL;
	}
	account = xcalloc(1, sizeof(*account));
	account->name = xstrdup(found->pw_name);
	account->home = xstrdup(found->pw_dir);
	account->uid = found->pw_uid;
	account->gid = gid != NULL ? *gid : found->pw_gid;
	if (find_groups(account, err))
		return account;
	account_free(account);
	return NULL;
}

struct account *account_find(const char *user, struct err *err)
{
	return find(user, NULL, err);
}

static bool group_id(const char *name, gid_t *out, struct err *err)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return err_set(err, "there is no group \"%s\" on this machine", name);
	*out = group->gr_gid;
	return true;
}

static bool add_groups_of_unit(const struct unit *unit, struct account *account, struct err *err)
{
	auto_free char *words = xstrdup(unit->groups.data);
	char *rest = words, *word;
	gid_t gid = 0;

	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (!group_id(word, &gid, err))
			return err_wrap(err, "%s.service", unit->name);
		add_group(account, gid);
	}
	return true;
}

struct account *account_of_unit(const struct unit *unit, struct err *err)
{
	const char *user = *unit->user != '\0' ? unit->user : "root";
	struct account *account;
	gid_t gid = 0;

	if (*unit->group != '\0' && !group_id(unit->group, &gid, err)) {
		(void)err_wrap(err, "%s.service", unit->name);
		return NULL;
	}
	account = find(user, *unit->group != '\0' ? &gid : NULL, err);
	if (account == NULL || add_groups_of_unit(unit, account, err))
		return account;
	account_free(account);
	return NULL;
}

void account_free(struct account *account)
{
	if (account == NULL)
		return;
	free(account->name);
	free(account->home);
	free(account->groups);
	free(account);
}

static bool is_in_group(const struct account *account, gid_t gid)
{
	for (int i = 0; i < account->group_count; i++)
		if (account->groups[i] == gid)
			return true;
	return account->gid == gid;
}

/* The rwx bits that count for it: the first of owner, group and others that it is. */
static mode_t rights(const struct account *account, const struct stat *st)
{
	if (account->uid == 0)
		return 07;
	if (st->st_uid == account->uid)
		return st->st_mode >> 6 & 07;
	return is_in_group(account, st->st_gid) ? st->st_mode >> 3 & 07 : st->st_mode & 07;
}

/* Through all folders above. */
static bool may_reach(const struct account *account, const char *path)
{
	struct stat st;

	for (const char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
		auto_free char *above = xstrndup(path, (size_t)(at - path));

		if (stat(above, &st) != 0 || (rights(account, &st) & 01) == 0)
			return false;
	}
	return true;
}

bool account_may_write(const struct account *account, const char *folder)
{
	struct stat st;

	return may_reach(account, folder) && stat(folder, &st) == 0 && S_ISDIR(st.st_mode) &&
	       (rights(account, &st) & 03) == 03;
}

bool account_may_read(const struct account *account, const char *path, const struct stat *st)
{
	return may_reach(account, path) && (rights(account, st) & 04) != 0;
}

/* NAME=VALUE words without quotes, which is what segue's units have. */
static void take_environment(const struct unit *unit)
{
	auto_free char *words = xstrdup(unit->environment.data);
	char *rest = words, *word;

	while ((word = strsep(&rest, " \t")) != NULL) {
		char *equals = strchr(word, '=');

		if (equals == NULL || strchr("\"'", *word) != NULL)
			continue;
		*equals = '\0';
		setenv(word, equals + 1, 1);
	}
}

bool account_become(const struct account *account, const struct unit *unit, struct err *err)
{
	if (setgroups((size_t)account->group_count, account->groups) != 0 ||
	    setgid(account->gid) != 0 || setuid(account->uid) != 0)
		return err_set_errno(err, errno, "cannot become user %s", account->name);
	setenv("HOME", account->home, 1);
	unsetenv("PGPASSFILE"); /* root's own */
	if (unit != NULL)
		take_environment(unit);
	return true;
}
