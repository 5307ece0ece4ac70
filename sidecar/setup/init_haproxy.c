/* `segue init haproxy`: makes segue.ini and the remaining steps from HAProxy's files and arguments.
 * Only reads. segue's file is to replace the existing sections for PostgreSQL, so their addresses
 * and limits become settings of the template. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/debian.h"
#include "haproxy/process_args.h"
#include "init_internal.h"
#include "setup/init_plan.h"
#include "setup/unit.h"

struct haproxy_plan {
	struct init_plan *plan;
	struct debian_haproxy debian;
	struct string_list files; /* all files that HAProxy reads, the main one first */
	struct haproxy_survey found;
	const char *main_file;
	bool is_debians;   /* the main file is the one that Debian's unit loads */
	char *folder;      /* folder of the file that segue writes */
	bool folder_known; /* HAProxy already loads `folder` */
	bool restart;      /* a step changes what HAProxy reads only at its start */
	const struct found_section *old[4]; /* those that segue's file replaces */
	size_t old_count;
};

/* The steps that are left to the user: lines for HAProxy's own files, which segue never changes,
 * and commands. In this order clients notice nothing. */

/* The path of HAProxy's master socket, present or to be made. */
static const char *haproxy_plan_master(const struct haproxy_plan *init)
{
	return init->debian.master_socket != NULL ? init->debian.master_socket
	                                          : DEBIAN_MASTER_SOCKET;
}

static void global_steps(struct haproxy_plan *init)
{
	const struct found_socket *socket = haproxy_survey_socket(&init->found);
	const char *file =
	    init->found.global_file != NULL ? init->found.global_file : init->main_file;

	init->restart = socket == NULL || !socket->admin || !init->found.has_hard_stop;
	if (socket == NULL) {
		plan_step(
		    init->plan,
		    "Allow segue to reach HAProxy. In %s, add to the section `global`:", file);
		plan_line(init->plan, "stats socket /run/haproxy/admin.sock mode 660 level admin");
	} else if (!socket->admin) {
		plan_step(init->plan,
		          "Allow segue to change servers. In %s, change line %u to:", socket->file,
		          socket->number);
		plan_line(init->plan, "%s level admin", socket->line);
	}
	if (init->found.has_hard_stop)
		return;
	plan_step(
	    init->plan,
	    "End old workers some time after a reload. In %s, add to the section `global`:", file);
	plan_line(init->plan, "hard-stop-after 1h");
}

/* By default only root may use the master socket, but the unit of segue's package runs as user
 * segue, in the group of Debian's HAProxy. */
static void arguments_step(struct haproxy_plan *init)
{
	const struct debian_haproxy *debian = &init->debian;
	const bool packaged = debian_has_unit(DEBIAN_UNIT);
	auto_free char *line = NULL;

	if (init->folder_known && debian->master_socket != NULL &&
	    (!packaged || debian_master_is_open(debian)))
		return;
	init->restart = true;
	if (!init->is_debians) {
		plan_step(init->plan,
		          "Start HAProxy in master-worker mode, and with these among its "
		          "arguments:");
		plan_line(init->plan, "-W -S %s -f %s -f %s", haproxy_plan_master(init),
		          init->main_file, init->folder);
		return;
	}
	line = debian_haproxy_arguments(debian, haproxy_plan_master(init), packaged,
	                                init->folder_known ? NULL : init->folder);
	plan_step(init->plan,
	          "Make HAProxy load the folder that segue writes to. In %s, replace EXTRAOPTS by:",
	          init->plan->options->defaults);
	plan_line(init->plan, "EXTRAOPTS=\"%s\"", line);
}

/* Makes the folders that segue's user cannot write to yet. The package's own folders stay as the
 * package made them. */
static void restart_step(struct haproxy_plan *init)
{
	const bool packaged = debian_has_unit(DEBIAN_UNIT);
	const char *const folders[] = {init->folder, "/var/lib/segue", "/run/segue"};
	struct account *account = plan_account(DEBIAN_UNIT, "root");
	auto_strbuf struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; i < (packaged ? 1 : ARRAY_LEN(folders)); i++)
		if (account == NULL || !account_may_write(account, folders[i]))
			strbuf_printf(&names, " %s", folders[i]);
	account_free(account);
	if (names.len == 0 && !init->restart)
		return;
	plan_step(init->plan, "%s%s:", names.len == 0 ? "Restart HAProxy" : "Create the folders",
	          names.len > 0 && init->restart ? ", and restart HAProxy" : "");
	if (names.len > 0)
		plan_line(init->plan, "sudo %s%s",
		          packaged ? "install -d -g segue -m 2775" : "mkdir -p", names.data);
	if (init->restart)
		plan_line(init->plan, "sudo systemctl restart haproxy");
}

static void old_sections_step(struct haproxy_plan *init)
{
	if (init->old_count == 0)
		return;
	plan_step(init->plan,
	          "segue's file replaces these sections and listens at their addresses: put a # in "
	          "front of each of their lines. Do not reload HAProxy now: segue reloads it when "
	          "its own file is in place:");
	for (size_t i = 0; i < init->old_count; i++) {
		const struct found_section *old = init->old[i];

		plan_line(init->plan, "%s %s, in %s (lines %u to %u, as it was read)", old->keyword,
		          old->name, old->file, old->first, old->last);
	}
}

#define FILE_MAX  ((size_t)4 * 1024 * 1024) /* bytes of one HAProxy file */
#define KEPT_MAX  150                       /* bytes of a line that ini_kept() copies */
#define SLOTS_MIN 4                         /* var.slots in the shipped template */

static bool is_folder(const char *path)
{
	auto_string_list struct string_list files = {.count = 0};

	haproxy_files_expand(path, &files);
	return files.count != 1 || strcmp(files.items[0], path) != 0;
}

/* The first folder that HAProxy loads, otherwise conf.d beside the main file. */
static void choose_folder(struct haproxy_plan *init)
{
	const struct string_list *loaded = &init->debian.files;
	const char *slash = strrchr(init->main_file, '/');

	init->folder = xasprintf("%.*s/conf.d", (int)(slash - init->main_file), init->main_file);
	for (size_t i = 0; i < loaded->count; i++) {
		if (is_folder(loaded->items[i])) {
			free(init->folder);
			init->folder = xstrdup(loaded->items[i]);
			init->folder_known = true;
			return;
		}
		init->folder_known =
		    init->folder_known || strcmp(loaded->items[i], init->folder) == 0;
	}
}

static void list_old_section(struct haproxy_plan *init, const struct found_section *section)
{
	if (section != NULL && section->frontend != NULL)
		init->old[init->old_count++] = section->frontend;
	if (section != NULL)
		init->old[init->old_count++] = section;
}

static bool read_files(struct haproxy_plan *init, struct err *err)
{
	string_list_add(&init->files, xstrdup(init->main_file));
	for (size_t i = 0; i < init->debian.files.count; i++)
		haproxy_files_expand(init->debian.files.items[i], &init->files);
	for (size_t i = 0; i < init->files.count; i++) {
		auto_strbuf struct strbuf text = STRBUF_INIT;
		const char *file = init->files.items[i];
		bool missing;

		if (!file_read(file, FILE_MAX, &text, &missing, err)) {
			if (i > 0 && missing) /* in a folder that the steps create */
				continue;
			return false;
		}
		if (!haproxy_survey_add(&init->found, file, text.data, text.len, err))
			return false;
	}
	haproxy_survey_judge(&init->found);
	list_old_section(init, init->found.rw);
	list_old_section(init, init->found.ro);
	return true;
}

static const char *bind_of(const struct found_section *section)
{
	const struct found_section *in = section->frontend != NULL ? section->frontend : section;

	return in->bind.len > 0 ? in->bind.data : NULL;
}

static void say_section(struct haproxy_plan *init, const struct found_section *section)
{
	const char *bind = bind_of(section);
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	string_list_join(&section->servers, ", ", &servers);
	plan_found(init->plan, "%s %s (%s line %u): PostgreSQL, for %s, at %s, servers %s",
	           section->keyword, section->name, section->file, section->first,
	           section->reads ? "readers" : "writers",
	           bind != NULL ? bind : "no address of its own", servers.data);
}

static void say_found(struct haproxy_plan *init)
{
	const struct haproxy_survey *found = &init->found;
	const struct found_socket *socket = haproxy_survey_socket(found);

	if (socket != NULL)
		plan_found(init->plan, "stats socket %s (%s line %u), %s", socket->path,
		           socket->file, socket->number,
		           socket->admin ? "level admin" : "without level admin");
	if (init->debian.master_socket != NULL)
		plan_found(init->plan, "master socket %s (%s)", init->debian.master_socket,
		           init->debian.there ? init->plan->options->defaults : "Debian's unit");
	for (size_t i = 0; i < found->section_count; i++)
		if (found_section_is_postgres(&found->sections[i]))
			say_section(init, &found->sections[i]);
	if (init->old_count == 0)
		plan_found(
		    init->plan,
		    "no section that leads to PostgreSQL: clients will connect to 127.0.0.1:5000 "
		    "(writing) and :5001 (reading)");
}

/* Leaves out the output's own folder: with it, HAProxy would read the file twice. */
static void ini_check_command(struct haproxy_plan *init)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_printf(&line, "check_command = haproxy -c -f %s", init->main_file);
	for (size_t i = 0; i < init->debian.files.count; i++)
		if (strcmp(init->debian.files.items[i], init->folder) != 0)
			strbuf_printf(&line, " -f %s", init->debian.files.items[i]);
	plan_ini(init->plan, "%s -f {}", line.data);
}

static void ini_kept(struct haproxy_plan *init, const struct found_section *section)
{
	if (section->kept.count == 0)
		return;
	plan_comment(init->plan,
	             "The template does not have these lines of %s. Add those that you need to it:",
	             section->name);
	for (size_t i = 0; i < section->kept.count; i++)
		plan_ini(init->plan, ";   %.*s", KEPT_MAX, section->kept.items[i]);
}

static void ini_section(struct haproxy_plan *init, const struct found_section *section,
                        const char *var)
{
	if (section == NULL || bind_of(section) == NULL)
		return;
	plan_comment(init->plan, "Where \"%s\" of %s listens.", section->name, section->file);
	plan_ini(init->plan, "var.%s = %s", var, bind_of(section));
}

static void ini_limits(struct haproxy_plan *init)
{
	const struct found_section *rw = init->found.rw, *ro = init->found.ro;
	const struct found_section *in = rw != NULL && rw->frontend != NULL ? rw->frontend : rw;
	size_t members = rw != NULL ? rw->servers.count : 0;

	if (ro != NULL && ro->servers.count > members)
		members = ro->servers.count;
	if (rw != NULL && rw->maxconn != NULL)
		plan_ini(init->plan, "var.maxconn = %s", rw->maxconn);
	if (in != NULL && in->idle != NULL)
		plan_ini(init->plan, "var.timeout_idle = %s", in->idle);
	if (members > SLOTS_MIN)
		plan_ini(init->plan, "var.slots = %zu", members);
}

static void ini_target(struct haproxy_plan *init)
{
	struct init_plan *plan = init->plan;
	const struct init_options *options = plan->options;
	const struct found_socket *socket = haproxy_survey_socket(&init->found);
	const struct found_section *rw = init->found.rw, *ro = init->found.ro;

	plan->kind = CONFIG_TARGET_HAPROXY;
	plan->address = xstrdup(socket != NULL ? socket->path : "/run/haproxy/admin.sock");
	plan->output = xasprintf("%s/%s.cfg", init->folder, options->cluster);
	plan_ini(plan, "\n[haproxy %s]", options->target);
	plan_ini(plan, "cluster = %s", options->cluster);
	plan_ini(plan, "template = %s", plan->template_file.path);
	plan_ini(plan, "output = %s", plan->output);
	plan_ini(plan, "socket = %s", plan->address);
	plan_ini(plan, "master_socket = %s", haproxy_plan_master(init));
	ini_check_command(init);
	ini_section(init, rw, "rw_bind");
	ini_section(init, ro, "ro_bind");
	ini_limits(init);
	for (size_t i = 0; i < init->old_count; i++)
		ini_kept(init, init->old[i]);
}

/* Splits the address of the first server, "10.0.0.1:5432", into host and port. Both are borrowed
 * from `storage`, which the caller frees. */
static struct plan_cluster cluster_of(const struct haproxy_plan *init, char **storage)
{
	const struct found_section *section =
	    init->found.rw != NULL ? init->found.rw : init->found.ro;
	struct plan_cluster cluster = {.patroni = section != NULL && section->patroni};
	char *colon;

	*storage = section != NULL ? xstrdup(section->servers.items[0]) : NULL;
	colon = *storage != NULL ? strrchr(*storage, ':') : NULL;
	if (colon == NULL || strpbrk(*storage, "\"'\\[]$ ") != NULL)
		return cluster;
	*colon = '\0';
	cluster.host = *storage;
	cluster.port = colon + 1;
	return cluster;
}

static void make_plan(struct haproxy_plan *init)
{
	auto_free char *storage = NULL;
	struct plan_cluster cluster = cluster_of(init, &storage);

	say_found(init);
	plan_begin(init->plan, "haproxy", init->main_file, &cluster);
	ini_target(init);
	global_steps(init);
	arguments_step(init);
	restart_step(init);
	plan_store_steps(init->plan, &cluster);
	old_sections_step(init);
	plan_run_step(init->plan, DEBIAN_UNIT, NULL);
}

bool init_haproxy(const struct init_options *options, struct init_plan *plan, struct err *err)
{
	struct haproxy_plan init = {.plan = plan};
	bool ok;

	plan_init(plan, options);
	plan->template_file.path = xasprintf("%s/templates/haproxy.cfg.mustache", options->dir);
	strbuf_append_str(&plan->template_file.text, shipped_haproxy);
	ok = debian_haproxy_load(options->defaults, &init.debian, err);
	if (ok) {
		init.main_file =
		    options->proxy_config != NULL ? options->proxy_config : init.debian.config;
		init.is_debians = strcmp(init.main_file, init.debian.config) == 0;
		if (!init.is_debians) { /* then its arguments are not those of this HAProxy */
			string_list_free(&init.debian.files);
			free(init.debian.master_socket);
			init.debian.master_socket = NULL;
		}
		choose_folder(&init);
		ok = read_files(&init, err);
	}
	if (ok)
		make_plan(&init);
	string_list_free(&init.files);
	haproxy_survey_free(&init.found);
	debian_haproxy_free(&init.debian);
	free(init.folder);
	return ok;
}
