/* What a sidecar says of itself in the fleet, as a value and as the JSON of its znode. Pure. Every
 * text is cut to its field and printable ASCII, on the way out and on the way in. */
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

/* The fleet of a cluster as a whole: what the store says, what each sidecar says, and who of them
 * is not where the store points. Pure but for `out` of the table. */

enum fleet_mark {
	FLEET_OK,
	FLEET_UNREADABLE,  /* the znode cannot be read, or is no sidecar's */
	FLEET_ELSEWHERE,   /* its targets lead to another server than the store names */
	FLEET_BEHIND,      /* it has not confirmed the store's value yet */
	FLEET_OUT_OF_SYNC, /* it has, but a target is not as it should be now */
	FLEET_UNKNOWN,     /* the store names no primary, or none that can be read */
};

struct fleet_entry {
	const char *name, *path;       /* of the znode */
	int64_t mzxid;                 /* of the znode; 0: not read */
	bool alive;                    /* it is a session's; a persistent znode is nobody's */
	const struct fleet_note *note; /* NULL: it cannot be read, */
	const char *problem;           /* for this reason */
};

struct fleet_view { /* all borrowed */
	const char *cluster;
	int64_t zxid;                 /* of the master znode's value; 0: there is none */
	char primary[FLEET_WORD_MAX]; /* whom it names; "": nobody, or not known */
	const char *store_problem;    /* NULL: none */
	const struct fleet_entry *entries;
	size_t count;
	time_t now;
};

enum fleet_mark fleet_judge(const struct fleet_view *view, const struct fleet_entry *entry);
const char *fleet_mark_name(enum fleet_mark mark);

/* There is a primary, there are sidecars, and every one of them leads to it. */
bool fleet_is_well(const struct fleet_view *view);

size_t fleet_in_sync(const struct fleet_note *note);       /* of target_total */
int64_t fleet_old_sessions(const struct fleet_note *note); /* -1: no target knows */

void fleet_table_print(const struct fleet_view *view, bool colour, FILE *out);

/* For `segue fleet --json`; a new reference. */
json_t *fleet_view_json(const struct fleet_view *view) MUST_CHECK;

/* -- segue wait -- */

/* It is alive, and its targets have confirmed that value or a newer one. */
bool fleet_has_confirmed(const struct fleet_entry *entry, int64_t zxid);

/* Every live sidecar has; `empty_is_fine`: also where there is none. */
bool fleet_all_confirmed(const struct fleet_view *view, int64_t zxid, bool empty_is_fine);

/* One line without its end on a sidecar that has not: who, how far it is, and what it says. */
void fleet_say_missing(const struct fleet_entry *entry, struct strbuf *out);

#endif
