/* Admission: may clients be sent to this server as the primary? And the evidence that a primary is
 * lost. Pure. */
#ifndef SEGUE_DECIDE_ADMISSION_H
#define SEGUE_DECIDE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "topology/facts.h"
#include "topology/topology.h"

enum admission_kind {
	ADMIT_YES,
	ADMIT_UNVERIFIED, /* verify = prefer: it runs, but its role was not checked; a warning */
	ADMIT_LATER,      /* not now; it is queried again at once */
	ADMIT_NO,         /* refused until its answer changes */
};

/* The reason for ADMIT_NO that a person may overrule (segue set-primary). */
#define ADMIT_OLD_PRIMARY \
	"its timeline is lower than the last one applied: it is a former primary that was started again"

/* The timeline below which a primary must not be, and its system identifier; 0 and "": not
 * known. */
struct floor {
	int64_t timeline;
	char system_identifier[32];
};

struct admission {
	enum admission_kind kind;
	const char *reason; /* static text; "" with ADMIT_YES */
};

struct admission_input {
	enum config_verify verify;
	const struct server_fact *server; /* NULL: nothing is known of it */
	/* Of the cluster: from the store, else from the floor; NULL, "": not known. */
	const char *system_identifier;
	struct floor floor;
	/* The last primary is another server, took writes when it last answered, and was not
	 * interrupted since. */
	bool last_lives;
	/* The server's last answer is old, and the last primary is another server. */
	bool is_old_news;
	bool is_applied; /* clients are sent to it now, as it was admitted */
};

struct admission admission_decide(const struct admission_input *input);

/* True after three attempts in a row that show that it takes no writes: refused, timed out,
 * starting, in recovery. Never for a server that is running and refuses segue's login. */
#define LOSS_UNSERVED SERVER_RUNNING_MATTERS
bool loss_is_proven(const struct server_fact *server);

/* A server that is running and refuses segue's login, if no server at all can be verified; NULL:
 * some server answers or was not asked yet, or none refuses the login. */
const struct server_fact *find_denial(const struct server_fact *servers, size_t count);

/* The fact of a member's server; NULL: there is none. */
const struct server_fact *server_of(const struct server_fact *servers, size_t count,
                                    const struct member *member);

/* False when both identifiers are known and differ. */
bool same_system(const char *a, const char *b);

#endif
