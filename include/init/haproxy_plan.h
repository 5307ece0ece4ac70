/* Inside `segue init haproxy`: what was read, and the steps that follow from it. Nobody else
 * includes this. */
#ifndef SEGUE_INIT_HAPROXY_PLAN_H
#define SEGUE_INIT_HAPROXY_PLAN_H

#include <stdbool.h>

#include "apply/haproxy_files.h"
#include "init/debian.h"
#include "init/found_haproxy.h"
#include "init/plan.h"

struct haproxy_plan {
	struct init_plan *plan;
	struct debian_haproxy debian;
	struct haproxy_files files; /* all that HAProxy reads; the main one first */
	struct haproxy_survey found;
	const char *main_file;
	bool is_debians;   /* the main file is the one that Debian's unit loads */
	char *folder;      /* where segue's file is to be */
	bool folder_known; /* HAProxy loads it already */
	bool restart;      /* a step changes what HAProxy is started with */
};

const char *haproxy_plan_master(const struct haproxy_plan *init); /* the master socket */

/* Before and after the steps that every proxy has. */
void haproxy_plan_first_steps(struct haproxy_plan *init);
void haproxy_plan_last_steps(struct haproxy_plan *init);

#endif
