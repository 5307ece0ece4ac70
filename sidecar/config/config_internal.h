/* What the files of config/ share. No I/O.
 *
 * First, the only table of sections and keys of segue.ini: type, bounds, default, help. The loader,
 * the manual page and the sample file are all made from it. It is constant. */
#ifndef SEGUE_CONFIG_CONFIG_INTERNAL_H
#define SEGUE_CONFIG_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"

/* Bits, because one row of the table may belong to several sections. */
enum config_section_kind {
	CONFIG_SECTION_SEGUE = 1 << 0,
	CONFIG_SECTION_ZOOKEEPER = 1 << 1,
	CONFIG_SECTION_CLUSTER = 1 << 2,
	CONFIG_SECTION_HAPROXY = 1 << 3,
	CONFIG_SECTION_PGBOUNCER = 1 << 4,
	CONFIG_SECTION_FILE = 1 << 5,
	CONFIG_SECTION_PUBLISHER = 1 << 6,
};

#define CONFIG_SECTION_TARGETS \
	(CONFIG_SECTION_HAPROXY | CONFIG_SECTION_PGBOUNCER | CONFIG_SECTION_FILE)

enum config_type {
	CONFIG_TYPE_NAME,       /* [A-Za-z0-9._-], at most 63 bytes, no leading dot */
	CONFIG_TYPE_CLUSTER,    /* the name of a [cluster NAME] section */
	CONFIG_TYPE_ENUM,       /* one of `choices`; its index is the value of the C enum */
	CONFIG_TYPE_BOOL,       /* yes | no */
	CONFIG_TYPE_DURATION,   /* min to max, in ms */
	CONFIG_TYPE_SIZE,       /* min to max, in bytes */
	CONFIG_TYPE_COUNT,      /* a whole number, min to max */
	CONFIG_TYPE_PATH,       /* an absolute file name */
	CONFIG_TYPE_SOCKET,     /* an absolute file name that fits into sun_path, or host:port */
	CONFIG_TYPE_UNIX,       /* an absolute file name that fits into sun_path */
	CONFIG_TYPE_LISTEN,     /* unix:PATH or host:port; several, comma separated */
	CONFIG_TYPE_HOST_NAMES, /* names, comma separated; a leading dot: and all names below */
	CONFIG_TYPE_HOSTS,      /* host:port, comma separated, optional /chroot at the end */
	CONFIG_TYPE_ZNODE,      /* an absolute znode path */
	CONFIG_TYPE_CONNINFO,   /* libpq's keyword=value pairs, or a postgresql:// URI */
	CONFIG_TYPE_CONNINFOS,  /* several, comma separated */
	CONFIG_TYPE_COMMAND,    /* words, split as sh does */
	CONFIG_TYPE_MODE,       /* octal, min to max */
	CONFIG_TYPE_OWNER,      /* user:group, user, :group */
	CONFIG_TYPE_NODE,       /* node.NAME: host:port */
	CONFIG_TYPE_VAR,        /* var.NAME: any text */
};

enum config_key_flags {
	CONFIG_REQUIRED = 1 << 0, /* must be set, and must not be empty */
	CONFIG_AUTO = 1 << 1,     /* of a duration: "auto" is allowed, too, and stored as 0 */
};

#define CONFIG_NOT_KEPT SIZE_MAX /* offset of a key that is only checked, not stored */

struct config_key {
	unsigned sections; /* in which it is allowed */
	const char *name;  /* one that ends in a dot: any name may follow */
	enum config_type type;
	unsigned flags;
	size_t offset; /* into the struct that the section fills */
	int64_t min, max;
	const char *const *choices; /* NULL terminated */
	const char *preset;         /* the default, as in the file; "": not set */
	const char *example;        /* for the sample file, if the default is of no use */
	const char *help;           /* whole sentences, for the manual and the sample file */
};

struct config_section_info {
	enum config_section_kind kind;
	bool named;       /* [cluster NAME], any number; false: [segue], once */
	bool optional;    /* a comment in the sample file: a first file does not need it */
	const char *word; /* "cluster" */
	const char *example_name;
	const char *help;
};

extern const struct config_section_info config_sections[]; /* ends with one without a word */
const struct config_section_info *config_section_find(const char *word); /* NULL: none */

/* The next row that sections of any of these kinds have, in the order of the table. `before`: NULL:
 * returns the first one. NULL: there are no more. */
const struct config_key *config_key_next(unsigned kinds, const struct config_key *before);
/* The row of the key `name` in sections of this kind; NULL if there is none. */
const struct config_key *config_key_find(enum config_section_kind kind, const char *name);
/* True for node. and var., of which a section may have many. */
bool config_key_is_prefix(const struct config_key *key);

/* --- values: text -> type, checked against the row of the table ---
 *
 * Errors have the form: found "...": allowed: ... */

/* Writes the value to key->offset of `base`. A string there is freed and replaced by a copy; an
 * enum is written as unsigned. "" means "not set", and is an error if the key is required. node.
 * and var. are only checked. On error `base` stays as it was. */
bool config_value_set(const struct config_key *key, const char *text, void *base,
                      struct err *err) MUST_CHECK;

/* Where the value of the key is in `base`, if it is kept there as a string; else NULL. */
char **config_value_string(const struct config_key *key, void *base);

/* Appends `text` to `out` and expands environment variables: ${NAME}; ${NAME-default} if NAME may
 * be unset; ${NAME:-default} if it may be unset or empty. $$ becomes one $. Any other $ stays. */
bool config_value_expand(const char *text, struct strbuf *out, struct err *err) MUST_CHECK;

/* Appends what a row allows: "1s to 10m, ...", "segue | plain". For messages and the manual. */
void config_value_allowed(const struct config_key *key, struct strbuf *out);
/* Appends it as "Allowed: 1s to 10m.", but nothing if the help text describes it. */
void config_key_allowed(const struct config_key *key, struct strbuf *out);

/* --- the document: text -> sections and entries with their lines, read with libinih ---
 *
 * The values are not interpreted yet. What libinih would truncate or misread (a " ;" in a value, a
 * long line, text behind a bracket) is refused, so that no part of a value is lost silently. All
 * errors are collected, and printed sorted by line. */

#define CONFIG_NAME_MAX        49 /* bytes of a key or a section header: libinih truncates there */
#define CONFIG_VARIABLE_PREFIX "SEGUE_"

struct config_variable { /* ${SEGUE_...} in the text */
	char *name;
	unsigned line;
};

struct config_entry {
	char *key;
	struct strbuf value; /* continuation lines are joined by a space; nothing is expanded */
	unsigned line;
	bool refused; /* the line is refused; its error is already added */
};

struct config_section {
	const struct config_section_info *info; /* NULL: an unknown section, or a refused header */
	char *header;                           /* "cluster orders" */
	char *name;                             /* "orders"; "" if this kind has no name */
	unsigned line;
	struct config_entry *entries;
	size_t count;
	void *base; /* what is filled from it: struct config or a part of it */
};

struct config_document {
	struct config_section *sections;
	size_t count;
	struct config_variable *variables;
	size_t variable_count;
};

struct config_problem {
	unsigned line; /* 0: the whole file */
	char *text;
};

/* The errors or the warnings of one file. */
struct config_problems {
	const char *file; /* borrowed */
	struct config_problem *items;
	size_t count;
};

/* Adds every error to `problems`. `out` has everything that could be read in spite of them. */
void config_parse(const char *text, size_t len, struct config_document *out,
                  struct config_problems *problems);
void config_document_free(struct config_document *document);

/* NULL if the section has no such key. */
const struct config_entry *config_entry_find(const struct config_section *section, const char *key);

/* Adds "[section] key: message". `section` and `key` may be NULL. */
void config_problem_add(struct config_problems *problems, unsigned line,
                        const struct config_section *section, const char *key, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* Appends all of them to `out`, sorted by line, as "file:line: ...", and empties the list. */
void config_problems_flush(struct config_problems *problems, struct strbuf *out);

/* If the text has any ${SEGUE_...}: reports every SEGUE_... of `environment` (NAME=VALUE, NULL at
 * the end) that it does not have. It is an error if the name differs by one letter from a variable
 * of the text that is not set, because the default would then be used silently. Otherwise it is a
 * warning. */
void config_environment_check(const struct config_document *document, char *const *environment,
                              struct config_problems *errors, struct config_problems *warnings);

/* --- units: of durations in ms, of sizes in bytes --- */

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define TB     ((int64_t)1 << 40)

#endif
