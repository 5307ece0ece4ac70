/* What a sidecar reports about itself to the fleet, as a struct and as the JSON of its znode. Pure.
 * Every text is cut to the size of its field and is printable ASCII, both when written and when
 * read. */
#ifndef SEGUE_REPORT_FLEET_H
#define SEGUE_REPORT_FLEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/strbuf.h"

/* So few that the znode stays under 64 kB, whatever they hold. */
#define FLEET_TARGETS_MAX 56
#define FLEET_WORD_MAX    64 /* bytes, with the NUL; for names and "address:port" */
#define FLEET_TEXT_MAX    256

struct fleet_target {
	char name[FLEET_WORD_MAX], kind[FLEET_WORD_MAX];
	int64_t zxid; /* of the text that the target is to have */
	bool in_sync;
	char primary[FLEET_WORD_MAX]; /* the primary that it last confirmed; "": none yet */
	char problem[FLEET_TEXT_MAX];
	int64_t old_sessions; /* sessions to a former primary; -1: not known */
};

struct fleet_note {
	char segue[FLEET_WORD_MAX]; /* its version */
	char host[FLEET_WORD_MAX];
	int64_t pid;
	char started[CLOCK_WALL_MAX];
	int64_t zxid; /* that all targets have confirmed; 0: none yet */
	int64_t seen_zxid;
	char at[CLOCK_WALL_MAX];      /* when `zxid` was confirmed; "": not yet */
	char primary[FLEET_WORD_MAX]; /* the primary that all targets have confirmed; "": none */
	/* As in the status document; `alarm` without that of a hold that is over. */
	char state[FLEET_WORD_MAX], about[FLEET_WORD_MAX];
	char reason[FLEET_TEXT_MAX], why[FLEET_TEXT_MAX];
	char alarm[FLEET_TEXT_MAX];
	bool holding, ready;
	size_t target_total; /* at most FLEET_TARGETS_MAX of them are in `targets` */
	size_t target_count;
	struct fleet_target *targets; /* owned */
};

/* All zero, with room for the targets. */
void fleet_note_init(struct fleet_note *note, size_t target_total);
void fleet_note_fini(struct fleet_note *note);

/* Copies what fits. What is not printable ASCII becomes "?". NULL counts as "". */
void fleet_copy(char *out, size_t size, const char *text);

void fleet_encode(const struct fleet_note *note, struct strbuf *out);

/* Unknown keys are ignored. All known keys except version and zxid may be missing. Call
 * fleet_note_fini() on `out` only after success. */
bool fleet_decode(const char *data, size_t len, struct fleet_note *out, struct err *err) MUST_CHECK;

/* For all JSON documents: NULL and "" become null. Text that is not UTF-8 is escaped, because JSON
 * cannot hold it. */
json_t *report_text_json(const char *text) MUST_CHECK;

/* --- the fleet of a cluster ---
 *
 * What the store says, what each sidecar reports, and which sidecars do not lead to the primary
 * that the store names. Pure, except that fleet_table_print() writes to `out`. */

enum fleet_mark {
	FLEET_OK,
	FLEET_UNREADABLE,  /* the znode cannot be read, or no live sidecar owns it */
	FLEET_ELSEWHERE,   /* its targets lead to another server than the store names */
	FLEET_BEHIND,      /* it has not confirmed the store's value yet */
	FLEET_OUT_OF_SYNC, /* it has confirmed it, but a target is not as it should be */
	FLEET_UNKNOWN,     /* the store names no primary, or its value cannot be read */
};

struct fleet_entry {
	const char *name, *path;       /* of the znode */
	int64_t mzxid;                 /* of the znode; 0: not read */
	bool alive;                    /* a session owns the znode; it is not persistent */
	const struct fleet_note *note; /* NULL: it cannot be read; see `problem` */
	const char *problem;           /* why `note` is NULL */
};

struct fleet_view { /* all pointers are borrowed */
	const char *cluster;
	int64_t zxid;                 /* of the master znode's value; 0: there is none */
	char primary[FLEET_WORD_MAX]; /* that it names; "": none, or not known */
	const char *store_problem;    /* NULL: none */
	const struct fleet_entry *entries;
	size_t count;
	time_t now;
};

enum fleet_mark fleet_judge(const struct fleet_view *view, const struct fleet_entry *entry);
const char *fleet_mark_name(enum fleet_mark mark);

/* True if the store names a primary and has no problem, and there are sidecars, and all of them are
 * FLEET_OK. */
bool fleet_is_well(const struct fleet_view *view);

size_t fleet_in_sync(const struct fleet_note *note);       /* of target_total */
int64_t fleet_old_sessions(const struct fleet_note *note); /* the sum; -1: no target knows */

void fleet_table_print(const struct fleet_view *view, bool colour, FILE *out);

/* For `segue fleet --json`. Returns a new reference. */
json_t *fleet_view_json(const struct fleet_view *view) MUST_CHECK;

/* -- segue wait -- */

/* True if the sidecar is alive and its targets have confirmed the value of `zxid`, or a newer
 * one. */
bool fleet_has_confirmed(const struct fleet_entry *entry, int64_t zxid);

/* True if this is so for every live sidecar. `empty_is_fine`: also if there is none. */
bool fleet_all_confirmed(const struct fleet_view *view, int64_t zxid, bool empty_is_fine);

/* Appends one line, without a line feed, about a sidecar that has not confirmed: its name, how far
 * it is, and what it reports. */
void fleet_say_missing(const struct fleet_entry *entry, struct strbuf *out);

#endif
