/* Admission: may this server be the primary that clients are led to? And the evidence that a
 * primary is lost. Pure. */
#ifndef SEGUE_DECIDE_ELECTION_H
#define SEGUE_DECIDE_ELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "topology/facts.h"
#include "topology/topology.h"

enum admission_kind {
	ADMIT_YES,
	ADMIT_UNVERIFIED, /* verify = prefer: it lives, and more could not be learned; a warning */
	ADMIT_LATER,      /* not now; it is asked again at once */
	ADMIT_NO,         /* refused until it says something else */
};

/* The reason to refuse it that a person may overrule (segue set-primary). */
#define ADMIT_OLD_PRIMARY \
	"its timeline is lower than the last one applied: it is an old primary that came back"

/* What a server that takes writes must not be below; 0 and "": not known. */
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
	const char *system_identifier; /* the cluster's, by the store or else the floor's; NULL, "":
	                                  not known */
	struct floor floor;
	bool last_lives;  /* another one is the last primary: it took writes when it answered last,
	                     and was not interrupted since */
	bool is_old_news; /* what the server answered last was long ago, and another one is the last
	                     primary */
	bool is_applied;  /* clients are led to it now, as to one that was admitted */
};

struct admission admission_decide(const struct admission_input *question);

/* Three attempts in a row that say it takes no writes: refused, timed out, starting, in recovery.
 * Never a server that lives and does not let us in. */
#define LOSS_UNSERVED SERVER_RUNNING_MATTERS
bool loss_is_proven(const struct server_fact *server);

/* Nobody can be verified: no server answers, and at least one that lives does not let segue in.
 * Such a one; or NULL. */
const struct server_fact *find_denial(const struct server_fact *servers, size_t count);

/* The fact of a member's server; NULL: none. */
const struct server_fact *server_of(const struct server_fact *servers, size_t count,
                                    const struct member *member);

/* False when both identifiers are known and differ. */
bool same_system(const char *a, const char *b);

#endif
