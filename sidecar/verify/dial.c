/* How a connection to a server is begun. */
#include "verify/dial.h"

#include <stdio.h>

#include "base/util.h"

/* What stands before verify_conninfo it may set otherwise, what stands behind it may not: an
 * address, so that no name is looked up, and the name beside it for TLS and the passfile. GSSAPI
 * asks name servers and ticket servers with the loop standing still. */
PGconn *dial(const struct libpq *pq, const char *conninfo, const struct member *member)
{
	const char *host = *member->host != '\0' ? member->host : member->address;
	char port[8];
	const struct {
		const char *key, *value;
	} params[] = {
	    {"fallback_application_name", "segue"},
	    {"gssencmode", "disable"},
	    {"keepalives_idle", "5"},
	    {"keepalives_interval", "2"},
	    {"keepalives_count", "3"},
	    {"tcp_user_timeout", "10000"},
	    {"dbname", conninfo},
	    {"hostaddr", member->address},
	    {"host", host},
	    {"port", port},
	    {"target_session_attrs", "any"},
	};
	const char *keys[ARRAY_LEN(params) + 1] = {NULL}, *values[ARRAY_LEN(params) + 1] = {NULL};

	snprintf(port, sizeof(port), "%u", (unsigned)member->port);
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		keys[i] = params[i].key;
		values[i] = params[i].value;
	}
	return pq->connect_start_params(keys, values, 1);
}
