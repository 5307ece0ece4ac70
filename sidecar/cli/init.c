/* `segue init`: makes segue.ini, a template and a short list of steps from the configuration of an
 * existing HAProxy or PgBouncer. Never changes the proxy's files. An existing segue.ini is appended
 * to (--append) or kept under another name (--force). */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"
#include "haproxy/debian.h"
#include "setup/init_plan.h"

#define CLUSTER "orders"
#define TARGET  "local"

static const char usage[] =
    "usage: segue init haproxy|pgbouncer [--proxy-config FILE] [--defaults FILE] [--dir DIR]\n"
    "                  [--cluster CLUSTER] [--zookeeper HOSTS] [--path ZNODE] [--append] [--force]\n"
    "                  [--dry-run]\n"
    "\n"
    "      --proxy-config FILE  the proxy's own configuration: /etc/haproxy/haproxy.cfg, or\n"
    "                           /etc/pgbouncer/pgbouncer.ini\n"
    "      --defaults FILE      the settings that haproxy.service is started with: " DEBIAN_DEFAULTS
    "\n"
    "      --dir DIR            the folder for segue.ini and templates/: /etc/segue\n"
    "      --cluster CLUSTER    the name of the [cluster] section: " CLUSTER ", or the one in an\n"
    "                           existing segue.ini\n"
    "      --zookeeper HOSTS    host:port, comma separated; not given: to be filled in\n"
    "      --path ZNODE         where the primary is named; not given: to be filled in\n"
    "      --append             add a section to the existing segue.ini\n"
    "      --force              overwrite existing files, and keep the old ones\n"
    "      --dry-run            write nothing, print everything\n"
    "\n"
    "Writes segue.ini and a template, after reading the configuration that the proxy of this machine\n"
    "has, and says what is left to do. Values that only you know stay empty and are marked FILL IN.\n"
    "Exit code: 0 written, or shown if that was asked for, 1 nothing or not everything is written, 2\n"
    "usage, or a value that segue.ini does not accept.\n";

struct options {
	struct init_options init;
	const char *proxy, *cluster; /* `cluster`: from --cluster, or NULL */
	bool append, force, dry_run;
};

/* Both are written into files, which are read from any working directory. */
static bool check_paths(const struct options *options)
{
	const char *const paths[] = {options->init.dir, options->init.proxy_config};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i] != NULL && *paths[i] != '/') {
			fprintf(stderr, "segue init: %s: an absolute path is needed\n", paths[i]);
			return false;
		}
	return true;
}

/* False if the verb has to end with exit code *code. */
static bool read_options(int argc, char **argv, struct options *out, int *code)
{
	struct cmd_args args;
	const struct cmd_syntax syntax = {
	    .usage = usage,
	    .words_min = 1,
	    .words_max = 1,
	    .options = {{.name = "proxy-config", .value = &out->init.proxy_config},
	                {.name = "defaults", .value = &out->init.defaults},
	                {.name = "dir", .value = &out->init.dir},
	                {.name = "cluster", .value = &out->cluster},
	                {.name = "zookeeper", .value = &out->init.zookeeper},
	                {.name = "path", .value = &out->init.path},
	                {.name = "append", .flag = &out->append},
	                {.name = "force", .flag = &out->force},
	                {.name = "dry-run", .flag = &out->dry_run}}};

	*out = (struct options){
	    .init = {.defaults = DEBIAN_DEFAULTS, .dir = "/etc/segue", .target = TARGET}};
	if (!cmd_options(argc, argv, &syntax, &args, code))
		return false;
	out->init.cluster = out->cluster != NULL ? out->cluster : CLUSTER;
	out->proxy = args.words[0];
	*code = CMD_USAGE;
	if (strcmp(out->proxy, "haproxy") == 0 || strcmp(out->proxy, "pgbouncer") == 0)
		return check_paths(out);
	fputs(usage, stderr);
	return false;
}

/* The new segue.ini has to load once it is filled in. It does not if the command line has an
 * invalid cluster name or path. */
static bool check_plan(const struct init_plan *plan)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config =
	    config_load_text(plan->ini.path, plan->trial.data, plan->trial.len, &errors);

	if (config == NULL)
		fprintf(
		    stderr,
		    "segue init: nothing is written, because the new segue.ini would have these errors:\n%s",
		    errors.data);
	config_free(config);
	return config != NULL;
}

static bool refuse_in_the_way(const struct init_file *file)
{
	if (!init_file_is_in_the_way(file))
		return true;
	fprintf(
	    stderr,
	    "segue init: %s exists, and nothing is written: --force overwrites it and keeps the "
	    "old one, --dry-run shows the new content\n",
	    file->path);
	return false;
}

static bool write_files(const struct init_plan *plan, const struct options *options)
{
	const bool append = plan->options->beside != NULL;
	/* All HAProxy targets share one template. With --append, one that a person has changed is
	 * used as it is. */
	const bool shared = !options->force && append && plan->kind == CONFIG_TARGET_HAPROXY &&
	                    init_file_is_in_the_way(&plan->template_file);
	struct err err;

	if (!options->force && ((!shared && !refuse_in_the_way(&plan->template_file)) ||
	                        (!append && !refuse_in_the_way(&plan->ini))))
		return false;
	puts("\nWritten:");
	if (shared)
		printf("  %s exists already, and is used as it is\n", plan->template_file.path);
	if ((shared || init_file_write(&plan->template_file, true, &err)) &&
	    init_file_write(&plan->ini, !append, &err))
		return true;
	fflush(stdout);
	fprintf(stderr, "segue init: %s\n", err.message);
	return false;
}

static void print_files(const struct init_plan *plan)
{
	printf("\n---- %s would be:\n\n%s", plan->template_file.path,
	       plan->template_file.text.data);
	printf("\n---- %s would %s:\n\n%s\n----\n", plan->ini.path,
	       plan->options->beside != NULL ? "get these lines" : "be",
	       plan->ini.text.data + plan->added_from);
}

/* Prints what --append would add, and does nothing else. */
static int show_addition(const struct init_plan *plan, const char *proxy)
{
	printf("\nFor this %s, %s needs these lines:\n\n%s\n", proxy, plan->ini.path,
	       plan->ini.text.data + plan->added_from);
	fflush(stdout);
	fprintf(
	    stderr,
	    "segue init: %s exists, and nothing is written: `segue init %s --append` adds these "
	    "lines to it, writes the template %s, and says what is left to do; --force "
	    "overwrites both, and keeps the old ones\n",
	    plan->ini.path, proxy, plan->template_file.path);
	return CMD_FAILED;
}

static int carry_out(const struct init_plan *plan, const struct options *options)
{
	if (!check_plan(plan))
		return CMD_USAGE;
	printf("Found:\n%s", plan->found.data);
	if (plan->options->beside != NULL && !options->append && !options->dry_run)
		return show_addition(plan, options->proxy);
	if (options->dry_run)
		print_files(plan);
	else if (!write_files(plan, options))
		return CMD_FAILED;
	printf("\nLeft to do, in this order:\n%s", plan->steps.data);
	return fflush(stdout) == 0 ? CMD_OK : CMD_FAILED;
}

static bool make_plan(const struct options *options, struct init_plan *plan)
{
	struct err err;

	if (strcmp(options->proxy, "haproxy") == 0 ? init_haproxy(&options->init, plan, &err)
	                                           : init_pgbouncer(&options->init, plan, &err))
		return true;
	fprintf(stderr,
	        "segue init: %s: is it another file (--proxy-config), or can only root read it?\n",
	        err.message);
	return false;
}

static int plan_beside(const struct config *config, struct options *options, struct init_plan *plan)
{
	const struct config_target *same;

	if (!make_plan(options, plan))
		return CMD_FAILED;
	same = append_find_same(config, plan);
	if (same != NULL) {
		fprintf(stderr,
		        "segue init: %s has [%s %s] for this proxy and cluster %s already, and "
		        "nothing is written: --cluster NAME adds another cluster, --force "
		        "overwrites the file and keeps the old one\n",
		        plan->ini.path, options->proxy, same->name, options->init.cluster);
		return CMD_FAILED;
	}
	return carry_out(plan, options);
}

/* A configuration that a person has made is only appended to, so that nothing of it is lost. */
static int add_to(const char *file, struct options *options)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load(file, &errors);
	auto_free char *target = NULL;
	struct init_plan plan = {.options = NULL};
	struct err err;
	int code = CMD_USAGE;

	if (config == NULL) {
		fprintf(stderr,
		        "%ssegue init: %s exists, but has errors, and nothing is written: correct "
		        "or fill in these lines, then a section for this %s can be added; --force "
		        "overwrites it and keeps the old one\n",
		        errors.data, file, options->proxy);
		return CMD_FAILED;
	}
	options->init.cluster = options->cluster;
	if (append_choose(config, &options->init, &target, &err)) {
		code = plan_beside(config, options, &plan);
		plan_fini(&plan);
	} else {
		fprintf(stderr, "segue init: %s\n", err.message);
	}
	config_free(config);
	return code;
}

int cmd_init(int argc, char **argv)
{
	struct options options;
	struct init_plan plan;
	int code;

	if (!read_options(argc, argv, &options, &code))
		return code;
	if (!make_plan(&options, &plan))
		code = CMD_FAILED;
	else if ((options.append || !options.force) && init_file_is_in_the_way(&plan.ini))
		code = add_to(plan.ini.path, &options);
	else
		code = carry_out(&plan, &options);
	plan_fini(&plan);
	return code;
}
