/* The fleet of a cluster as a whole: what the store says, what each sidecar says, and who of them
 * is not where the store points. Pure but for `out` of the table. */
#ifndef SEGUE_REPORT_FLEET_VIEW_H
#define SEGUE_REPORT_FLEET_VIEW_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "report/fleet.h"

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
