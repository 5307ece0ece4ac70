/* SEGUE_* variables in the environment that segue.ini does not read; see config_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "config_internal.h"

#define PREFIX     "SEGUE_"
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define PROGRAMS   PREFIX "CONFIG" /* names the file itself */

struct read {
	char *name;
	unsigned line;
};

struct reads {
	struct read *list;
	size_t count;
};

static void add_read(struct reads *reads, const char *name, size_t len, unsigned line)
{
	reads->list = xreallocarray(reads->list, reads->count + 1, sizeof(*reads->list));
	reads->list[reads->count++] = (struct read){xstrndup(name, len), line};
}

static const struct read *find_read(const struct reads *reads, const char *name)
{
	for (size_t i = 0; i < reads->count; i++)
		if (strcmp(reads->list[i].name, name) == 0)
			return &reads->list[i];
	return NULL;
}

static void find_in(struct reads *reads, const char *text, size_t len, unsigned line)
{
	for (const char *at = text; at < text + len; at++) {
		if (*at != '$')
			continue;
		at++; /* the second "$" of "$$" starts no variable */
		if (*at == '{' && strncmp(at + 1, PREFIX, strlen(PREFIX)) == 0)
			add_read(reads, at + 1, strspn(at + 1, NAME_BYTES), line);
	}
}

/* Of a refused line, which has an error of its own, the comment counts as read, too. */
static void find_reads(const char *text, struct reads *out)
{
	struct config_reader reader;
	struct err ignored;
	bool end = false;

	config_reader_init(&reader, text, strlen(text));
	while (!end) {
		const char *line = reader.at;

		if (config_reader_next(&reader, &end, &ignored)) {
			find_in(out, reader.key, strlen(reader.key), reader.line);
			find_in(out, reader.value, strlen(reader.value), reader.line);
		} else {
			find_in(out, line, (size_t)(reader.at - line), reader.line);
		}
	}
	config_reader_fini(&reader);
}

/* A variable that Kubernetes or Docker sets for a service or link named segue. */
static bool is_of_link(const char *name, const char *value)
{
	return strstr(name, "_SERVICE_") != NULL || strstr(name, "_TCP") != NULL ||
	       strstr(name, "_UDP") != NULL || strstr(value, "tcp://") == value ||
	       strstr(value, "udp://") == value;
}

static bool is_set(const char *name, char *const *environment)
{
	size_t len = strlen(name);

	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return true;
	return false;
}

static void judge(const struct reads *reads, const char *name, char *const *environment,
                  struct config_problems *errors, struct config_problems *warnings)
{
	size_t least = strlen(name) / 2;
	const struct read *nearest = NULL;

	for (size_t i = 0; i < reads->count; i++) {
		size_t letters = letters_apart(name, reads->list[i].name);

		if (letters < least) {
			least = letters;
			nearest = &reads->list[i];
		}
	}
	if (nearest == NULL)
		config_problem_add(warnings, 0, NULL, NULL,
		                   "this file does not use the environment variable %s", name);
	else if (least == 1 && !is_set(nearest->name, environment))
		config_problem_add(
		    errors, nearest->line, NULL, NULL,
		    "found the environment variable %s, which this file does not use: "
		    "allowed: %s, which this line uses and which is not set",
		    name, nearest->name);
	else
		config_problem_add(warnings, nearest->line, NULL, NULL,
		                   "this file does not use the environment variable %s; the most "
		                   "similar name in it is %s",
		                   name, nearest->name);
}

void config_unread_find(const char *text, char *const *environment, struct config_problems *errors,
                        struct config_problems *warnings)
{
	struct reads reads = {.count = 0};

	find_reads(text, &reads);
	for (char *const *at = environment; reads.count > 0 && *at != NULL; at++) {
		size_t len = strcspn(*at, "=");
		auto_free char *name = xstrndup(*at, len);

		if (strncmp(name, PREFIX, strlen(PREFIX)) == 0 && strcmp(name, PROGRAMS) != 0 &&
		    find_read(&reads, name) == NULL &&
		    !is_of_link(name, *at + len + ((*at)[len] == '=')))
			judge(&reads, name, environment, errors, warnings);
	}
	for (size_t i = 0; i < reads.count; i++)
		free(reads.list[i].name);
	free(reads.list);
}
