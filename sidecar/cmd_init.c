/* `segue init`: from the configuration that a HAProxy or PgBouncer has already to a segue.ini and a
 * template, and to the few steps that are left. Never changes a file of the proxy's, nor one of
 * segue's that somebody has written, unless --force says so; that one is kept under another name.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "init/debian.h"
#include "init/plan.h"
#include "init/shipped.h"

#define FILE_MAX    ((size_t)16 * 1024 * 1024) /* bytes */
#define BACKUPS_MAX 100

static const char usage[] =
    "usage: segue init haproxy|pgbouncer [--proxy-config FILE] [--defaults FILE] [--dir DIR]\n"
    "                  [--cluster NAME] [--zookeeper HOSTS] [--path ZNODE] [--force] [--dry-run]\n"
    "Writes DIR/segue.ini (/etc/segue) and a template, after reading the proxy's own configuration,\n"
    "and says what is left to do. FILE: /etc/haproxy/haproxy.cfg or /etc/pgbouncer/pgbouncer.ini;\n"
    "--defaults: what haproxy.service is started with, " DEBIAN_DEFAULTS ".\n";

struct options {
	struct init_options init;
	const char *proxy;
	bool force, dry_run;
};

static bool take_option(int option, struct options *out)
{
	switch (option) {
	case 'P':
		out->init.proxy_config = optarg;
		return true;
	case 'D':
		out->init.defaults = optarg;
		return true;
	case 'd':
		out->init.dir = optarg;
		return true;
	case 'C':
		out->init.cluster = optarg;
		return true;
	case 'z':
		out->init.zookeeper = optarg;
		return true;
	case 'p':
		out->init.path = optarg;
		return true;
	case 'f':
		out->force = true;
		return true;
	case 'n':
		out->dry_run = true;
		return true;
	default:
		return false;
	}
}

/* Both end up in files that are read from anywhere. */
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

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *out)
{
	static const struct option longs[] = {{"proxy-config", required_argument, NULL, 'P'},
	                                      {"defaults", required_argument, NULL, 'D'},
	                                      {"dir", required_argument, NULL, 'd'},
	                                      {"cluster", required_argument, NULL, 'C'},
	                                      {"zookeeper", required_argument, NULL, 'z'},
	                                      {"path", required_argument, NULL, 'p'},
	                                      {"force", no_argument, NULL, 'f'},
	                                      {"dry-run", no_argument, NULL, 'n'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int option;

	*out = (struct options){
	    .init = {.defaults = DEBIAN_DEFAULTS, .dir = "/etc/segue", .cluster = "main"}};
	optind = 1;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (take_option(option, out))
			continue;
		fputs(usage, option == 'h' ? stdout : stderr);
		return option == 'h' ? CMD_OK : CMD_USAGE;
	}
	out->proxy = optind + 1 == argc ? argv[optind] : "";
	if (strcmp(out->proxy, "haproxy") == 0 || strcmp(out->proxy, "pgbouncer") == 0)
		return check_paths(out) ? -1 : CMD_USAGE;
	fputs(usage, stderr);
	return CMD_USAGE;
}

static bool same_text(const char *path, const char *text, size_t len)
{
	auto_strbuf struct strbuf found = STRBUF_INIT;
	struct err ignored;

	return file_read(path, FILE_MAX, &found, NULL, &ignored) && found.len == len &&
	       memcmp(found.data, text, len) == 0;
}

/* What a package puts there, the sample or Debian's segue.ini: nobody's work is lost with it. */
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

/* Somebody's, and something else. */
static bool is_in_the_way(const struct init_file *file)
{
	return access(file->path, F_OK) == 0 &&
	       !same_text(file->path, file->text.data, file->text.len) && !is_sample(file->path);
}

/* Under a second name, before the first one leads to the new text. NULL on failure. */
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
	err_set(err, "%s: there are %d kept ones: remove some", path, BACKUPS_MAX);
	return NULL;
}

/* The folder of a file, and that one's. */
static bool make_folders(const char *path, struct err *err)
{
	for (const char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
		auto_free char *folder = xstrndup(path, (size_t)(at - path));

		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			return err_set_errno(err, errno, "cannot make %s", folder);
	}
	return true;
}

static bool write_file(const struct init_file *file, struct err *err)
{
	auto_free char *kept = NULL;

	if (same_text(file->path, file->text.data, file->text.len)) {
		printf("  %s is there already, and the same\n", file->path);
		return true;
	}
	if (!make_folders(file->path, err))
		return false;
	if (access(file->path, F_OK) == 0) {
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

/* What would be written has to be a configuration: a cluster name or a path may be none. */
static bool check_plan(const struct init_plan *plan)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config =
	    config_load_text(plan->ini.path, plan->ini.text.data, plan->ini.text.len, &errors);

	if (config == NULL)
		fprintf(stderr, "segue init: nothing is written, as this would be wrong in it:\n%s",
		        errors.data);
	config_free(config);
	return config != NULL;
}

static bool write_files(const struct init_plan *plan, const struct options *options)
{
	const struct init_file *files[] = {&plan->template_file, &plan->ini};
	struct err err;

	for (size_t i = 0; !options->force && i < ARRAY_LEN(files); i++)
		if (is_in_the_way(files[i])) {
			fprintf(
			    stderr,
			    "segue init: %s is there, and nothing is written: --force writes it "
			    "anew and keeps the old one, --dry-run shows what would be in it\n",
			    files[i]->path);
			return false;
		}
	puts("\nWritten:");
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!write_file(files[i], &err)) {
			fflush(stdout);
			fprintf(stderr, "segue init: %s\n", err.message);
			return false;
		}
	return true;
}

static void print_files(const struct init_plan *plan)
{
	const struct init_file *files[] = {&plan->template_file, &plan->ini};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		printf("\n---- %s would be:\n\n%s", files[i]->path, files[i]->text.data);
	puts("\n----");
}

static int carry_out(const struct init_plan *plan, const struct options *options)
{
	if (!check_plan(plan))
		return CMD_USAGE;
	printf("Found:\n%s", plan->found.data);
	if (options->dry_run)
		print_files(plan);
	else if (!write_files(plan, options))
		return CMD_FAILED;
	printf("\nLeft to do, in this order:\n%s", plan->steps.data);
	return fflush(stdout) == 0 ? CMD_OK : CMD_FAILED;
}

int cmd_init(int argc, char **argv)
{
	struct options options;
	struct init_plan plan;
	struct err err;
	int code = read_options(argc, argv, &options);
	bool read;

	if (code >= 0)
		return code;
	read = strcmp(options.proxy, "haproxy") == 0 ? init_haproxy(&options.init, &plan, &err)
	                                             : init_pgbouncer(&options.init, &plan, &err);
	if (read)
		code = carry_out(&plan, &options);
	else
		fprintf(stderr,
		        "segue init: %s: is it another file (--proxy-config), or only root's to "
		        "read?\n",
		        err.message);
	plan_fini(&plan);
	return read ? code : CMD_FAILED;
}
