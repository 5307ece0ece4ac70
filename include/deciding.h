/* A decision in the making; for decide*.c only. */
#ifndef SEGUE_DECIDING_H
#define SEGUE_DECIDING_H

#include "decide.h"
#include "elect.h"
#include "store_word.h"

struct deciding {
	const struct decide_input *in;
	struct store_value word;
	bool follows; /* the store's value at hand is being followed: its zxid becomes ours */
	struct decision out;
};

/* The last one applied, when clients are led there by this process or have been; or NULL. */
const struct topology *deciding_applied(const struct deciding *deciding);

void deciding_conclude(struct deciding *deciding, enum decision_kind kind, const char *reason);
void deciding_lose(struct deciding *deciding, enum config_loss policy, enum decide_held by,
                   const char *reason);

/* MOVE to the candidate, or CURRENT when nothing would be different. */
void deciding_move(struct deciding *deciding, const struct topology *named,
                   const struct election *election, const char *reason);

/* --- decide_servers.c --- */

/* What the primary of `named` is held against now. A person's word in it leaves no timeline. */
struct floor deciding_floor(const struct decide_input *in, const struct topology *named);

/* The servers are asked about the primary of `named`. */
void decide_by_servers(struct deciding *deciding, const struct topology *named);

/* Clients are held, and the applied primary is admitted again: they go on. */
bool deciding_release(struct deciding *deciding);

#endif
