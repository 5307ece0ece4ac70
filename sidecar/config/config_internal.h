/* The one table of sections and keys of segue.ini: type, bounds, default, help. The loader, the man
 * page and the sample file are all made from it. Constant; no I/O. */
#ifndef SEGUE_CONFIG_CONFIG_INTERNAL_H
#define SEGUE_CONFIG_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"

/* Bits, as one row of the table may serve several sections. */
enum config_section_kind {
	CONFIG_SECTION_SEGUE = 1 << 0,
	CONFIG_SECTION_ZOOKEEPER = 1 << 1,
	CONFIG_SECTION_CLUSTER = 1 << 2,
	CONFIG_SECTION_HAPROXY = 1 << 3,
	CONFIG_SECTION_PGBOUNCER = 1 << 4,
	CONFIG_SECTION_FILE = 1 << 5,
	CONFIG_SECTION_PUBLISHER = 1 << 6,
};

enum config_type {
	CONFIG_TYPE_NAME,       /* [A-Za-z0-9._-], at most 63, no dot in front */
	CONFIG_TYPE_CLUSTER,    /* the name of a [cluster NAME] section */
	CONFIG_TYPE_ENUM,       /* one of `choices`; its index is the value of the C enum */
	CONFIG_TYPE_BOOL,       /* yes | no */
	CONFIG_TYPE_DURATION,   /* min to max, in ms */
	CONFIG_TYPE_SIZE,       /* min to max, in bytes */
	CONFIG_TYPE_COUNT,      /* a whole number, min to max */
	CONFIG_TYPE_PATH,       /* an absolute file name */
	CONFIG_TYPE_SOCKET,     /* an absolute file name that fits a unix socket, or host:port */
	CONFIG_TYPE_UNIX,       /* an absolute file name that fits a unix socket */
	CONFIG_TYPE_LISTEN,     /* unix:PATH or host:port */
	CONFIG_TYPE_HOST_NAMES, /* names, comma separated; a dot in front: and all below it */
	CONFIG_TYPE_HOSTS,      /* host:port, ... and perhaps a /chroot */
	CONFIG_TYPE_ZNODE,      /* an absolute znode path */
	CONFIG_TYPE_CONNINFO,   /* libpq's keyword=value pairs, or a postgresql:// URI */
	CONFIG_TYPE_CONNINFOS,  /* several, comma separated */
	CONFIG_TYPE_COMMAND,    /* words as sh would split them */
	CONFIG_TYPE_MODE,       /* octal, min to max */
	CONFIG_TYPE_OWNER,      /* user:group, user, :group */
	CONFIG_TYPE_NODE,       /* node.NAME: host:port */
	CONFIG_TYPE_VAR,        /* var.NAME: any text */
};

enum config_key_flags {
	CONFIG_REQUIRED = 1 << 0, /* must be set, and not to nothing */
	CONFIG_AUTO = 1 << 1,     /* a duration: "auto" is allowed too, and kept as 0 */
};

#define CONFIG_NOT_KEPT SIZE_MAX /* offset of a key that is checked and then forgotten */

struct config_key {
	unsigned sections; /* where it may stand */
	const char *name;  /* one that ends in a dot takes any name behind it */
	enum config_type type;
	unsigned flags;
	size_t offset; /* into the struct that the section fills */
	int64_t min, max;
	const char *const *choices; /* NULL terminated */
	const char *preset;         /* the default, as it would be written; "" is "not set" */
	const char *example;        /* for the sample file, where the default would not do */
	const char *help;           /* whole sentences, for the person who fills it in */
};

struct config_section_info {
	enum config_section_kind kind;
	bool named;       /* [cluster NAME], as many as there are; false: [segue], once */
	const char *word; /* "cluster" */
	const char *example_name;
	const char *help;
};

const struct config_section_info *config_sections(size_t *count);
const struct config_section_info *config_section_find(const char *word); /* NULL: none */

const struct config_key *config_key_at(size_t index); /* NULL: behind the last one */
/* The row for `key` in such a section; NULL when there is none. */
const struct config_key *config_key_find(enum config_section_kind kind, const char *key);
/* True for node. and var., of which a section may hold many. */
bool config_key_is_prefix(const struct config_key *key);

/* The text of one value -> its type, checked by its row of the table. Errors read
 * found "...": allowed: ... */

/* Writes the value at key->offset of `base`: a string there is freed and replaced by a copy, an
 * enum is an unsigned. "" is "not set", and refused where the key is required. node. and var. are
 * only checked. On error `base` stays as it was. */
bool config_value_set(const struct config_key *key, const char *text, void *base,
                      struct err *err) MUST_CHECK;

/* ${NAME} and ${NAME:-default} (for a NAME that is unset or empty) from the environment; $$ is one
 * $, any other $ stays. Appends to `out`. */
bool config_value_expand(const char *text, struct strbuf *out, struct err *err) MUST_CHECK;

/* What a row allows, in words: "1s to 10m, ...", "segue | plain"; for messages and the manual. */
void config_value_allowed(const struct config_key *key, struct strbuf *out);

/* segue.ini line by line, before libinih sees it: what libinih would cut or take in another sense
 * than the person meant (a " ;" in a value, a long line, text behind a bracket) is refused here, so
 * that nothing is ever lost silently. */

#define CONFIG_LINE_MAX 198 /* bytes of a line without its comment: libinih's buffer has 200 */
#define CONFIG_NAME_MAX 49  /* bytes of a key and of a section's header: libinih cuts there */

enum config_line_kind {
	CONFIG_LINE_EMPTY,    /* blank, or only a comment */
	CONFIG_LINE_HEADER,   /* [key] */
	CONFIG_LINE_ENTRY,    /* key = value */
	CONFIG_LINE_CONTINUED /* an indented value */
};

/* One line taken apart, trimmed and without its comment. */
struct config_line {
	enum config_line_kind kind;
	struct strbuf key; /* of an entry; what is inside the brackets of a header */
	struct strbuf value;
	bool doubtful; /* the comment began one blank behind the value: perhaps it was none */
};

struct config_reader {
	const char *at, *end; /* what is left of the text */
	unsigned line;        /* number of the line read last, from 1 */
	char quote;           /* the quote that the value has opened and not closed yet, or 0 */
	struct config_line current;
};

void config_reader_init(struct config_reader *reader, const char *text, size_t len);
void config_reader_fini(struct config_reader *reader);

/* Reads the next line into reader->current; *end is set when there is none. False with `err` set
 * when the line cannot be taken as it is. */
bool config_reader_next(struct config_reader *reader, bool *end, struct err *err) MUST_CHECK;

/* segue.ini as text -> sections and entries with their lines, nothing known yet of what the values
 * mean; and the list of what is wrong, kept sorted by line. Reads through libinih. */

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

/* Sections and entries -> struct config, section by section: values and defaults by the table.
 * What one section cannot show (names that must exist elsewhere) is checked in config.c. */

/* `config` is zeroed but for `file`. The clusters and targets come out in the order of their
 * sections, one for each section of a known kind, whatever is wrong with it; no string is NULL. */
void config_build(const struct config_document *document, struct config *config,
                  struct config_problems *errors);

/* Variables of the environment that are meant for segue.ini, and that it does not read. Pure. */

/* Of a `text` of segue.ini that reads a ${SEGUE_...}, every SEGUE_... of `environment` (NAME=VALUE,
 * NULL at the end) that it does not read: an error where it is one letter off one that it reads and
 * that is not set, as the default would be taken without a word; else a warning. `text` ends with
 * a NUL. */
void config_unread_find(const char *text, char *const *environment, struct config_problems *errors,
                        struct config_problems *warnings);

/* What the parts of the table of keys share. Nobody else includes it. */

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

#define AT(type, field) offsetof(struct type, field)

#endif
