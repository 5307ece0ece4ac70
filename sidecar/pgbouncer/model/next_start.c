/* PgBouncer's next start; see the header. PgBouncer also starts if it cannot read its auth_file.
 * Then no client can log in. Its own user can still use the console, so segue notices nothing. */
#include "pgbouncer/model/next_start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* --- files --- */

bool next_start_user(const struct pgbouncer_table *config, uid_t *user)
{
	const char *folder = pgbouncer_config_get(config, "unix_socket_dir");
	const char *port = pgbouncer_config_get(config, "listen_port");
	auto_free char *path = NULL;
	struct stat st;

	if (folder == NULL || *folder != '/' || port == NULL)
		return false;
	path = xasprintf("%s/.s.PGSQL.%s", folder, port);
	if (stat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	*user = st.st_uid;
	return true;
}

bool next_start_reads(const struct pgbouncer_table *config, const char *file, struct err *err)
{
	uid_t user;

	if (access(file, R_OK) == 0 || errno != EACCES || !next_start_user(config, &user) ||
	    user != geteuid())
		return true;
	return err_set(err,
	               "PgBouncer cannot read %s, because its user (uid %u) has no permission: let "
	               "that user read it, and enter its folder (chown, chgrp or chmod)",
	               file, (unsigned)user);
}

/* False if the folder is missing, too: PgBouncer may run in a container with other folders. */
static bool is_missing(const char *file)
{
	auto_free char *folder = xstrdup(file);

	if (access(file, F_OK) == 0 || errno != ENOENT)
		return false;
	*strrchr(folder, '/') = '\0';
	return access(*folder != '\0' ? folder : "/", F_OK) == 0;
}

/* --- settings --- */

static bool is_known(const struct pgbouncer_main *found)
{
	return found->problem == NULL && !found->passed_over;
}

static const char *cell(const struct pgbouncer_table *config, const char *key, const char *column)
{
	const char *value = pgbouncer_config_cell(config, key, column);

	return value != NULL ? value : "";
}

static const char *next_value(const struct pgbouncer_table *config,
                              const struct pgbouncer_main *found, const char *key)
{
	const char *value = pgbouncer_main_get(found, key);

	return value != NULL ? value : cell(config, key, "default");
}

static bool needs_file(const char *auth_type)
{
	return strcasecmp(auth_type, "any") != 0 && strcasecmp(auth_type, "pam") != 0 &&
	       strcasecmp(auth_type, "ldap") != 0;
}

bool next_start_lets_in(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                        bool *some, struct err *err)
{
	const struct pgbouncer_setting *setting = pgbouncer_main_find(found, "auth_file");

	*some = *next_value(config, found, "auth_user") != '\0';
	if (!is_known(found) || setting == NULL || *setting->value != '/' ||
	    !needs_file(next_value(config, found, "auth_type")))
		return true;
	if (is_missing(setting->value))
		err_set(err, "there is no such file: correct the path");
	else if (next_start_reads(config, setting->value, err))
		return true;
	return err_wrap(err,
	                "%s line %u: auth_file = %s: after the next start of PgBouncer, users that "
	                "are listed only in this file cannot log in",
	                setting->file, setting->line, setting->value);
}

/* "015" and "15" are the same to PgBouncer, and so are "MD5" and "md5". */
static bool is_same(const char *a, const char *b)
{
	char *end_a, *end_b;
	long number_a = strtol(a, &end_a, 10), number_b = strtol(b, &end_b, 10);

	if (end_a != a && *end_a == '\0' && end_b != b && *end_b == '\0')
		return number_a == number_b;
	return strcasecmp(a, b) == 0;
}

static void judge(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                  const char *key, bool only_start, struct string_list *out)
{
	const struct pgbouncer_setting *setting = pgbouncer_main_find(found, key);
	bool by_reload = strcmp(cell(config, key, "changeable"), "yes") == 0;
	const char *now = cell(config, key, "value"), *next = next_value(config, found, key);
	struct strbuf text = STRBUF_INIT;

	if (pgbouncer_config_cell(config, key, "key") == NULL || (only_start && by_reload) ||
	    is_same(now, next) ||
	    (setting == NULL && pgbouncer_config_cell(config, key, "default") == NULL))
		return;
	if (setting != NULL)
		strbuf_printf(&text, "%s line %u: %s = %s", setting->file, setting->line, key,
		              next);
	else
		strbuf_printf(&text, "%s: %s is not set (default: %s)",
		              cell(config, "conffile", "value"), key,
		              *next != '\0' ? next : "none");
	strbuf_printf(&text,
	              ", and PgBouncer runs with %s: %s changes that: make sure that clients "
	              "can log in then",
	              *now != '\0' ? now : "none",
	              by_reload ? "its next RELOAD, and segue sends one with each move,"
	                        : "its next start");
	string_list_add(out, strbuf_detach(&text));
}

void next_start_differs(const struct pgbouncer_table *config, const struct pgbouncer_main *found,
                        bool only_start, struct string_list *out)
{
	static const char *const keys[] = {"listen_addr", "listen_port",    "unix_socket_dir",
	                                   "auth_type",   "auth_file",      "auth_hba_file",
	                                   "auth_user",   "max_client_conn"};

	for (size_t i = 0; is_known(found) && i < ARRAY_LEN(keys); i++)
		judge(config, found, keys[i], only_start, out);
}
