/* SEGUE_* variables of the environment that segue.ini does not use; see config_internal.h. */
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "config_internal.h"

/* Names the file itself. */
#define FILE_VARIABLE CONFIG_VARIABLE_PREFIX "CONFIG"

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A variable that Kubernetes or Docker sets for a service or link named segue. */
static bool is_of_link(const char *name, const char *value)
{
	return strstr(name, "_SERVICE_") != NULL || strstr(name, "_TCP") != NULL ||
	       strstr(name, "_UDP") != NULL || starts_with(value, "tcp://") ||
	       starts_with(value, "udp://");
}

static bool is_set(const char *name, char *const *environment)
{
	size_t len = strlen(name);

	while (*environment != NULL &&
	       (!starts_with(*environment, name) || (*environment)[len] != '='))
		environment++;
	return *environment != NULL;
}

static void report(const struct config_document *document, const char *name,
                   char *const *environment, struct config_problems *errors,
                   struct config_problems *warnings)
{
	size_t least = strlen(name) / 2;
	const struct config_variable *nearest = NULL;

	for (size_t i = 0; i < document->variable_count; i++) {
		const struct config_variable *used = &document->variables[i];
		size_t letters = letters_apart(name, used->name);

		if (strcmp(name, used->name) == 0)
			return;
		if (letters < least) {
			least = letters;
			nearest = used;
		}
	}
	if (nearest == NULL)
		config_problem_add(warnings, 0, NULL, NULL,
		                   "this file does not use the environment variable %s", name);
	else if (least == 1 && !is_set(nearest->name, environment))
		config_problem_add(errors, nearest->line, NULL, NULL,
		                   "found the environment variable %s, which this file does not "
		                   "use: allowed: %s, which this line uses and which is not set",
		                   name, nearest->name);
	else
		config_problem_add(warnings, nearest->line, NULL, NULL,
		                   "this file does not use the environment variable %s; the most "
		                   "similar name in it is %s",
		                   name, nearest->name);
}

void config_environment_check(const struct config_document *document, char *const *environment,
                              struct config_problems *errors, struct config_problems *warnings)
{
	for (char *const *at = environment; document->variable_count > 0 && *at != NULL; at++) {
		size_t len = strcspn(*at, "=");
		auto_free char *name = xstrndup(*at, len);

		if (starts_with(name, CONFIG_VARIABLE_PREFIX) && strcmp(name, FILE_VARIABLE) != 0 &&
		    !is_of_link(name, *at + len + ((*at)[len] == '=')))
			report(document, name, environment, errors, warnings);
	}
}
