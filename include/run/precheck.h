/* What is asked about the rendered texts of a configuration before anything is installed: who uses
 * the databases that a PgBouncer would lose, and the check_commands, on probe files beside the
 * outputs, hidden, with names that no target uses, removed afterwards. */
#ifndef SEGUE_RUN_PRECHECK_H
#define SEGUE_RUN_PRECHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "base/util.h"
#include "config/config.h"

struct event_base;
struct precheck;

struct precheck_request {
	const struct config *config; /* borrowed, with the texts, until the end */
	const struct strbuf *texts;  /* one a target; an empty one is not checked */
	bool changed_only;           /* not those whose output holds the text already */
	/* The word on one target: `what` is how its command ended, with the end of its output, on
	 * one line, or why it could not be run. */
	void (*checked)(size_t target, bool accepted, const char *what, void *arg);
	/* Databases that the output of a [pgbouncer] has and the text has not; see
	 * lost_databases.h. The check_command's word comes after it. */
	void (*lost)(size_t target, bool used, const char *what, void *arg);
	void (*done)(void *arg); /* once, after the last word; the check is gone by then */
	void *arg;
};

/* Few at a time. Never calls back inside the call, nor after precheck_cancel(). */
struct precheck *precheck_start(struct event_base *base,
                                const struct precheck_request *request) MUST_CHECK;
void precheck_cancel(struct precheck *check); /* stops the commands; NULL is fine */

#endif
