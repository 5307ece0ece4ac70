/* `segue check`: the user to check as. root may do more than the sidecar may, so before it tries
 * anything the check switches to the user of segue's unit. It never switches back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "haproxy/debian.h"
#include "setup/check.h"
#include "setup/unit.h"
#include "target/install.h"

bool check_find_unit(const char *root, const struct config *config, struct unit *out)
{
	static const char *const sidecars[] = {DEBIAN_UNIT, DEBIAN_POOLER_UNIT};
	const char *name = config->target_count > 0 ? DEBIAN_UNIT : DEBIAN_PUBLISHER_UNIT;

	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == CONFIG_TARGET_PGBOUNCER)
			name = DEBIAN_POOLER_UNIT;
	for (size_t i = 0; config->target_count > 0 && i < ARRAY_LEN(sidecars); i++)
		if (unit_is_enabled(root, sidecars[i]) && !unit_is_enabled(root, name))
			name = sidecars[i];
	return unit_load(root, name, out);
}

/* The next installed unit, enabled ones first; NULL: there is none left. */
static const char *next_unit(const char *root, size_t *at)
{
	static const char *const names[] = {DEBIAN_POOLER_UNIT, DEBIAN_UNIT, DEBIAN_PUBLISHER_UNIT};

	while (*at < 2 * ARRAY_LEN(names)) {
		const char *name = names[*at % ARRAY_LEN(names)];
		bool first = (*at)++ < ARRAY_LEN(names);

		if (debian_has_unit_below(root, name) && unit_is_enabled(root, name) == first)
			return name;
	}
	return NULL;
}

/* `saved`: variables, each with its NUL. */
static void restore_environment(const struct strbuf *saved)
{
	const char *end = saved->data + saved->len;

	clearenv();
	for (const char *at = saved->data; at < end; at += strlen(at) + 1) {
		auto_free char *name = xstrndup(at, strcspn(at, "="));

		if (at[strlen(name)] == '=')
			setenv(name, at + strlen(name) + 1, 1);
	}
}

/* Loads `file` with `environment` and that of the unit `name`, which stay set. */
static struct config *load_as(const char *root, const char *name, const char *file,
                              const struct strbuf *environment, struct strbuf *errors)
{
	struct config *config;
	struct unit unit;
	size_t count = 0;

	restore_environment(environment);
	if (unit_load(root, name, &unit))
		count = unit_set_environment(&unit, false);
	config = config_load(file, errors);
	if (config == NULL && count > 0)
		strbuf_printf(
		    errors,
		    "segue check: looked at with the environment of %s.service (Environment=, "
		    "EnvironmentFile=)\n",
		    name);
	unit_free(&unit);
	return config;
}

/* Tries the environment of each unit until the file loads. Then loads it again with the environment
 * of the unit that the configuration turns out to be for. */
struct config *check_load(const char *root, const char *file, struct strbuf *errors)
{
	auto_strbuf struct strbuf environment = STRBUF_INIT;
	size_t before = errors->len, at = 0;
	struct config *config = NULL;
	struct unit unit;
	const char *name;

	for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
		strbuf_append(&environment, *variable, strlen(*variable) + 1);
	while (config == NULL && (name = next_unit(root, &at)) != NULL) {
		errors->len = before;
		config = load_as(root, name, file, &environment, errors);
	}
	if (at > 0 && name == NULL && errors->len == before)
		return config_load(file, errors); /* no unit is installed */
	if (config == NULL)
		return NULL;
	if (check_find_unit(root, config, &unit) && strcmp(unit.name, name) != 0) {
		config_free(config);
		config = load_as(root, unit.name, file, &environment, errors);
	}
	unit_free(&unit);
	return config;
}

static bool become(const struct account *account, const struct unit *unit, struct err *err)
{
	if (account->uid == geteuid())
		return true;
	if (geteuid() != 0)
		return err_set(err, "only root can check as user %s: sudo segue check --user %s",
		               account->name, account->name);
	return account_become(account, unit, err);
}

char *check_become(struct check *check, const char *user, struct unit *unit, struct err *err)
{
	const bool standard = strcmp(check->config->file, CONFIG_DEFAULT_FILE) == 0;
	struct account *account = NULL;
	char *as = NULL;
	bool as_unit;

	check->unit = standard && check_find_unit("", check->config, unit) ? unit : NULL;
	if (user == NULL && (geteuid() != 0 || check->unit == NULL || *unit->user == '\0')) {
		auto_free char *me = check_user();

		check->bystander =
		    geteuid() != 0 && check->unit != NULL && strcmp(check->unit->user, me) != 0;
		return xasprintf("user %s", me);
	}
	/* The unit adds groups and the environment, with the place of the passwords. */
	as_unit = check->unit != NULL && *unit->user != '\0' &&
	          (user == NULL || strcmp(unit->user, user) == 0);
	account = as_unit ? account_of_unit(unit, err) : account_find(user, err);
	if (account != NULL && become(account, as_unit ? unit : NULL, err))
		as = as_unit ? xasprintf("user %s, as %s.service runs", account->name, unit->name)
		             : xasprintf("user %s", account->name);
	account_free(account);
	return as;
}

/* What this user may not access. If the sidecar runs as another user, this says nothing about the
 * sidecar: the result is not known, neither fine nor broken. */

static char *who_could(const struct check *check, const char *user)
{
	const char *other = check->unit != NULL ? check->unit->user : "segue's user";

	if (strcmp(other, user) == 0)
		return xasprintf("give the user %s access to it", user);
	return xasprintf("run segue check as root%s%s", *other != '\0' ? " or " : "", other);
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
		           "checks above without a result, because %s has no access: %u", user,
		           check->unknown);
}

void check_folder(struct check *check, const char *what, const char *folder)
{
	auto_free char *fix = NULL;
	struct stat st;

	if (check_is_shut(check, folder)) {
		check_denied(check, CHECK_FAIL, what, "write to", folder);
	} else if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode)) {
		check_note(check, CHECK_FAIL, what, "name a folder", "%s is not a folder", folder);
	} else if (!file_can_create(folder)) {
		const int error = errno;

		fix = install_folder_cure(folder, error);
		check_note(check, CHECK_FAIL, what, fix, "%s: cannot create a file there: %s",
		           folder, strerror(error));
	} else if (check->unit != NULL && !unit_leaves_writable(check->unit, folder)) {
		fix = xasprintf("ReadWritePaths=%s under [Service]: systemctl edit %s", folder,
		                check->unit->name);
		check_note(check, CHECK_FAIL, what, fix,
		           "%s.service may not write to %s (ProtectSystem=%s)", check->unit->name,
		           folder, check->unit->protect);
	} else {
		check_note(check, CHECK_OK, what, NULL, "%s is writable", folder);
	}
}
