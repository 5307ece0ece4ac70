/* segue.ini as text -> sections and entries with their lines, nothing known yet of what the values
 * mean; and the list of what is wrong, kept sorted by line. Reads through libinih. */
#ifndef SEGUE_CONFIG_PARSE_H
#define SEGUE_CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "config/table.h"

struct config_entry {
	char *key;
	struct strbuf value; /* continuation lines joined by a blank; nothing expanded */
	unsigned line;
	bool refused; /* the line could not be read; that is noted already */
};

struct config_section {
	const struct config_section_info *info; /* NULL: not a section that segue knows */
	char *header;                           /* "cluster orders" */
	char *name;                             /* "orders"; "" where the kind has none */
	unsigned line;
	struct config_entry *entries;
	size_t count;
};

struct config_document {
	struct config_section *sections;
	size_t count;
};

struct config_problem {
	unsigned line; /* 0: of the file as a whole */
	char *text;
};

/* Errors or warnings of one file. */
struct config_problems {
	const char *file; /* borrowed */
	struct config_problem *items;
	size_t count;
};

/* Every problem goes to `problems`; `out` holds what could be read all the same. */
void config_parse(const char *text, size_t len, struct config_document *out,
                  struct config_problems *problems);
void config_document_free(struct config_document *document);

/* NULL when the section has no such key. */
const struct config_entry *config_entry_find(const struct config_section *section, const char *key);

/* Notes "[section] key: message"; section and key may be NULL. */
void config_problem_add(struct config_problems *problems, unsigned line,
                        const struct config_section *section, const char *key, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* Appends them to `out` in the order of the file, "file:line: ..." each, and forgets them. */
void config_problems_flush(struct config_problems *problems, struct strbuf *out);

#endif
