/* /etc/default/haproxy; see the header. systemd reads lines NAME=VALUE. The last line of a name
 * wins. The value is split at blanks when it becomes arguments. systemd.exec(5). */
#include "haproxy/debian.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "target/command.h"

#define FILE_MAX ((size_t)1024 * 1024) /* bytes */
#define BLANKS   " \t"

bool debian_has_unit_below(const char *root, const char *unit)
{
	static const char *const folders[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *file =
		    xasprintf("%s%s/systemd/system/%s.service", root, folders[i], unit);

		if (access(file, F_OK) == 0)
			return true;
	}
	return false;
}

bool debian_has_unit(const char *unit)
{
	return debian_has_unit_below("", unit);
}

static void set(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value);
}

static bool take_line(const char *line, struct debian_haproxy *out, struct err *err)
{
	auto_strbuf struct strbuf assignment = STRBUF_INIT;
	char **words;

	line += strspn(line, BLANKS);
	if (*line == '#' || *line == ';' || *line == '\0')
		return true;
	words = command_split(line, NULL, err);
	if (words == NULL)
		return false;
	for (size_t i = 0; words[i] != NULL; i++) /* an unquoted value ends with the line */
		strbuf_printf(&assignment, "%s%s", i > 0 ? " " : "", words[i]);
	command_argv_free(words);
	if (strncmp(assignment.data, "CONFIG=", strlen("CONFIG=")) == 0)
		set(&out->config, assignment.data + strlen("CONFIG="));
	else if (strncmp(assignment.data, "EXTRAOPTS=", strlen("EXTRAOPTS=")) == 0)
		set(&out->extraopts, assignment.data + strlen("EXTRAOPTS="));
	return true;
}

void haproxy_files_of_arguments(char *const *argv, struct string_list *out)
{
	bool only_files = false;

	for (size_t i = 0; argv[i] != NULL; i++) {
		if (only_files)
			string_list_add(out, xstrdup(argv[i]));
		else if (strcmp(argv[i], "--") == 0)
			only_files = true;
		else if (strcmp(argv[i], "-f") == 0 && argv[i + 1] != NULL)
			string_list_add(out, xstrdup(argv[++i]));
	}
}

static bool take_arguments(struct debian_haproxy *out, struct err *err)
{
	char **argv;

	if (out->extraopts[strspn(out->extraopts, BLANKS)] == '\0')
		return true;
	argv = command_split(out->extraopts, NULL, err);
	if (argv == NULL)
		return err_wrap(err, "EXTRAOPTS");
	haproxy_files_of_arguments(argv, &out->files);
	for (size_t i = 0; argv[i] != NULL && argv[i + 1] != NULL; i++)
		if (strcmp(argv[i], "-S") == 0) {
			free(out->master_socket);
			out->master_socket = xstrndup(argv[i + 1], strcspn(argv[i + 1], ","));
		}
	command_argv_free(argv);
	return true;
}

bool debian_haproxy_parse(const char *text, struct debian_haproxy *out, struct err *err)
{
	*out = (struct debian_haproxy){.config = xstrdup(DEBIAN_CONFIG),
	                               .extraopts = xstrdup("-S " DEBIAN_MASTER_SOCKET)};
	for (unsigned number = 1; *text != '\0'; number++) {
		size_t len = strcspn(text, "\n");
		auto_free char *line = xstrndup(text, len);

		if (!take_line(line, out, err))
			return err_at_line(err, number);
		text += len + (text[len] == '\n');
	}
	return take_arguments(out, err);
}

bool debian_haproxy_load(const char *file, struct debian_haproxy *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	bool missing;

	*out = (struct debian_haproxy){0};
	if (!file_read(file, FILE_MAX, &text, &missing, err) && !missing)
		return false;
	if (!debian_haproxy_parse(text.data, out, err))
		return err_wrap(err, "%s", file);
	out->there = !missing;
	return true;
}

/* `options` follow a master socket up to a blank: ",mode,600,user,x". True if they admit another
 * user than root. Appends to `opened` the same options with mode 660 and a group. */
static bool is_open(const char *options, size_t len, struct strbuf *opened)
{
	auto_free char *words = xstrndup(options, len);
	char *rest = words;
	const char *word, *value, *key = NULL, *group = NULL;
	bool user = false;
	unsigned long mode = 0;

	while ((word = strsep(&rest, ",")) != NULL) {
		if (*word == '\0' || (value = strsep(&rest, ",")) == NULL)
			continue;
		if (strcmp(word, "mode") == 0) {
			mode = strtoul(value, NULL, 8);
		} else if (strcmp(word, "group") == 0 || strcmp(word, "gid") == 0) {
			key = word;
			group = value;
		} else {
			user = user || strcmp(word, "user") == 0 || strcmp(word, "uid") == 0;
			strbuf_printf(opened, ",%s,%s", word, value);
		}
	}
	if (group == NULL)
		strbuf_append_str(opened, DEBIAN_MASTER_OPEN);
	else
		strbuf_printf(opened, ",mode,660,%s,%s", key, group);
	return user || (mode & 06) == 06 || (group != NULL && (mode & 060) == 060);
}

/* Splits `extraopts` around the path after the last -S, as take_arguments() reads it: *path is
 * where it begins. Returns what follows it: ",mode,600 -f /b". NULL: there is no master socket. */
static const char *find_master(const struct debian_haproxy *debian, const char **path)
{
	const char *word = debian->extraopts, *found = NULL;
	bool is_value = false;

	while (*(word += strspn(word, BLANKS)) != '\0') {
		size_t len = strcspn(word, BLANKS);

		if (is_value)
			found = word + strspn(word, "\"'");
		is_value = len == 2 && strncmp(word, "-S", 2) == 0;
		word += len;
	}
	*path = found;
	if (debian->master_socket == NULL || found == NULL)
		return NULL;
	return found + strcspn(found, "," BLANKS "\"'");
}

bool debian_master_is_open(const struct debian_haproxy *debian)
{
	const char *path, *rest = find_master(debian, &path);
	auto_strbuf struct strbuf unused = STRBUF_INIT;

	return rest != NULL && is_open(rest, strcspn(rest, BLANKS), &unused);
}

char *debian_haproxy_arguments(const struct debian_haproxy *debian, const char *master, bool open,
                               const char *folder)
{
	const char *options = debian->extraopts, *path, *rest = find_master(debian, &path);
	auto_strbuf struct strbuf line = STRBUF_INIT, opened = STRBUF_INIT;
	size_t len;

	if (rest != NULL)
		strbuf_append(&line, options, (size_t)(path - options));
	else
		strbuf_printf(&line, "%s%s-S ", options, *options != '\0' ? " " : "");
	rest = rest != NULL ? rest : "";
	len = strcspn(rest, BLANKS);
	strbuf_append_str(&line, master);
	if (open && !is_open(rest, len, &opened))
		strbuf_append_str(&line, opened.data);
	else
		strbuf_append(&line, rest, len);
	strbuf_append_str(&line, rest + len);
	if (folder != NULL)
		strbuf_printf(&line, " -f %s", folder);
	return strbuf_detach(&line);
}

void debian_haproxy_free(struct debian_haproxy *debian)
{
	free(debian->config);
	free(debian->extraopts);
	free(debian->master_socket);
	string_list_free(&debian->files);
	*debian = (struct debian_haproxy){0};
}
