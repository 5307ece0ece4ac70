/* Hosts as PgBouncer takes them: one numeric address, a list of them (round robin, from 1.17 on),
 * the folder of a unix socket. */
#ifndef SEGUE_APPLY_PGBOUNCER_ADDRESS_H
#define SEGUE_APPLY_PGBOUNCER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* With every address in the one spelling of inet_ntop(3), in the order given; a socket's folder,
 * and "" for the default one, as it is. Caller frees; NULL when there is a name in it. */
char *pgbouncer_host_canonical(const char *host) MUST_CHECK;

/* True when a server connection that SHOW SERVERS reports at `address` ("10.0.0.1", "unix") may
 * belong to `host`, which is canonical. */
bool pgbouncer_host_has(const char *host, const char *address);

/* Does a PgBouncer on this machine with this listen_addr ("*", a list, "": none) listen at the
 * numeric address? Of names only localhost is known. */
bool pgbouncer_listens_at(const char *listen_addr, const char *address);

#endif
