/* The databases of the rendered PgBouncer text: where each one leads. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DATABASES_H
#define SEGUE_PGBOUNCER_MODEL_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/util.h"
#include "config/config.h"
#include "pgbouncer/model/ini_syntax.h"

/* --- hosts as PgBouncer reads them: one numeric address, a list of them with commas (used round
 * robin, since 1.17), or the directory of a unix socket --- */

/* Each address in the spelling of inet_ntop(3), in the order given. A socket directory, and "" for
 * the default one, stays as it is. Caller frees. NULL if there is a host name in it. */
char *pgbouncer_host_canonical(const char *host) MUST_CHECK;

/* True if a server connection that SHOW SERVERS shows with `address` ("10.0.0.1", "unix") may
 * belong to `host`, which is canonical. */
bool pgbouncer_host_has(const char *host, const char *address);

/* True if a PgBouncer on this machine with this listen_addr ("*", a list, "": none) listens at the
 * numeric `address`. The only host name that it knows is localhost. */
bool pgbouncer_listens_at(const char *listen_addr, const char *address);

/* --- the rendered text, read as PgBouncer reads it, as far as segue needs ---
 * This parse has to succeed before a RELOAD, because a RELOAD of a broken file drops databases.
 * Sources: pgbouncer(5), "Section [databases]", and libusual's ini grammar. */

/* Bytes of a name: the console has room for an argument of 63 bytes, two of them for the quotes. */
#define PGBOUNCER_NAME_MAX 61

struct pgbouncer_database {
	char *name;
	char *host; /* numeric address in the spelling of inet_ntop(3), or several with commas
	               (read-only databases: PgBouncer uses them in turn, all with one port); "":
	               the default unix socket, which segue never moves; "/dir": as written */
	uint16_t port;
	char *dbname; /* as configured; `name` if not configured */
	char *params; /* the other key=value pairs, normalised: if they change, a RELOAD is needed,
	                 but no PAUSE */
	unsigned line;
};

struct pgbouncer_ini {
	struct pgbouncer_database *databases;
	size_t count;
};

/* Errors read "line N: reason". Only [databases] and [users] are allowed: settings of [pgbouncer]
 * belong in the administrator's pgbouncer.ini, and %include is refused. Errors are also: a host
 * name, a port out of range, a value that PgBouncer would misread, and a file without any database
 * (a RELOAD would drop all that PgBouncer has). */
bool pgbouncer_ini_parse(const char *text, size_t len, struct pgbouncer_ini *out,
                         struct err *err) MUST_CHECK;
void pgbouncer_ini_free(struct pgbouncer_ini *ini);
const struct pgbouncer_database *pgbouncer_ini_find(const struct pgbouncer_ini *ini,
                                                    const char *name);

/* text_check_leads() (cluster/target_kinds.h) for PgBouncer. `whole` has no effect. */
bool pgbouncer_text_leads(const struct config_target *config, bool whole, const char *text,
                          size_t len, const char *address, uint16_t port,
                          struct err *err) MUST_CHECK;

/* Checks the value of an entry of [databases] or [users] against the keys and values that PgBouncer
 * 1.12 to 1.25 may know. Pure. */

/* True if PgBouncer would continue reading after such an entry, even if it misreads it. */
bool pgbouncer_database_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;
bool pgbouncer_user_passes(const struct pgbouncer_pairs *pairs, struct err *err) MUST_CHECK;

#endif
