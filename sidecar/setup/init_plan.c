/* Builds the texts of segue init. Wraps the comments of segue.ini, because libinih limits the
 * length of a line. */
#include "setup/init_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "haproxy/debian.h"
#include "init_internal.h"
#include "setup/fill_in.h"
#include "setup/unit.h"

/* --- writing the files: one that a person may have written is kept under another name --- */

#define FILE_MAX    ((size_t)16 * 1024 * 1024) /* bytes */
#define BACKUPS_MAX 100

static bool same_text(const char *path, const char *text, size_t len)
{
	auto_strbuf struct strbuf found = STRBUF_INIT;
	struct err ignored;

	return file_read(path, FILE_MAX, &found, NULL, &ignored) && found.len == len &&
	       memcmp(found.data, text, len) == 0;
}

/* True for the sample or Debian's segue.ini, as a package installs them: to replace these loses
 * nobody's work. */
static bool is_sample(const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool same;

	if (out == NULL)
		return false;
	config_print_sample(out);
	same = (fclose(out) == 0 && same_text(path, text, len)) ||
	       same_text(path, shipped_debian_ini, strlen(shipped_debian_ini));
	free(text);
	return same;
}

bool init_file_is_in_the_way(const struct init_file *file)
{
	return access(file->path, F_OK) == 0 &&
	       !same_text(file->path, file->text.data, file->text.len) && !is_sample(file->path);
}

/* Gives the old file a second name before the first one is replaced. Returns the second name, which
 * the caller frees; NULL on failure. */
static char *keep_old(const char *path, struct err *err)
{
	for (unsigned i = 1; i <= BACKUPS_MAX; i++) {
		auto_free char *name =
		    xasprintf("%s.before-init%s%.0u", path, i > 1 ? "-" : "", i > 1 ? i : 0);

		if (link(path, name) == 0)
			return STEAL(name);
		if (errno != EEXIST) {
			err_set_errno(err, errno, "cannot keep %s as %s", path, name);
			return NULL;
		}
	}
	err_set(err, "%s: there are %d kept copies of it: remove some", path, BACKUPS_MAX);
	return NULL;
}

/* Creates the folder of the file and all folders above it. */
static bool make_folders(const char *path, struct err *err)
{
	for (const char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
		auto_free char *folder = xstrndup(path, (size_t)(at - path));

		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			return err_set_errno(err, errno, "cannot make %s", folder);
	}
	return true;
}

bool init_file_write(const struct init_file *file, bool keep, struct err *err)
{
	auto_free char *kept = NULL;

	if (same_text(file->path, file->text.data, file->text.len)) {
		printf("  %s is there already, and the same\n", file->path);
		return true;
	}
	if (!make_folders(file->path, err))
		return false;
	if (keep && access(file->path, F_OK) == 0) {
		kept = keep_old(file->path, err);
		if (kept == NULL)
			return false;
	}
	if (!file_replace(file->path, file->text.data, file->text.len, &file->owner, err))
		return false;
	printf("  %s%s%s\n", file->path, kept != NULL ? ", and the old one is " : "",
	       kept != NULL ? kept : "");
	return true;
}

/* --- one more proxy on this machine: one segue drives all, so segue.ini is appended to --- */

#define TARGET "local"

static bool is_taken(const struct config *config, const char *target)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].name, target) == 0)
			return true;
	return false;
}

/* A free name: "local", "local-2", ... It is unique among targets of all kinds, so that segue
 * render needs no KIND/NAME. Caller frees. */
static char *free_name(const struct config *config)
{
	char *name = xstrdup(TARGET);

	for (unsigned i = 2; is_taken(config, name); i++) {
		auto_free char *taken = name;

		name = xasprintf(TARGET "-%u", i);
	}
	return name;
}

bool append_choose(const struct config *config, struct init_options *options, char **target,
                   struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF_INIT;

	*target = free_name(config);
	options->beside = config;
	options->target = *target;
	if (options->cluster != NULL)
		return true;
	options->cluster = config->clusters[0].name;
	for (size_t i = 0; i < config->cluster_count; i++)
		strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", config->clusters[i].name);
	return config->cluster_count == 1 ||
	       err_set(err,
	               "%s has the clusters %s: --cluster has to name the one that this proxy "
	               "follows, or a new one",
	               config->file, names.data);
}

const struct config_target *append_find_same(const struct config *config,
                                             const struct init_plan *plan)
{
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];
		const char *address =
		    target->kind == CONFIG_TARGET_HAPROXY ? target->socket : target->console;

		if (target->kind == plan->kind &&
		    strcmp(target->cluster, plan->options->cluster) == 0 &&
		    (strcmp(address, plan->address) == 0 ||
		     strcmp(target->output, plan->output) == 0))
			return target;
	}
	return NULL;
}

/* False without an existing file. */
static bool has_cluster_already(const struct init_options *options)
{
	const struct config *config = options->beside;

	for (size_t i = 0; config != NULL && i < config->cluster_count; i++)
		if (strcmp(config->clusters[i].name, options->cluster) == 0)
			return true;
	return false;
}

/* True if the file, with the plan's target, has both a HAProxy and a PgBouncer. */
static bool makes_both(const struct init_plan *plan)
{
	const struct config *config = plan->options->beside;
	const enum config_target_kind other =
	    plan->kind == CONFIG_TARGET_HAPROXY ? CONFIG_TARGET_PGBOUNCER : CONFIG_TARGET_HAPROXY;

	for (size_t i = 0; config != NULL && i < config->target_count; i++)
		if (config->targets[i].kind == other)
			return true;
	return false;
}

/* Only PgBouncer's own user needs no password at its console, so segue runs as that user and gets
 * HAProxy's group. The two units conflict (Conflicts=), so only one may be enabled. */
static void add_both_steps(struct init_plan *plan)
{
	plan_step(plan, "One segue drives both proxies, as PgBouncer's user and in HAProxy's "
	                "group. The first line opens an editor; type the other lines there:");
	plan_line(plan, "sudo systemctl edit " DEBIAN_POOLER_UNIT);
	plan_line(plan, "[Service]");
	plan_line(plan, "SupplementaryGroups=haproxy");
	plan_line(plan, "MemoryDenyWriteExecute=no");
	plan_step(plan, "Enable that unit and disable the other one; systemd does not run both:");
	plan_line(plan, "sudo systemctl disable " DEBIAN_UNIT);
	plan_line(plan, "sudo systemctl enable " DEBIAN_POOLER_UNIT);
}

#define WIDTH     96 /* columns */
#define FILE_NAME "segue.ini"

void plan_init(struct init_plan *plan, const struct init_options *options)
{
	*plan = (struct init_plan){.options = options,
	                           .ini = {.text = STRBUF_INIT},
	                           .template_file = {.text = STRBUF_INIT},
	                           .found = STRBUF_INIT,
	                           .trial = STRBUF_INIT,
	                           .fill_in = STRBUF_INIT,
	                           .steps = STRBUF_INIT};
	plan->ini.path = xasprintf("%s/" FILE_NAME, options->dir);
	if (options->beside == NULL)
		return;
	strbuf_append(&plan->ini.text, options->beside->text.data, options->beside->text.len);
	if (plan->ini.text.len > 0 && plan->ini.text.data[plan->ini.text.len - 1] != '\n')
		strbuf_append_char(&plan->ini.text, '\n');
	strbuf_append_char(&plan->ini.text, '\n');
	strbuf_append(&plan->trial, plan->ini.text.data, plan->ini.text.len);
	plan->added_from = plan->ini.text.len;
}

void plan_fini(struct init_plan *plan)
{
	free(plan->ini.path);
	free(plan->template_file.path);
	strbuf_fini(&plan->ini.text);
	strbuf_fini(&plan->template_file.text);
	free(plan->address);
	free(plan->output);
	strbuf_fini(&plan->trial);
	strbuf_fini(&plan->found);
	strbuf_fini(&plan->fill_in);
	strbuf_fini(&plan->steps);
}

/* The length of as many words as fit into `width`, but at least one. */
static size_t take_words(const char *text, size_t width)
{
	size_t taken = strcspn(text, " ");

	while (text[taken] == ' ') {
		size_t next = taken + 1 + strcspn(text + taken + 1, " ");

		if (next > width)
			break;
		taken = next;
	}
	return taken;
}

/* Appends the text in lines of WIDTH columns, with `first` before the first line and `next` before
 * the others. `next` NULL: in one line. */
static void wrap(struct strbuf *out, const char *first, const char *next, const char *text)
{
	const char *prefix = first;

	while (*text != '\0') {
		size_t len = next != NULL ? take_words(text, WIDTH - strlen(prefix)) : strlen(text);

		strbuf_printf(out, "%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == ' ');
		prefix = next;
	}
}

void plan_add(struct init_plan *plan, enum plan_part part, const char *fmt, ...)
{
	static const struct {
		const char *first, *next;
	} prefixes[] = {[PLAN_FOUND] = {"  ", "      "},
	                [PLAN_STEP] = {"", "   "},
	                [PLAN_LINE] = {"     ", NULL},
	                [PLAN_COMMENT] = {"; ", "; "},
	                [PLAN_INI] = {"", NULL}};
	auto_strbuf struct strbuf text = STRBUF_INIT, lines = STRBUF_INIT;
	va_list args;

	if (part == PLAN_STEP)
		strbuf_printf(&text, "%u. ", ++plan->step_count);
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	wrap(&lines, prefixes[part].first, prefixes[part].next, text.data);
	switch (part) {
	case PLAN_FOUND:
		strbuf_append(&plan->found, lines.data, lines.len);
		return;
	case PLAN_STEP:
		strbuf_printf(&plan->steps, "\n%s\n", lines.data);
		return;
	case PLAN_LINE:
		strbuf_append(&plan->steps, lines.data, lines.len);
		return;
	case PLAN_COMMENT:
	case PLAN_INI:
		strbuf_append(&plan->ini.text, lines.data, lines.len);
		strbuf_append(&plan->trial, lines.data, lines.len);
		return;
	}
}

void plan_fill_in(struct init_plan *plan, const char *key, const char *what, const char *example)
{
	unsigned line = 1;

	plan_comment(plan, MARK ": %s: %s", what, example);
	strbuf_printf(&plan->trial, "%s = %s\n", key, example);
	for (const char *at = plan->ini.text.data; *at != '\0'; at++)
		line += *at == '\n';
	strbuf_printf(&plan->ini.text, "%s =\n", key);
	strbuf_printf(&plan->fill_in, "     line %u, %s: %s\n", line, key, what);
}

static void begin_path(struct init_plan *plan, bool patroni)
{
	const struct init_options *options = plan->options;
	auto_free char *example =
	    xasprintf("%s/%s", patroni ? "/service" : "/segue", options->cluster);

	if (options->path != NULL)
		plan_ini(plan, "path = %s", options->path);
	else
		plan_fill_in(plan, "path",
		             patroni
		                 ? "/NAMESPACE/SCOPE, as patroni.yml has them"
		                 : "where ZooKeeper names the primary; segue watches PATH/master",
		             example);
}

void plan_begin(struct init_plan *plan, const char *proxy, const char *source,
                const struct plan_cluster *cluster)
{
	const struct init_options *options = plan->options;

	if (options->beside != NULL) {
		plan_comment(plan, "Added by `segue init %s` from %s.", proxy, source);
		if (options->zookeeper != NULL)
			plan_found(plan, "--zookeeper is ignored: [zookeeper] of %s is used",
			           plan->ini.path);
	} else {
		plan_comment(plan,
		             "Written by `segue init %s` from %s. All other keys have their "
		             "defaults, see segue.ini(5). `segue check` finds what is wrong or "
		             "missing.",
		             proxy, source);
		plan_ini(plan, "\n[zookeeper]");
		if (options->zookeeper != NULL)
			plan_ini(plan, "hosts = %s", options->zookeeper);
		else
			plan_fill_in(plan, "hosts", "the servers of your ZooKeeper",
			             "zk1:2181,zk2:2181,zk3:2181");
	}
	if (has_cluster_already(options))
		return;
	plan_ini(plan, "\n[cluster %s]", options->cluster);
	if (cluster->patroni) {
		plan_comment(plan,
		             "%s asks Patroni's REST API, so Patroni names the primary in "
		             "ZooKeeper.",
		             source);
		plan_ini(plan, "layout = patroni");
	}
	begin_path(plan, cluster->patroni);
	plan_comment(plan, "segue also asks each PostgreSQL server whether it is the primary, with "
	                   "this and its address. Without this role segue trusts ZooKeeper, and "
	                   "warns.");
	plan_ini(plan, "verify_conninfo = user=segue dbname=postgres");
}

static void znode_step(struct init_plan *plan, const struct plan_cluster *cluster)
{
	const struct init_options *options = plan->options;
	const char *hosts = options->zookeeper != NULL ? options->zookeeper : "HOSTS";
	auto_free char *zk = xasprintf("/usr/share/zookeeper/bin/zkCli.sh -server %s", hosts);
	const char *path = options->path != NULL ? options->path : "PATH";

	plan_step(plan,
	          "If nothing writes the primary to ZooKeeper yet: run `segue publish` beside each "
	          "PostgreSQL server (segue(1)), or create the znode by hand%s:",
	          options->zookeeper == NULL || options->path == NULL
	              ? ", with what you have filled in, and its parents first"
	              : "");
	for (const char *at = path; *at != '\0';) { /* its parents have to exist */
		at += 1 + strcspn(at + 1, "/");
		plan_line(plan, "%s create %.*s ''", zk, (int)(at - path), path);
	}
	plan_line(plan,
	          "%s create %s/master '{\"version\":1,\"primary\":{\"host\":\"%s\",\"port\":%s}}'",
	          zk, path, cluster->host != NULL ? cluster->host : "ADDRESS",
	          cluster->port != NULL ? cluster->port : "5432");
}

void plan_store_steps(struct init_plan *plan, const struct plan_cluster *cluster)
{
	if (plan->fill_in.len > 0) {
		plan_step(plan, "Fill in, in %s:", plan->ini.path);
		strbuf_append_str(&plan->steps, plan->fill_in.data);
	}
	if (has_cluster_already(plan->options))
		return; /* they were done when the cluster was added */
	plan_step(
	    plan,
	    "Allow segue to ask the PostgreSQL servers which one is the primary. Run on the "
	    "primary, and add to pg_hba.conf of each server, with the address of this machine:");
	plan_line(plan, "CREATE ROLE segue LOGIN;");
	plan_line(plan, "host  postgres  segue  THIS-MACHINE/32  trust");
	if (!cluster->patroni)
		znode_step(plan, cluster);
}

void plan_run_step(struct init_plan *plan, const char *unit, const char *user)
{
	const bool is_default = strcmp(plan->ini.path, CONFIG_DEFAULT_FILE) == 0;
	const bool packaged = is_default && debian_has_unit(unit);
	const bool has_user = user != NULL && !packaged, added = plan->options->beside != NULL;
	auto_free char *option = is_default ? xstrdup("") : xasprintf(" -c %s", plan->ini.path);
	auto_free char *as = has_user ? xasprintf("-u %s ", user) : xstrdup("");

	if (packaged && makes_both(plan)) {
		unit = DEBIAN_POOLER_UNIT;
		add_both_steps(plan);
	}
	plan_step(plan, "Check, then run segue%s%s%s:", has_user ? ", as " : "",
	          has_user ? user : "",
	          added && !packaged ? ", in place of the one that runs" : "");
	plan_line(plan, "sudo %ssegue check%s", as, option);
	plan_line(plan, "sudo %ssegue render%s %s", as, option, plan->options->target);
	if (!packaged)
		plan_line(plan, "sudo %ssegue run%s", as, option);
	else
		plan_line(plan, "sudo systemctl %s %s", added ? "restart" : "enable --now", unit);
}

struct account *plan_account(const char *unit, const char *user)
{
	struct account *account;
	struct unit found;
	struct err ignored; /* a user that does not exist may do nothing */

	account = unit_load("", unit, &found) ? account_of_unit(&found, &ignored)
	                                      : account_find(user, &ignored);
	unit_free(&found);
	return account;
}
