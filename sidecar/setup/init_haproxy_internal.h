/* Internal to `segue init haproxy`: what was read from HAProxy's files. Only init_haproxy.c
 * includes this. */
#ifndef SEGUE_SETUP_INIT_HAPROXY_INTERNAL_H
#define SEGUE_SETUP_INIT_HAPROXY_INTERNAL_H

#include <stdbool.h>

#include "haproxy/debian.h"
#include "haproxy/process_args.h"
#include "haproxy_survey_internal.h"
#include "setup/init_plan.h"

struct haproxy_plan {
	struct init_plan *plan;
	struct debian_haproxy debian;
	struct haproxy_files files; /* all files that HAProxy reads, the main one first */
	struct haproxy_survey found;
	const char *main_file;
	bool is_debians;   /* the main file is the one that Debian's unit loads */
	char *folder;      /* folder of the file that segue writes */
	bool folder_known; /* HAProxy already loads `folder` */
	bool restart;      /* a step changes what HAProxy reads only at its start */
};

#endif
