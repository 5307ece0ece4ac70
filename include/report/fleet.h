/* What a sidecar says of itself in the fleet, as a value and as the JSON of its znode. Pure. Every
 * text is cut to its field and printable ASCII, on the way out and on the way in. */
#ifndef SEGUE_REPORT_FLEET_H
#define SEGUE_REPORT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/strbuf.h"

/* So much that the znode stays under 64 kB whatever they hold. */
#define FLEET_TARGETS_MAX 56
#define FLEET_WORD_MAX    64 /* bytes, with the NUL; for names and "address:port" */
#define FLEET_TEXT_MAX    256

struct fleet_target {
	char name[FLEET_WORD_MAX], kind[FLEET_WORD_MAX];
	int64_t zxid; /* of the text that it is to have */
	bool in_sync;
	char primary[FLEET_WORD_MAX]; /* where it was confirmed to lead last; "": not yet */
	char problem[FLEET_TEXT_MAX];
	int64_t old_sessions; /* to a former primary; -1: not known */
};

struct fleet_note {
	char segue[FLEET_WORD_MAX]; /* the version */
	char host[FLEET_WORD_MAX];
	int64_t pid;
	char started[CLOCK_WALL_MAX];
	int64_t zxid; /* that all targets have confirmed; 0: none yet */
	int64_t seen_zxid;
	char at[CLOCK_WALL_MAX];      /* when `zxid` was confirmed; "" */
	char primary[FLEET_WORD_MAX]; /* where all targets were confirmed to lead; "" */
	char state[FLEET_WORD_MAX], about[FLEET_WORD_MAX]; /* as in the status document, */
	char reason[FLEET_TEXT_MAX], why[FLEET_TEXT_MAX];  /* as these two, */
	char alarm[FLEET_TEXT_MAX];                        /* and this */
	bool holding, ready;
	size_t target_total; /* of which FLEET_TARGETS_MAX at most are told one by one: */
	size_t target_count;
	struct fleet_target *targets; /* owned */
};

/* All zero, but for room for the targets. */
void fleet_note_init(struct fleet_note *note, size_t target_total);
void fleet_note_fini(struct fleet_note *note);

/* Copies what fits, with "?" for what is not printable ASCII; NULL is "". */
void fleet_copy(char *out, size_t size, const char *text);

void fleet_encode(const struct fleet_note *note, struct strbuf *out);

/* Unknown keys are passed over, known ones may be missing but for version and zxid. `out` is to be
 * ended with fleet_note_fini() on success only. */
bool fleet_decode(const char *data, size_t len, struct fleet_note *out, struct err *err) MUST_CHECK;

#endif
