/* The one table of sections and keys of segue.ini: type, bounds, default, help. The loader, the man
 * page and the sample file are all made from it. Constant; no I/O. */
#ifndef SEGUE_CONFIG_TABLE_H
#define SEGUE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
