/* Reads unit files as systemd.unit(5) says: a file in /etc hides the one of the same name in /lib,
 * drop-ins of all folders are read in the order of their names, the last assignment counts, and an
 * empty assignment clears a list. Uses only the section [Service]. */
#include "setup/unit.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "target/command.h"

/* Accounts. root checks the access of another user by switching to that user. Where the process has
 * to stay root, the owner, group and mode decide. */

#define GROUPS_MAX 65536 /* limit of Linux for one process */

/* `gid`: NULL: the user's own group. */
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
	account->group_count = GROUPS_MAX;
	account->groups = xcalloc(GROUPS_MAX, sizeof(*account->groups));
	if (getgrouplist(user, account->gid, account->groups, &account->group_count) >= 0)
		return account;
	err_set(err, "user %s: in more than %d groups", user, GROUPS_MAX);
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

static bool add_groups(const char *names, struct account *account, struct err *err)
{
	auto_free char *words = xstrdup(names);
	char *rest = words, *word;
	gid_t gid = 0;

	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (!group_id(word, &gid, err))
			return false;
		account->groups = xreallocarray(account->groups, (size_t)account->group_count + 1,
		                                sizeof(*account->groups));
		account->groups[account->group_count++] = gid;
	}
	return true;
}

struct account *account_of_unit(const struct unit *unit, struct err *err)
{
	const bool has_group = *unit->group != '\0';
	struct account *account = NULL;
	gid_t gid = 0;

	if (!has_group || group_id(unit->group, &gid, err))
		account =
		    find(*unit->user != '\0' ? unit->user : "root", has_group ? &gid : NULL, err);
	if (account != NULL && add_groups(unit->groups, account, err))
		return account;
	(void)err_wrap(err, "%s.service%s%s", unit->name, *unit->where != '\0' ? ", " : "",
	               unit->where);
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

/* The rwx bits that apply to the account: those of the owner, else of the group, else of others. */
static mode_t rights(const struct account *account, const struct stat *st)
{
	if (account->uid == 0)
		return 07;
	if (st->st_uid == account->uid)
		return st->st_mode >> 6 & 07;
	return is_in_group(account, st->st_gid) ? st->st_mode >> 3 & 07 : st->st_mode & 07;
}

/* True if the account may search all folders above `path`. */
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

bool account_become(const struct account *account, const struct unit *unit, struct err *err)
{
	if (setgroups((size_t)account->group_count, account->groups) != 0 ||
	    setgid(account->gid) != 0 || setuid(account->uid) != 0)
		return err_set_errno(err, errno, "cannot become user %s", account->name);
	setenv("HOME", account->home, 1);
	unsetenv("PGPASSFILE"); /* it names root's file */
	if (unit != NULL)
		(void)unit_set_environment(unit, true);
	return true;
}

#define FILE_MAX ((size_t)1024 * 1024) /* bytes */

/* systemd.unit(5), Unit File Load Path: the first folder that has the file counts. */
static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system",
                                      "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                      "/lib/systemd/system"};

static const struct {
	const char *name;
	size_t offset;   /* of its text in struct unit */
	bool is_list;    /* each assignment adds words; an empty one clears the list */
	bool is_account; /* `where` names the last one of these */
} keys[] = {
    {"User", offsetof(struct unit, user), false, true},
    {"Group", offsetof(struct unit, group), false, true},
    {"SupplementaryGroups", offsetof(struct unit, groups), true, true},
    {"Environment", offsetof(struct unit, environment), true, false},
    {"EnvironmentFile", offsetof(struct unit, environment_files), true, false},
    {"StateDirectory", offsetof(struct unit, state), true, false},
    {"ReadWritePaths", offsetof(struct unit, writable), true, false},
    {"ReadWriteDirectories", offsetof(struct unit, writable), true, false},
    {"ProtectSystem", offsetof(struct unit, protect), false, false},
    {"PrivateTmp", offsetof(struct unit, private_tmp), false, false},
};

static char **text_of(struct unit *unit, size_t key)
{
	return (char **)(void *)((char *)unit + keys[key].offset);
}

struct place {
	const char *file;
	unsigned line;
	char section[64]; /* "[Service]" */
};

static void take(struct unit *unit, const struct place *place, const char *name, const char *value)
{
	auto_free char *old = NULL;
	size_t key = 0;
	char **text;

	while (key < ARRAY_LEN(keys) && strcmp(name, keys[key].name) != 0)
		key++;
	if (key == ARRAY_LEN(keys))
		return;
	if (strcmp(place->section, "[Service]") != 0) {
		string_list_printf(&unit->ignored, "%s line %u: systemd ignores %s= %s%s",
		                   place->file, place->line, name,
		                   *place->section != '\0' ? "under " : "outside of a section",
		                   place->section);
		return;
	}
	text = text_of(unit, key);
	old = *text;
	*text = keys[key].is_list && *old != '\0' && *value != '\0' ? xasprintf("%s %s", old, value)
	                                                            : xstrdup(value);
	if (keys[key].is_account) {
		free(unit->where);
		unit->where = xasprintf("%s line %u", place->file, place->line);
	}
}

/* Parses a line like "User=segue " in place; ignores a line without "=". */
static void take_line(struct unit *unit, struct place *place, char *line)
{
	char *equals = strchr(line, '='), *value, *end;

	line += strspn(line, " \t");
	if (*line == '[') {
		snprintf(place->section, sizeof(place->section), "%.*s",
		         (int)(strcspn(line, "]") + 1), line);
		return;
	}
	if (*line == '#' || *line == ';' || equals == NULL)
		return;
	value = equals + 1 + strspn(equals + 1, " \t");
	for (end = value + strlen(value); end > value && strchr(" \t\r", end[-1]) != NULL; end--)
		end[-1] = '\0';
	for (*equals = '\0'; equals > line && strchr(" \t", equals[-1]) != NULL; equals--)
		equals[-1] = '\0';
	take(unit, place, line, value);
}

/* The next line, joined with its continuation lines (those after a \ at the end of a line). *lines
 * becomes the number of lines joined. */
static char *next_line(char **rest, unsigned *lines)
{
	char *line = strsep(rest, "\n"), *end = line != NULL ? line + strlen(line) : NULL;

	for (*lines = 1; line != NULL && end > line && end[-1] == '\\' && *rest != NULL; ++*lines) {
		end[-1] = ' ';
		*end = ' ';
		end = strchr(line, '\n') != NULL ? strchr(line, '\n') : line + strlen(line);
		*rest = *end == '\n' ? end + 1 : NULL;
		*end = '\0';
	}
	return line;
}

static bool take_file(struct unit *unit, const char *path)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct place place = {.file = path, .line = 1};
	struct err ignored; /* systemd reports errors in a unit */
	char *rest, *line;
	unsigned lines;

	if (!file_read(path, FILE_MAX, &text, NULL, &ignored))
		return false;
	rest = text.data;
	while ((line = next_line(&rest, &lines)) != NULL) {
		take_line(unit, &place, line);
		place.line += lines;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(strrchr(*(char *const *)a, '/'), strrchr(*(char *const *)b, '/'));
}

static bool has_name(const struct string_list *paths, const char *name)
{
	for (size_t i = 0; i < paths->count; i++)
		if (strcmp(strrchr(paths->items[i], '/'), name) == 0)
			return true;
	return false;
}

/* If two drop-ins have the same name, the one in the first folder counts. */
static void take_drop_ins(struct unit *unit, const char *root)
{
	auto_string_list struct string_list paths = {.count = 0};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *pattern =
		    xasprintf("%s%s/%s.service.d/*.conf", root, folders[i], unit->name);
		glob_t found = {0};

		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			if (!has_name(&paths, strrchr(found.gl_pathv[k], '/')))
				string_list_add(&paths, xstrdup(found.gl_pathv[k]));
		globfree(&found);
	}
	if (paths.count > 0)
		qsort(paths.items, paths.count, sizeof(*paths.items), by_name);
	for (size_t i = 0; i < paths.count; i++)
		(void)take_file(unit, paths.items[i]);
}

bool unit_load(const char *root, const char *name, struct unit *out)
{
	*out = (struct unit){.name = xstrdup(name), .where = xstrdup("")};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		free(*text_of(out, i));
		*text_of(out, i) = xstrdup("");
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *file = xasprintf("%s%s/%s.service", root, folders[i], name);

		if (!take_file(out, file))
			continue;
		take_drop_ins(out, root);
		return true;
	}
	return false;
}

void unit_free(struct unit *unit)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		free(*text_of(unit, i));
		*text_of(unit, i) = NULL;
	}
	free(unit->name);
	free(unit->where);
	string_list_free(&unit->ignored);
	*unit = (struct unit){0};
}

bool unit_is_enabled(const char *root, const char *name)
{
	auto_free char *link =
	    xasprintf("%s/etc/systemd/system/multi-user.target.wants/%s.service", root, name);

	return access(link, F_OK) == 0 || readlink(link, (char[1]){0}, 1) > 0;
}

bool unit_makes_state(const struct unit *unit, const char *folder)
{
	static const char top[] = "/var/lib/";
	auto_free char *words = NULL;
	char *rest, *word;

	if (strncmp(folder, top, strlen(top)) != 0)
		return false;
	folder += strlen(top);
	words = xstrdup(unit->state);
	for (rest = words; (word = strsep(&rest, " \t")) != NULL;)
		if (*word != '\0' && strcmp(word, folder) == 0)
			return true;
	return false;
}

/* --- the sandbox --- */

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	while (len > 1 && top[len - 1] == '/')
		len--;
	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0' || len == 1);
}

static bool is_below_one(const char *path, const char *const *tops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_below(path, tops[i]))
			return true;
	return false;
}

/* True if the folder is in or below a path of ReadWritePaths=, which follows symbolic links. */
static bool is_listed(const struct unit *unit, const char *folder)
{
	auto_free char *words = xstrdup(unit->writable);
	auto_free char *real = realpath(folder, NULL);
	char *rest = words, *word;

	while ((word = strsep(&rest, " \t")) != NULL) {
		auto_free char *top = NULL;

		word += strspn(word, "-+");
		if (*word != '/')
			continue;
		top = realpath(word, NULL);
		if (is_below(folder, word) || (real != NULL && top != NULL && is_below(real, top)))
			return true;
	}
	return false;
}

/* A boolean of systemd, which takes other words for it, too. */
static bool is_yes(const char *value)
{
	static const char *const no[] = {"", "no", "n", "false", "f", "off", "0"};

	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (strcasecmp(value, no[i]) == 0)
			return false;
	return true;
}

/* With PrivateTmp= the unit has folders of its own in the place of /tmp and /var/tmp. */
bool unit_leaves_writable(const struct unit *unit, const char *folder)
{
	static const char *const system[] = {"/usr", "/boot", "/efi", "/lib", "/bin", "/sbin"};
	static const char *const api[] = {"/dev", "/proc", "/sys"};
	static const char *const tmp[] = {"/tmp", "/var/tmp"};

	if (is_listed(unit, folder) || unit_makes_state(unit, folder))
		return true;
	if (strcmp(unit->protect, "strict") == 0)
		return is_below_one(folder, api, ARRAY_LEN(api)) ||
		       (is_yes(unit->private_tmp) && is_below_one(folder, tmp, ARRAY_LEN(tmp)));
	if (!is_yes(unit->protect))
		return true;
	return !is_below_one(folder, system, ARRAY_LEN(system)) &&
	       !(strcmp(unit->protect, "full") == 0 && is_below(folder, "/etc"));
}

/* --- the environment --- */

static size_t set_variable(const char *assignment, bool libpq)
{
	auto_free char *name = xstrndup(assignment, strcspn(assignment, "="));

	if (assignment[strlen(name)] != '=' || *name == '\0' ||
	    (!libpq && strncmp(name, "PG", 2) == 0))
		return 0;
	return setenv(name, assignment + strlen(name) + 1, 1) == 0;
}

/* `whole`: the line is one assignment, whose unquoted value goes on to the end of the line, as in
 * an environment file. Otherwise each word is an assignment. */
static size_t set_line(const char *line, bool whole, bool libpq)
{
	auto_strbuf struct strbuf joined = STRBUF_INIT;
	struct err ignored; /* systemd reports errors in it */
	char **words = command_split(line, NULL, &ignored);
	size_t count = 0;

	if (words == NULL)
		return 0;
	for (size_t i = 0; words[i] != NULL; i++) {
		if (!whole)
			count += set_variable(words[i], libpq);
		strbuf_printf(&joined, "%s%s", i > 0 ? " " : "", words[i]);
	}
	command_argv_free(words);
	return whole ? set_variable(joined.data, libpq) : count;
}

static size_t set_file(const char *path, bool libpq)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored;
	char *rest, *line;
	unsigned lines;
	size_t count = 0;

	if (!file_read(path, FILE_MAX, &text, NULL, &ignored))
		return 0;
	rest = text.data;
	while ((line = next_line(&rest, &lines)) != NULL) {
		line += strspn(line, " \t");
		if (*line != '\0' && *line != '#' && *line != ';')
			count += set_line(line, true, libpq);
	}
	return count;
}

size_t unit_set_environment(const struct unit *unit, bool libpq)
{
	auto_free char *files = xstrdup(unit->environment_files);
	char *rest = files, *file;
	size_t count = set_line(unit->environment, false, libpq);

	while ((file = strsep(&rest, " \t")) != NULL)
		if (*file != '\0')
			count += set_file(file + (*file == '-'), libpq);
	return count;
}
