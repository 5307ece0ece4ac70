/* A person's own pgbouncer.ini, with the files that it takes in: settings, databases, whether it
 * takes in the file that segue writes, and where PgBouncer would stop reading it. What it would
 * read is not judged: that is the person's business. */
#ifndef SEGUE_PGBOUNCER_MODEL_CONFIG_H
#define SEGUE_PGBOUNCER_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/ini_syntax.h"
#include "pgbouncer/model/show.h"

struct pgbouncer_setting { /* of [pgbouncer] */
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
	struct pgbouncer_main_database *databases; /* one a name: the last one counts */
	size_t database_count;
	char **includes; /* as they are spelled */
	size_t include_count;
	bool takes_output; /* it is, or one of the %include lines leads to, the output */
	bool passed_over;  /* some %include line leads to what cannot be read here */
	char *problem;     /* where reading ended early, as PgBouncer's would; NULL: it did not */
	char *overruled;   /* where a database of the output is defined once more behind it: name,
	                    * file and line of the first one; NULL: nowhere */
};

/* Who is to read it; all of it borrowed. */
struct pgbouncer_reading {
	unsigned minor; /* of PgBouncer 1.x; 0: not known, and keys and sections that no PgBouncer
	                 * has are let pass */
	const struct pgbouncer_table *config; /* its SHOW CONFIG, for the settings that it has;
	                                       * NULL: not known, and all are let pass */
	const char *output; /* this file holds `text` by then, whatever it holds now; NULL: none */
	const char *text;   /* NULL: what it holds now */
	size_t len;
	const struct pgbouncer_ini *ini; /* the databases of `text`; NULL: not known */
	bool only_problem; /* databases are not listed: on the path of a move, there may be many */
};

/* False only when `file` itself cannot be read. What only this user may not read, or has a path
 * that depends on where PgBouncer was started, is passed over. Free with pgbouncer_main_free()
 * either way. */
bool pgbouncer_main_load(const char *file, const struct pgbouncer_reading *reading,
                         struct pgbouncer_main *out, struct err *err) MUST_CHECK;
void pgbouncer_main_free(struct pgbouncer_main *config);

/* NULL: not set there. */
const struct pgbouncer_setting *pgbouncer_main_find(const struct pgbouncer_main *config,
                                                    const char *name);
const char *pgbouncer_main_get(const struct pgbouncer_main *config, const char *name);

/* It is certain that PgBouncer does not read the output with this file. */
bool pgbouncer_main_leaves_out(const struct pgbouncer_main *config);

/* What is wrong then, and what a person is to do. */
#define PGBOUNCER_NOT_INCLUDED                                                                    \
	"the PgBouncer of console was started with %s, which does not take in %s" /* file, output \
	                                                                           */
#define PGBOUNCER_NOT_INCLUDED_CURE                                                                  \
	"add the line \"%%include %s\" at its end, then systemctl reload pgbouncer; or, if that is " \
	"another PgBouncer, correct console" /* output */

/* Does PgBouncer lead the databases of `output` where that says, once it has read it? Not where one
 * is defined once more behind it: `err` then names the file and line, and what to do. */
bool pgbouncer_main_obeys(const struct pgbouncer_main *config, const char *output,
                          struct err *err) MUST_CHECK;

#endif
