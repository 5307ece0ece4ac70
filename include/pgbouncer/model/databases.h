/* Hosts as PgBouncer takes them: one numeric address, a list of them (round robin, from 1.17 on),
 * the folder of a unix socket. */
#ifndef SEGUE_PGBOUNCER_MODEL_DATABASES_H
#define SEGUE_PGBOUNCER_MODEL_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/util.h"
#include "config/config.h"

/* With every address in the one spelling of inet_ntop(3), in the order given; a socket's folder,
 * and "" for the default one, as it is. Caller frees; NULL when there is a name in it. */
char *pgbouncer_host_canonical(const char *host) MUST_CHECK;

/* True when a server connection that SHOW SERVERS reports at `address` ("10.0.0.1", "unix") may
 * belong to `host`, which is canonical. */
bool pgbouncer_host_has(const char *host, const char *address);

/* Does a PgBouncer on this machine with this listen_addr ("*", a list, "": none) listen at the
 * numeric address? Of names only localhost is known. */
bool pgbouncer_listens_at(const char *listen_addr, const char *address);

/* The rendered PgBouncer text, read the way PgBouncer reads it, as far as segue needs: which
 * database leads where. It is also the dry parse that has to succeed before a RELOAD, as a RELOAD
 * of a broken file is destructive. Pure. pgbouncer(5), "Section [databases]", and libusual's ini
 * grammar. */

/* Bytes of a name: the console's buffer has 63 for an argument, and quotes take two of them. */
#define PGBOUNCER_NAME_MAX 61

struct pgbouncer_database {
	char *name;
	char *host; /* numeric address, or several with commas (read-only databases: PgBouncer takes
	               them in turn, all at one port); "": unix socket default, never moved by
	               segue; "/dir" as it is. Spelled as inet_ntop(3) does */
	uint16_t port;
	char *dbname; /* as configured; the name itself when there is none */
	char *params; /* the other key=value pairs, normalised: a difference needs a RELOAD, but no
	                 PAUSE */
	unsigned line;
};

struct pgbouncer_ini {
	struct pgbouncer_database *databases;
	size_t count;
};

/* Errors read "line N: reason". Only [databases] (and [users]) may be in the file: settings of
 * [pgbouncer] belong to the person's own pgbouncer.ini, and %include is refused. Hosts that are
 * names, ports out of range, values that PgBouncer would read as something else, and a file without
 * any database (a RELOAD would drop all that PgBouncer has) are errors. */
bool pgbouncer_ini_parse(const char *text, size_t len, struct pgbouncer_ini *out,
                         struct err *err) MUST_CHECK;
void pgbouncer_ini_free(struct pgbouncer_ini *ini);
const struct pgbouncer_database *pgbouncer_ini_find(const struct pgbouncer_ini *ini,
                                                    const char *name);

/* As text_check_leads() (cluster/target_kinds.h); `whole` changes nothing. */
bool pgbouncer_text_leads(const struct config_target *config, bool whole, const char *text,
                          size_t len, const char *address, uint16_t port,
                          struct err *err) MUST_CHECK;

#endif
