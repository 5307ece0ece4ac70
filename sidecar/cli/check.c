/* `segue check`: finds what would stop `segue run` from working, before a failover at 3 a.m. finds
 * it. Only asks and reads; changes no znode, proxy or file. The text that check_command checks is a
 * temporary file beside the output while that command runs. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cluster/state_file.h"
#include "report/client.h"
#include "setup/check.h"
#include "setup/fill_in.h"
#include "setup/unit.h"
#include "target/install.h"

#define FILE_MAX ((size_t)16 * 1024 * 1024) /* bytes */

static const char usage[] =
    "usage: segue check [-c FILE] [--user USER]\n"
    "\n"
    "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE ")\n"
    "      --user USER    check with the access rights of USER (only as root); by default root checks\n"
    "                     " CONFIG_DEFAULT_FILE " as the user of the installed unit\n"
    "\n"
    "Checks everything that segue run needs, changes nothing, and prints for each check a line with\n"
    "the result and what to do. Exit code: 0 segue run would work, perhaps with warnings, 1 it would\n"
    "not (FAIL), 2 usage or configuration.\n";

static void note_mark(unsigned line, const char *key, const char *what, void *arg)
{
	struct check *check = arg;

	check_note(check, CHECK_FAIL, "config", what,
	           "%s line %u: %s is still empty, as it was "
	           "shipped: fill in",
	           check->config->file, line, key);
}

static void note_config(struct check *check)
{
	const struct config *config = check->config;
	const char *line = config->warnings.data;

	for (; *line != '\0'; line += strcspn(line, "\n") + 1)
		check_note(check, CHECK_WARN, "config", NULL, "%.*s", (int)strcspn(line, "\n"),
		           line);
	if (access(config->file, R_OK) != 0)
		check_note(check, CHECK_FAIL, "config",
		           "segue run would not start: give it read access",
		           "%s cannot be read; checked as %s", config->file, check->as);
	else
		check_note(check, CHECK_OK, "config", NULL,
		           "%s: clusters %zu, targets %zu; checked as %s", config->file,
		           config->cluster_count, config->target_count, check->as);
	(void)fill_in_find(config->text.data, note_mark, check);
	if (check->unit != NULL)
		check_note_all(check, CHECK_WARN, check->unit->name,
		               "put it under [Service], then systemctl daemon-reload", "",
		               &check->unit->ignored);
}

/* Not needed without targets, because a publisher keeps nothing on disk. If the folder is in the
 * unit's StateDirectory=, systemd makes it when the unit starts. */
static void check_state_dir(struct check *check)
{
	const char *folder = check->config->state_dir;

	if (check->config->target_count == 0)
		return;
	if (check->unit != NULL && unit_makes_state(check->unit, folder) &&
	    access(folder, W_OK) != 0)
		check_note(check, CHECK_OK, "state_dir", NULL,
		           "%s: %s.service creates it for its user when it starts", folder,
		           check->unit->name);
	else
		check_folder(check, "state_dir", folder);
}

void check_listen(struct check *check)
{
	static const char prefix[] = "unix:";
	auto_free char *listen = client_pick_listen(check->config->listen);
	auto_free char *folder = NULL, *fix = NULL;
	const char *path = listen + strlen(prefix), *end;

	if (strncmp(listen, prefix, strlen(prefix)) != 0)
		return;
	end = strrchr(path, '/');
	folder = xstrndup(path, (size_t)(end - path) + (end == path));
	if (check_is_shut(check, folder) || file_can_create(folder))
		return;
	fix = install_folder_cure(folder, errno);
	check_note(check, CHECK_WARN, "listen", fix,
	           "%s cannot be created: segue runs without /readyz, segue status and segue pin",
	           path);
}

/* The topology to use until ZooKeeper has been read: the one applied last, or an example. */
static void start_topology(struct check *check, size_t index)
{
	const struct config_cluster *cluster = &check->config->clusters[index];
	auto_free char *what = xasprintf("cluster/%s", cluster->name);
	auto_free char *file = state_file(check->config->state_dir, cluster);
	struct err problem;

	(void)state_or_example_topology(check->config, index, &check->topologies[index], &problem);
	if (*problem.message != '\0' && check_may_read(check, CHECK_WARN, what, file))
		check_note(check, CHECK_WARN, what, NULL, "state: %s", problem.message);
}

static int run_checks(struct check *check)
{
	check->topologies = xcalloc(check->config->cluster_count, sizeof(*check->topologies));
	note_config(check);
	check_state_dir(check);
	check_listen(check);
	check_live_segue(check);
	for (size_t i = 0; i < check->config->cluster_count; i++)
		start_topology(check, i);
	check_overrides(check);
	check_store(check);
	check_hold_times(check);
	check_servers(check);
	check_publishers(check);
	check_targets(check);
	check_databases(check);
	check_rendered(check);
	check_haproxies(check);
	check_pgbouncers(check);
	check_unknown(check);
	for (size_t i = 0; i < check->config->cluster_count; i++)
		topology_fini(&check->topologies[i]);
	for (size_t i = 0; i < check->config->target_count; i++)
		strbuf_fini(&check->texts[i]);
	free(check->topologies);
	free(check->texts);
	free(check->what);
	return fflush(stdout) == 0 && check->failed == 0 ? CMD_OK : CMD_FAILED;
}

static int check_as(const struct config *config, const char *user)
{
	struct check check = {.config = config};
	struct unit unit = {0};
	struct err err;
	auto_free char *as = check_become(&check, user, &unit, &err);
	int code = CMD_USAGE;

	check.as = as;
	check.base = event_base_new();
	if (as == NULL)
		fprintf(stderr, "segue check: %s\n", err.message);
	else if (check.base == NULL)
		fputs("segue check: cannot create an event loop\n", stderr);
	else
		code = run_checks(&check);
	if (check.base != NULL)
		event_base_free(check.base);
	unit_free(&unit);
	return code;
}

static void print_mark(unsigned line, const char *key, const char *what, void *arg)
{
	fprintf(stderr,
	        "segue check: %s line %u: %s is still empty, as it was shipped: fill in: "
	        "%s\n",
	        (const char *)arg, line, key, what);
}

/* Prints the values to fill in first, because most other errors come from them. */
static void explain(const char *file, const char *errors)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	auto_free char *user = check_user();
	struct err ignored;
	bool missing = false;

	if (file_read(file, FILE_MAX, &text, &missing, &ignored))
		(void)fill_in_find(text.data, print_mark, (void *)file);
	else if (access(file, R_OK) != 0 && errno == EACCES)
		fprintf(stderr,
		        "segue check: cannot read %s as %s: run segue check as root or segue's "
		        "user\n",
		        file, user);
	fputs(errors, stderr);
	if (missing)
		fputs("segue check: `segue init haproxy` or `segue init pgbouncer` writes one\n",
		      stderr);
}

int cmd_check(int argc, char **argv)
{
	struct cmd_args args;
	const char *user = NULL;
	const struct cmd_syntax syntax = {
	    .usage = usage, .options = {CMD_CONFIG(args), {.name = "user", .value = &user}}};
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	config = strcmp(args.config_file, CONFIG_DEFAULT_FILE) == 0
	             ? check_load("", args.config_file, &errors)
	             : config_load(args.config_file, &errors);
	if (config == NULL) {
		explain(args.config_file, errors.data);
		return CMD_USAGE;
	}
	log_configure(LOG_ERROR, LOG_TEXT); /* the notes report it */
	code = check_as(config, user);
	config_free(config);
	return code;
}
