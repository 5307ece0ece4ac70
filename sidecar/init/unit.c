/* Unit files; see the header. systemd.unit(5): a file in /etc hides the one of the same name in
 * /lib, drop-ins of all folders are added in the order of their names, the last assignment counts,
 * and of lists an empty one starts anew. */
#include "init/unit.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define FILE_MAX ((size_t)1024 * 1024) /* bytes */

static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system",
                                      "/lib/systemd/system"};

static void set_text(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value);
}

static void add_words(struct strbuf *to, const char *value)
{
	if (*value == '\0')
		strbuf_reset(to);
	else
		strbuf_printf(to, "%s%s", to->len > 0 ? " " : "", value);
}

static void take(struct unit *unit, const char *key, const char *value)
{
	if (strcmp(key, "User") == 0)
		set_text(&unit->user, value);
	else if (strcmp(key, "Group") == 0)
		set_text(&unit->group, value);
	else if (strcmp(key, "SupplementaryGroups") == 0)
		add_words(&unit->groups, value);
	else if (strcmp(key, "Environment") == 0)
		add_words(&unit->environment, value);
	else if (strcmp(key, "StateDirectory") == 0)
		add_words(&unit->state, value);
}

/* "User=segue " in place; a line without = is none. */
static void take_line(struct unit *unit, char *line)
{
	char *equals = strchr(line, '='), *value, *end;

	line += strspn(line, " \t");
	if (*line == '#' || *line == ';' || equals == NULL)
		return;
	value = equals + 1 + strspn(equals + 1, " \t");
	for (end = value + strlen(value); end > value && strchr(" \t\r", end[-1]) != NULL; end--)
		end[-1] = '\0';
	for (*equals = '\0'; equals > line && strchr(" \t", equals[-1]) != NULL; equals--)
		equals[-1] = '\0';
	take(unit, line, value);
}

static bool take_file(struct unit *unit, const char *path)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored; /* systemd says what is wrong with a unit */
	char *rest, *line;

	if (!file_read(path, FILE_MAX, &text, NULL, &ignored))
		return false;
	rest = text.data;
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(unit, line);
	return true;
}

static int by_name(const void *a, const void *b)
{
	const char *left = *(char *const *)a, *right = *(char *const *)b;

	return strcmp(strrchr(left, '/'), strrchr(right, '/'));
}

static void take_drop_ins(struct unit *unit, const char *root)
{
	glob_t found = {0};
	int flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *pattern =
		    xasprintf("%s%s/%s.service.d/*.conf", root, folders[i], unit->name);

		if (glob(pattern, flags, NULL, &found) == 0)
			flags = GLOB_APPEND;
	}
	if (flags == 0)
		return;
	qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_name);
	for (size_t i = 0; i < found.gl_pathc; i++)
		(void)take_file(unit, found.gl_pathv[i]);
	globfree(&found);
}

bool unit_load(const char *root, const char *name, struct unit *out)
{
	*out = (struct unit){.name = xstrdup(name),
	                     .user = xstrdup(""),
	                     .group = xstrdup(""),
	                     .groups = STRBUF_INIT,
	                     .environment = STRBUF_INIT,
	                     .state = STRBUF_INIT};
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
	free(unit->name);
	free(unit->user);
	free(unit->group);
	strbuf_fini(&unit->groups);
	strbuf_fini(&unit->environment);
	strbuf_fini(&unit->state);
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

	if (strncmp(folder, top, strlen(top)) != 0)
		return false;
	folder += strlen(top);
	for (const char *at = unit->state.data; *at != '\0'; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (len == strlen(folder) && strncmp(at, folder, len) == 0)
			return true;
		at += len;
	}
	return false;
}
