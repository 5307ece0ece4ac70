/* Checks the rendered texts of a configuration before anything is installed: who uses the databases
 * that a PgBouncer would lose, and whether each check_command accepts its text. The commands get
 * hidden files beside the outputs, with names that no target uses; these files are removed
 * afterwards. */
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
	const struct config
	    *config; /* borrowed, as are the texts, until `done` or precheck_cancel() */
	const struct strbuf *texts; /* one per target; an empty one is not checked */
	bool changed_only;          /* leave out targets whose output holds the text already */
	/* The result for one target: `what` is how its command ended, with the end of its output,
	 * on one line, or why it could not be run. */
	void (*checked)(size_t target, bool accepted, const char *what, void *arg);
	/* Databases that the output of a [pgbouncer] has and the text does not have; see
	 * lost_databases.h. Called before the result of check_command. */
	void (*lost)(size_t target, bool used, const char *what, void *arg);
	void (*done)(void *arg); /* once, after the last result; the precheck is freed by then */
	void *arg;
};

/* Checks a few targets at a time. Never calls back inside the call, nor after precheck_cancel(). */
struct precheck *precheck_start(struct event_base *base,
                                const struct precheck_request *request) MUST_CHECK;
void precheck_cancel(struct precheck *check); /* stops the commands; NULL is fine */

#endif
