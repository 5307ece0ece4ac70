/* The administrator's pgbouncer.ini with the files that it includes: settings, databases, whether
 * it includes the output (the file that segue writes), and where PgBouncer would stop reading. What
 * PgBouncer would accept is not judged. */
#ifndef SEGUE_PGBOUNCER_MODEL_CONFIG_H
#define SEGUE_PGBOUNCER_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/string_list.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/ini_syntax.h"
#include "pgbouncer/model/show.h"

struct pgbouncer_setting { /* in [pgbouncer] */
	char *name, *value;
	char *file;
	unsigned line;
};

struct pgbouncer_main_database {
	char *name;
	struct pgbouncer_pairs pairs;
	char *file;
	unsigned line;
};

struct pgbouncer_main {
	struct pgbouncer_setting *settings;
	size_t setting_count;
	struct pgbouncer_main_database *databases; /* one per name: the last definition counts */
	size_t database_count;
	struct string_list includes; /* the paths as written */
	bool takes_output;           /* the file is the output, or a %include line leads to it */
	bool passed_over;            /* a %include line leads to a file that cannot be read here */
	char *problem;   /* where and why PgBouncer would stop reading; NULL: it would not */
	char *overruled; /* file and line that define a database of the output again after the
	                  * output, and its name; only the first one; NULL: none */
};

/* Which PgBouncer reads the file, and what the output holds then. All pointers are borrowed. */
struct pgbouncer_reading {
	unsigned minor; /* of PgBouncer 1.x; 0: not known, and unknown keys and sections are
	                 * accepted */
	const struct pgbouncer_table *config; /* SHOW CONFIG, for the settings that it has; NULL:
	                                       * not known, and all settings are accepted */
	const char *output; /* read as if it held `text`, whatever it holds now; NULL: none */
	const char *text;   /* NULL: what `output` holds now */
	size_t len;
	const struct pgbouncer_ini *ini; /* the databases of `text`; NULL: not known */
	bool only_problem; /* do not list databases: there may be many, and a move is waiting */
};

/* False only if `file` itself cannot be read. An included file is skipped if this user has no
 * permission to read it, or if its path is relative (to where PgBouncer was started). Free with
 * pgbouncer_main_free() in either case. */
bool pgbouncer_main_load(const char *file, const struct pgbouncer_reading *reading,
                         struct pgbouncer_main *out, struct err *err) MUST_CHECK;
void pgbouncer_main_free(struct pgbouncer_main *config);

/* The last setting of this name; NULL: not set in these files. */
const struct pgbouncer_setting *pgbouncer_main_find(const struct pgbouncer_main *config,
                                                    const char *name);
const char *pgbouncer_main_get(const struct pgbouncer_main *config, const char *name);

/* True if it is certain that a PgBouncer with this file does not read the output. */
bool pgbouncer_main_leaves_out(const struct pgbouncer_main *config);

/* The error for that case (arguments: file, output), and what the administrator has to do
 * (argument: output). */
#define PGBOUNCER_NOT_INCLUDED \
	"the PgBouncer that console connects to was started with %s, which does not include %s"
#define PGBOUNCER_NOT_INCLUDED_CURE                                                                  \
	"add the line \"%%include %s\" at its end, then systemctl reload pgbouncer; or, if that is " \
	"another PgBouncer, correct console"

/* True if PgBouncer, after reading this file, follows `output` for all its databases. False if one
 * of them is defined again after `output`: `err` names file and line and says what to do. */
bool pgbouncer_main_obeys(const struct pgbouncer_main *config, const char *output,
                          struct err *err) MUST_CHECK;

#endif
