#ifndef SEGUE_SETUP_INIT_INTERNAL_H
#define SEGUE_SETUP_INIT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "haproxy/model/syntax.h"

/* Reads an existing HAProxy configuration for `segue init`: stats sockets, and the sections that
 * lead clients to PostgreSQL servers. Never changes a file. */

struct found_socket {
	char *path; /* a unix socket or host:port, spelled as in segue.ini */
	bool admin;
	char *file, *line; /* `line`: the text of the line */
	unsigned number;
};

struct found_section {
	enum haproxy_section_kind kind;
	const char *keyword; /* "backend" */
	char *name, *file;
	unsigned first, last; /* line numbers in the file */
	char *mode, *idle;  /* `idle`: timeout client; both with inherited values; NULL: not set */
	struct strbuf bind; /* the addresses, comma separated */
	char *default_backend;
	char *maxconn;              /* of a server line */
	struct string_list servers; /* host:port, as spelled in the file */
	bool pgsql_check;           /* option pgsql-check */
	bool patroni;               /* a health check asks Patroni's REST API */
	bool reads;                 /* for read-only clients, by its name or its health check */
	bool postgres_port;         /* a server has a port that is usual for PostgreSQL */
	struct string_list kept;    /* lines that the shipped template does not have */
	const struct found_section *frontend; /* of a backend: the frontend that leads to it */
};

struct haproxy_survey {
	struct found_section *sections;
	size_t section_count;
	struct found_socket *sockets;
	size_t socket_count;
	char *global_file; /* file of the first global section; NULL: there is none */
	bool has_hard_stop;
	struct found_section *rw, *ro; /* NULL: none; set by haproxy_survey_judge() */
};

/* Adds the text of one file. Call haproxy_survey_free() after a failure, too. Errors read "FILE
 * line N: ...". */
bool haproxy_survey_add(struct haproxy_survey *found, const char *file, const char *text,
                        size_t len, struct err *err) MUST_CHECK;

/* Call after the last file. Chooses the PostgreSQL sections for writing and for reading. */
void haproxy_survey_judge(struct haproxy_survey *found);

/* True for a backend or listen section whose servers are PostgreSQL servers. */
bool found_section_is_postgres(const struct found_section *section);

/* The first stats socket with level admin, otherwise the first one; NULL: none. */
const struct found_socket *haproxy_survey_socket(const struct haproxy_survey *found);

void haproxy_survey_free(struct haproxy_survey *found);

/* Shipped files, embedded in the binary. `segue init` writes the templates from here, so it also
 * works where segue is not installed. It may overwrite the Debian package's segue.ini. */

extern const char shipped_haproxy[];    /* templates/haproxy.cfg.mustache */
extern const char shipped_pgbouncer[];  /* templates/pgbouncer.ini.mustache */
extern const char shipped_debian_ini[]; /* packaging/debian/segue.ini */

#endif
