/* What `segue init` is going to write and to say: two files, what was found, and the steps that are
 * left to the person, in their order. Filled by init_haproxy() or init_pgbouncer(). */
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
	const char *proxy_config;     /* NULL: where Debian has it */
	const char *defaults;         /* Debian's environment file of HAProxy's unit */
	const char *dir;              /* where segue.ini is to be, absolute */
	const char *cluster;          /* NULL where there is a `beside`: to be chosen */
	const char *target;           /* the name of the proxy's section */
	const char *zookeeper, *path; /* NULL: to be filled in by hand */
	const struct config *beside;  /* the segue.ini that is added to; NULL: it is a new one */
};

struct init_file {
	char *path;
	struct strbuf text;
	struct file_owner owner;
};

struct init_plan {
	const struct init_options *options;
	struct init_file ini, template_file;
	struct strbuf trial; /* the text of ini, with an example in every value to fill in */
	size_t added_from;   /* the text of ini before it is what was there */
	enum config_target_kind kind;
	char *address, *output; /* of the proxy's section: its socket or console, and its file */
	struct strbuf found;    /* lines to print */
	struct strbuf fill_in;  /* the same: which lines of ini nobody could know */
	struct strbuf steps;
	unsigned step_count;
};

/* False where the proxy's configuration cannot be read. plan_fini() either way. */
bool init_haproxy(const struct init_options *options, struct init_plan *plan,
                  struct err *err) MUST_CHECK;
bool init_pgbouncer(const struct init_options *options, struct init_plan *plan,
                    struct err *err) MUST_CHECK;

/* For those two. */

struct plan_cluster { /* what a proxy's configuration tells of it */
	bool patroni;
	const char *host, *port; /* of one of its servers; NULL: none is known */
};

void plan_init(struct init_plan *plan, const struct init_options *options);
void plan_fini(struct init_plan *plan);

void plan_found(struct init_plan *plan, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "\nN. text:\n\n", under which come plan_line()s to type or to write. */
void plan_step(struct init_plan *plan, const char *fmt, ...) PRINTF_LIKE(2, 3);
void plan_line(struct init_plan *plan, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A comment of segue.ini, wrapped, and a line as it is. */
void plan_comment(struct init_plan *plan, const char *fmt, ...) PRINTF_LIKE(2, 3);
void plan_ini(struct init_plan *plan, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A comment "FILL IN: what", and the key without a value: a guess would look as if it worked. The
 * file has to load with `example` there. */
void plan_fill_in(struct init_plan *plan, const char *key, const char *what, const char *example);

/* The head of segue.ini, [zookeeper] and [cluster]; `source` is what was read. */
void plan_begin(struct init_plan *plan, const char *proxy, const char *source,
                const struct plan_cluster *cluster);

/* The steps that both proxies have: what to fill in, the role, the znode. */
void plan_store_steps(struct init_plan *plan, const struct plan_cluster *cluster);

/* Look, then run: by the unit of segue's package, where it is installed and reads this segue.ini;
 * else as `user` (NULL: root). */
void plan_run_step(struct init_plan *plan, const char *unit, const char *user);

/* Whom segue will run as: the user of the package's unit where it is installed, else `user`. NULL
 * where there is no such user; account_free(). */
struct account *plan_account(const char *unit, const char *user) MUST_CHECK;

/* A segue.ini that is there already, and a further proxy: what its section may be called, which
 * cluster it follows, and whether the file has it already. */

/* Sets options->beside, ->cluster where it is NULL (the file's only one) and ->target (the caller
 * frees `*target`). False where there are several clusters, and none is named. */
bool append_choose(const struct config *config, struct init_options *options, char **target,
                   struct err *err) MUST_CHECK;

/* The section that drives the plan's proxy for the plan's cluster already; NULL: none. */
const struct config_target *append_find_same(const struct config *config,
                                             const struct init_plan *plan);

/* The files that segue init writes. */

/* Somebody's, and something else; what a package puts there is nobody's. */
bool init_file_is_in_the_way(const struct init_file *file) MUST_CHECK;

/* Writes it, with the folders that it needs, and prints its name. `keep`: what was there stays,
 * under a name that is printed. */
bool init_file_write(const struct init_file *file, bool keep, struct err *err) MUST_CHECK;

#endif
