/* What a person's own HAProxy configuration already says of PostgreSQL: stats sockets, and the
 * sections that lead clients to its servers. Read and judged, never changed. */
#ifndef SEGUE_SETUP_HAPROXY_SURVEY_INTERNAL_H
#define SEGUE_SETUP_HAPROXY_SURVEY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

struct found_socket {
	char *path; /* a unix socket, or host:port; as segue.ini takes it */
	bool admin;
	char *file, *line; /* the line's text */
	unsigned number;
};

struct found_server {
	char *name, *address; /* as it is spelled: host:port */
};

enum found_kind { FOUND_DEFAULTS, FOUND_FRONTEND, FOUND_BACKEND, FOUND_LISTEN };

struct found_section {
	enum found_kind kind;
	char *name, *file;
	unsigned first, last; /* lines of the file */
	char *mode, *idle;    /* timeout client; with what it inherits; NULL: nowhere */
	struct strbuf bind;   /* the addresses, comma separated */
	char *default_backend;
	char *maxconn; /* of a server line */
	struct found_server *servers;
	size_t server_count;
	bool pgsql_check;   /* option pgsql-check */
	bool patroni;       /* asks Patroni's REST API */
	bool reads;         /* its name or its check says: for those who only read */
	bool postgres_port; /* of a server */
	struct strbuf kept; /* lines that the shipped template does not have, one a line */
	const struct found_section *frontend; /* of a backend: where its clients come in */
};

struct haproxy_survey {
	struct found_section *sections;
	size_t section_count;
	struct found_socket *sockets;
	size_t socket_count;
	char *global_file; /* of the first global section; NULL: there is none */
	bool has_hard_stop;
	struct found_section *rw, *ro; /* NULL: none; set by haproxy_survey_judge() */
};

/* Adds a file's text; haproxy_survey_free() after a failure, too. Errors read "FILE line N: ...".
 */
bool haproxy_survey_add(struct haproxy_survey *found, const char *file, const char *text,
                        size_t len, struct err *err) MUST_CHECK;

/* After the last file: which section is PostgreSQL's, for writing and for reading. */
void haproxy_survey_judge(struct haproxy_survey *found);

/* A backend or listen section whose servers are PostgreSQL's. */
bool found_section_is_postgres(const struct found_section *section);

/* The first one with level admin; else the first one; NULL: none. */
const struct found_socket *haproxy_survey_socket(const struct haproxy_survey *found);

void haproxy_survey_free(struct haproxy_survey *found);

#endif
