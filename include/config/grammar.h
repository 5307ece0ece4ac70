/* The grammars of values in segue.ini: host, znode path, command line, ... Pure. */
#ifndef SEGUE_CONFIG_GRAMMAR_H
#define SEGUE_CONFIG_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAMMAR_SOCKET_MAX ((size_t)107) /* bytes of sun_path without the NUL */
#define GRAMMAR_LISTEN_MAX 4             /* addresses in the key listen */

bool grammar_name(const char *text); /* 1 to 63 of [A-Za-z0-9._-], no dot in front */

/* "6s" -> 6000: a whole number with ms, s, m or h. */
bool grammar_duration(const char *text, int64_t *ms);
bool grammar_size(const char *text, int64_t *bytes);

/* Digits of base 8 or 10, at most 18 of them, and nothing else. */
bool grammar_whole(const char *text, int base, size_t max_digits, int64_t *value);

/* An absolute file name of at most `max` bytes, without blanks: in "/a ;b" the rest would be taken
 * as a comment. */
bool grammar_path(const char *text, size_t max);

/* "10.0.0.1:5432", "[::1]:5432", "db1.example.org:5432"; port 1 to 65535. *host has no
 * brackets; the caller frees it. `host` and `port` may be NULL. */
bool grammar_host_port(const char *text, char **host, uint16_t *port);

/* Comma separated, no blanks. A leading dot means the name and all names below it. */
bool grammar_host_names(const char *text);
bool grammar_zookeeper_hosts(const char *text); /* no blanks; a /chroot may follow */
bool grammar_znode(const char *text);           /* absolute, not just "/" */
bool grammar_conninfo(const char *text);        /* libpq: keyword=value pairs, or a URI */
bool grammar_conninfos(const char *text);       /* several, comma separated */
bool grammar_command(const char *text);         /* has a first word, and its quotes are closed */
bool grammar_owner(const char *text);           /* user:group, user, :group */

#endif
