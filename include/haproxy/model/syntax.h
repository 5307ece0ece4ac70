/* Reads HAProxy's configuration grammar line by line: words, quotes, escapes, comments. Borrows the
 * text. Refuses what HAProxy refuses (open quotes, broken \xNN, NUL, a last line without a line
 * break). Pure. Configuration Manual 2.1, 2.2. */
#ifndef SEGUE_HAPROXY_MODEL_SYNTAX_H
#define SEGUE_HAPROXY_MODEL_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

struct haproxy_word {
	const char *raw; /* as spelled, with quotes and escapes; borrowed from the text */
	size_t raw_len;
	size_t value;  /* offset into `values`, see haproxy_lines_word() */
	bool variable; /* it has an environment variable, which only HAProxy can resolve */
};

struct haproxy_lines {
	const char *at, *end;
	unsigned number; /* of the current line, from 1 */
	struct haproxy_word *words;
	size_t count, capacity;
	struct strbuf values;
	bool failed;
};

void haproxy_lines_init(struct haproxy_lines *lines, const char *text, size_t len);
void haproxy_lines_fini(struct haproxy_lines *lines);

/* Reads the next line that has words. False at the end of the text, or on an error ("line N: ..."),
 * which also sets `failed`. */
bool haproxy_lines_next(struct haproxy_lines *lines, struct err *err) MUST_CHECK;

/* Returns word `i` without quotes and escapes; "" after the last one. Valid until the next line is
 * read. */
const char *haproxy_lines_word(const struct haproxy_lines *lines, size_t i);

/* True when any word of the line has an environment variable. */
bool haproxy_lines_has_variable(const struct haproxy_lines *lines);

/* Returns a number with or without a time unit (Configuration Manual 2.5) in ms; -1: `text` is
 * none. */
int64_t haproxy_duration_ms(const char *text);

/* True for the keywords that start a section. */
bool haproxy_keyword_is_section(const char *word);

#endif
