/* A ballot under test: three servers, a store, a clock that the test turns. */
#ifndef SEGUE_TESTS_BALLOT_CASE_H
#define SEGUE_TESTS_BALLOT_CASE_H

#include "publisher/ballot.h"

#define BALLOT_NODES 3
#define ROUND_US     1000000

struct ballot_case {
	struct ballot *ballot;
	struct sighting nodes[BALLOT_NODES]; /* db1 the primary, db2 and db3 standbys; timeline 1 */
	size_t count;
	struct ballot_store store;
	struct topology stored;
	struct opinion opinion;
	int64_t now_us;
	int second; /* of the wall clock, 2026-11-23T10:00:SSZ */
	int64_t zxid;
	bool obeyed; /* the last opinion was formed on a person's word that is news */
};

void ballot_case_open(struct ballot_case *c, const char *publisher);
void ballot_case_close(struct ballot_case *c);

/* A second later, everything is as c->nodes has it; then the opinion on c->store. */
enum ballot_verdict ballot_case_round(struct ballot_case *c);
enum ballot_verdict ballot_case_form(struct ballot_case *c); /* no round in between */

/* The opinion is what the store has from now on; `told`: the ballot hears that it was its own. */
void ballot_case_store(struct ballot_case *c, bool told);

/* The store has a null that no publisher wrote; a person names a node as the primary. */
void ballot_case_null(struct ballot_case *c);
void ballot_case_set(struct ballot_case *c, int node, int64_t timeline);

void ballot_case_down(struct ballot_case *c, int node, enum server_class class);
void ballot_case_promote(struct ballot_case *c, int node, int64_t timeline);
void ballot_case_event(struct ballot_case *c, int by, const char *name, const char *at);

#endif
