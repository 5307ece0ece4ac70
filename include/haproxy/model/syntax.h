/* Reads HAProxy's configuration grammar line by line: words, quotes, escapes, comments; sections
 * and the defaults sections that they inherit from; .if blocks. Borrows the text. Refuses what
 * HAProxy refuses (open quotes, broken \xNN, NUL, a last line without a line break). Pure.
 * Configuration Manual 2.1, 2.2, 2.4, 4. */
#ifndef SEGUE_HAPROXY_MODEL_SYNTAX_H
#define SEGUE_HAPROXY_MODEL_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/string_list.h"

struct haproxy_word {
	const char *raw; /* as spelled, with quotes and escapes; borrowed from the text */
	size_t raw_len;
	size_t value;  /* offset into `values`, see haproxy_lines_word() */
	bool variable; /* it has an environment variable, which only HAProxy can resolve */
};

enum haproxy_section_kind {
	HAPROXY_SECTION_NONE,  /* before the first section, and after the last line */
	HAPROXY_SECTION_OTHER, /* no proxy: peers, resolvers, ... */
	HAPROXY_SECTION_GLOBAL,
	HAPROXY_SECTION_DEFAULTS,
	HAPROXY_SECTION_FRONTEND,
	HAPROXY_SECTION_BACKEND,
	HAPROXY_SECTION_LISTEN,
};

#define HAPROXY_UNSET (-1) /* as haproxy_duration_ms() returns for no number */

struct haproxy_settings { /* of a defaults section or a proxy, with inherited ones */
	bool complete;    /* none comes from another file or from a variable */
	bool conditional; /* one may come from inside .if */
	bool disabled;
	bool has_mode, has_redispatch;
	bool checks;                           /* default-server has health checks */
	unsigned http_line;                    /* of `mode http`; 0: none */
	int64_t redispatch_every;              /* every Nth retry; below 1: the last at most */
	int64_t retries, connect_ms, queue_ms; /* or HAPROXY_UNSET */
};

struct haproxy_section {
	enum haproxy_section_kind kind;
	const char *keyword; /* "backend"; "": HAPROXY_SECTION_NONE */
	struct strbuf name;  /* "": it has none */
	unsigned line;
	size_t number;         /* in the text, from 1; 0: before the first section */
	size_t defaults;       /* the defaults section that it inherits from: 1 for the first one of
	                          the text, ...; 0: none of this text */
	bool from;             /* it names that one */
	bool inherits_unknown; /* it inherits, or may inherit, from a section of another file */
	bool conditional;      /* it begins inside .if */
	struct haproxy_settings settings; /* up to the current line */
};

struct haproxy_defaults { /* a defaults section */
	char *name;
	struct haproxy_settings settings;
};

struct haproxy_lines {
	const char *at, *end;
	unsigned number; /* of the current line, from 1 */
	struct haproxy_word *words;
	size_t count, capacity;
	struct strbuf values;
	bool failed;
	bool starts_section;            /* the current line does */
	struct haproxy_section section; /* of the current line */
	struct haproxy_section before;  /* where that starts, and after the last line: the section
	                                   that has ended */
	bool has_global;                /* the text has `global`: it is the whole file, not one of
	                                   several */
	unsigned conditional_depth;     /* the number of .if blocks around the line */
	bool stray_endif;               /* an .endif had no .if */
	struct haproxy_defaults *defaults; /* that are above the current section */
	size_t default_count;
};

void haproxy_lines_init(struct haproxy_lines *lines, const char *text, size_t len);
void haproxy_lines_fini(struct haproxy_lines *lines);

/* Adds a defaults section of a file that HAProxy reads before this one. Call it before the first
 * line is read. */
void haproxy_lines_add_defaults(struct haproxy_lines *lines, const char *name);

/* Reads the next line that has words. False at the end of the text, or on an error ("line N: ..."),
 * which also sets `failed`. */
bool haproxy_lines_next(struct haproxy_lines *lines, struct err *err) MUST_CHECK;

/* Returns word `i` without quotes and escapes; "" after the last one. Valid until the next line is
 * read. */
const char *haproxy_lines_word(const struct haproxy_lines *lines, size_t i);

/* True when the line begins with these words, which are separated by one blank: "timeout queue". */
bool haproxy_line_is(const struct haproxy_lines *lines, const char *words);

/* Returns the index of the last `word` of the line, as HAProxy goes by the last one; 0: the line
 * does not have it, or only as its first word. In the lines `server` and `default-server`, name,
 * address and the values of other parameters ("cookie check") do not count. */
size_t haproxy_lines_find(const struct haproxy_lines *lines, const char *word);

/* Returns the word after that one; "": there is none. */
const char *haproxy_lines_value(const struct haproxy_lines *lines, const char *word);

/* True when the servers of the current line, `server` or `default-server`, have health checks. */
bool haproxy_lines_turn_checks_on(const struct haproxy_lines *lines);

/* True when any word of the line has an environment variable. */
bool haproxy_lines_has_variable(const struct haproxy_lines *lines);

/* Returns a number with or without a time unit (Configuration Manual 2.5) in ms; -1: `text` is
 * none. */
int64_t haproxy_duration_ms(const char *text);

/* True for a section with servers: backend or listen. */
bool haproxy_section_is_backend(enum haproxy_section_kind kind);

/* Returns "backend NAME"; "" for HAPROXY_SECTION_NONE. Caller frees. */
char *haproxy_section_spelled(const struct haproxy_section *section) MUST_CHECK;

/* True for a parameter of a server whose value is the next word. */
bool haproxy_param_takes_value(const char *keyword);

#endif
