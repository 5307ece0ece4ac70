/* Lines of segue.ini by section and key; see the header. */
#include "config/where.h"

#include <string.h>

#include "config/reader.h"

/* 0: it is not there, as in a section whose name comes from the environment. */
static unsigned line_of(const struct config *config, const char *section, const char *key)
{
	struct config_reader reader;
	bool end = false, inside = false;
	unsigned found = 0;
	struct err ignored;

	config_reader_init(&reader, config->text.data, config->text.len);
	while (found == 0 && config_reader_next(&reader, &end, &ignored) && !end) {
		const struct config_line *line = &reader.current;

		if (line->kind == CONFIG_LINE_HEADER)
			inside = strcmp(line->key.data, section) == 0;
		else if (line->kind == CONFIG_LINE_ENTRY && inside &&
		         strcmp(line->key.data, key) == 0)
			found = reader.line;
	}
	config_reader_fini(&reader);
	return found;
}

bool config_place_var(const struct config *config, const struct config_target *target,
                      struct err *err)
{
	static const char prefix[] = "var.";
	size_t len = strcspn(err->message, ":");
	auto_free char *section =
	    xasprintf("%s %s", config_target_kind_name(target->kind), target->name);
	auto_free char *key = xstrndup(err->message, len);
	unsigned line;

	if (strncmp(key, prefix, strlen(prefix)) != 0)
		return false;
	line = line_of(config, section, key);
	err_wrap(err, "[%s]", section);
	if (line != 0)
		err_wrap(err, "%s line %u", config->file, line);
	else
		err_wrap(err, "%s", config->file);
	return true;
}
