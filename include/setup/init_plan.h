/* The plan of `segue init`: the two files that it will write, the findings that it prints, and the
 * steps that the user has to do, in their order. Filled by init_haproxy() or init_pgbouncer(). */
#ifndef SEGUE_SETUP_INIT_PLAN_H
#define SEGUE_SETUP_INIT_PLAN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/util.h"
#include "config/config.h"

struct account;

struct init_options {
	const char *proxy_config;     /* NULL: Debian's path */
	const char *defaults;         /* environment file of Debian's haproxy.service */
	const char *dir;              /* folder of segue.ini, absolute */
	const char *cluster;          /* NULL, only with `beside`: append_choose() sets it */
	const char *target;           /* the name of the proxy's section */
	const char *zookeeper, *path; /* NULL: to be filled in by hand */
	const struct config *beside;  /* the existing segue.ini to append to; NULL: none */
};

struct init_file {
	char *path;
	struct strbuf text;
	struct file_owner owner;
};

struct init_plan {
	const struct init_options *options;
	struct init_file ini, template_file;
	struct strbuf trial; /* the text of `ini`, with an example for every value to fill in */
	size_t added_from;   /* offset in the text of `ini`: the existing file ends there */
	enum config_target_kind kind;
	char *address, *output; /* of the proxy's section: its socket or console; its output */
	struct strbuf found;    /* lines to print */
	struct strbuf fill_in;  /* lines to print: which lines of `ini` are to be filled in */
	struct strbuf steps;
	unsigned step_count;
};

/* False if the proxy's configuration cannot be read. Call plan_fini() in either case. */
bool init_haproxy(const struct init_options *options, struct init_plan *plan,
                  struct err *err) MUST_CHECK;
bool init_pgbouncer(const struct init_options *options, struct init_plan *plan,
                    struct err *err) MUST_CHECK;

/* The functions below are for init_haproxy() and init_pgbouncer(). */

struct plan_cluster { /* what a proxy's configuration says about its cluster */
	bool patroni;
	const char *host, *port; /* of one of its servers; NULL: not known */
};

void plan_init(struct init_plan *plan, const struct init_options *options);
void plan_fini(struct init_plan *plan);

/* Where plan_add() puts a text. */
enum plan_part {
	PLAN_FOUND,
	PLAN_STEP,    /* "\nN. text:\n\n" */
	PLAN_LINE,    /* below a step, for the user to type or to write */
	PLAN_COMMENT, /* of segue.ini, wrapped */
	PLAN_INI,     /* a line of segue.ini */
};

void plan_add(struct init_plan *plan, enum plan_part part, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define plan_found(plan, ...)   plan_add(plan, PLAN_FOUND, __VA_ARGS__)
#define plan_step(plan, ...)    plan_add(plan, PLAN_STEP, __VA_ARGS__)
#define plan_line(plan, ...)    plan_add(plan, PLAN_LINE, __VA_ARGS__)
#define plan_comment(plan, ...) plan_add(plan, PLAN_COMMENT, __VA_ARGS__)
#define plan_ini(plan, ...)     plan_add(plan, PLAN_INI, __VA_ARGS__)

/* Adds a comment "FILL IN: what" and the key without a value, because a guess would look as if it
 * worked. The file has to load with `example` as the value. */
void plan_fill_in(struct init_plan *plan, const char *key, const char *what, const char *example);

/* Adds the beginning of segue.ini: [zookeeper] and [cluster]. `source`: the file that was read. */
void plan_begin(struct init_plan *plan, const char *proxy, const char *source,
                const struct plan_cluster *cluster);

/* Adds the steps that both proxies need: values to fill in, the PostgreSQL role, the znode. */
void plan_store_steps(struct init_plan *plan, const struct plan_cluster *cluster);

/* Adds the step to check and then run segue: by the unit of segue's package if it is installed and
 * reads this segue.ini, otherwise as `user` (NULL: root). */
void plan_run_step(struct init_plan *plan, const char *unit, const char *user);

/* The user that segue will run as: the user of the package's unit if that is installed, otherwise
 * `user`. NULL if there is no such user. Free with account_free(). */
struct account *plan_account(const char *unit, const char *user) MUST_CHECK;

/* --- one more proxy in an existing segue.ini --- */

/* Sets options->beside, options->target (the caller frees `*target`) and, if it is NULL,
 * options->cluster to the file's only cluster. False if options->cluster is NULL and the file has
 * not exactly one cluster. */
bool append_choose(const struct config *config, struct init_options *options, char **target,
                   struct err *err) MUST_CHECK;

/* The section that already drives the plan's proxy for the plan's cluster; NULL: none. */
const struct config_target *append_find_same(const struct config *config,
                                             const struct init_plan *plan);

/* --- the files that segue init writes --- */

/* True if the file exists with another text that a person may have written. The files that a
 * package installs do not count. */
bool init_file_is_in_the_way(const struct init_file *file) MUST_CHECK;

/* Writes the file, creates missing folders, and prints the file's name. With `keep`, an existing
 * file is kept under another name, which is printed. */
bool init_file_write(const struct init_file *file, bool keep, struct err *err) MUST_CHECK;

#endif
