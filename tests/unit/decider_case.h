/* A decider under test: three servers, a store, a clock that the test turns. */
#ifndef SEGUE_TESTS_DECIDER_CASE_H
#define SEGUE_TESTS_DECIDER_CASE_H

#include "publisher/decide.h"

#define PUBLISH_NODES 3
#define ROUND_US      1000000

struct decider_case {
	struct decider *decider;
	struct node_state
	    nodes[PUBLISH_NODES]; /* db1 the primary, db2 and db3 standbys; timeline 1 */
	size_t count;
	struct stored_value store;
	struct topology stored;
	struct publish_decision decision;
	int64_t now_us;
	int second; /* of the wall clock, 2026-11-23T10:00:SSZ */
	int64_t zxid;
	bool obeyed; /* the last decision was formed on a person's word that is news */
};

void decider_case_open(struct decider_case *of, const char *publisher);
void decider_case_close(struct decider_case *of);

/* A second later, everything is as of->nodes has it; then the decision on of->store. */
enum publish_action decider_case_round(struct decider_case *of);
enum publish_action decider_case_form(struct decider_case *of); /* no round in between */

/* The decision is what the store has from now on; `told`: the decider hears that it was its own. */
void decider_case_store(struct decider_case *of, bool told);

/* The store has a null that no publisher wrote; a person names a node as the primary. */
void decider_case_null(struct decider_case *of);
void decider_case_set(struct decider_case *of, int node, int64_t timeline);

void decider_case_down(struct decider_case *of, int node, enum server_class class);
void decider_case_promote(struct decider_case *of, int node, int64_t timeline);
void decider_case_event(struct decider_case *of, int by, const char *name, const char *at);

/* The case of a test suite with this setup and teardown: publisher pub1. */
extern struct decider_case c;
void decider_setup(void);
void decider_teardown(void);

#define assert_action(actual, wanted)                                                 \
	do {                                                                          \
		enum publish_action actual_ = (actual);                               \
		cr_assert_eq(actual_, wanted, "%s: %s", publish_action_name(actual_), \
		             c.decision.reason);                                      \
	} while (0)

void assert_reason(const char *part);

/* The store has db1 on timeline 1, written by this publisher. */
void publish_first(void);

#endif
