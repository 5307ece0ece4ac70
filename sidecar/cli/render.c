/* `segue render`: prints what a template makes of its data, or what a target would get. Uses
 * neither ZooKeeper nor the proxy, and changes no installed file. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cluster/state_file.h"
#include "config/config.h"
#include "render/mustache.h"
#include "render/view.h"
#include "topology/layout.h"
#include "topology/topology.h"

#define DATA_MAX ((size_t)16 * 1024 * 1024)

static const char usage[] =
    "usage: segue render --template FILE --data FILE.json [--partials DIR]\n"
    "                    [--escape none|haproxy|pgbouncer|html]\n"
    "       segue render [-c FILE] [--topology FILE.json] [--diff] TARGET\n"
    "\n"
    "  -c, --config FILE         the configuration (" CONFIG_DEFAULT_FILE ")\n"
    "      --topology FILE.json  the topology to use; by default the one applied last\n"
    "      --diff                show the change of the output as diff -u does\n"
    "      --template FILE       render this template, with\n"
    "      --data FILE.json      this data\n"
    "      --partials DIR        the folder of its partials\n"
    "      --escape none|haproxy|pgbouncer|html\n"
    "                            how to quote values\n"
    "\n"
    "Prints the rendered text of TARGET: the name of a [haproxy], [pgbouncer] or [file] section,\n"
    "or KIND/NAME. Exit code: 0 fine, 1 failed, or --diff has found a difference, 2 usage, template or\n"
    "configuration.\n";

struct options {
	const char *template_file, *data, *partials, *escape;
	const char *config, *topology, *target; /* `config`: from -c, or NULL */
	bool diff;
};

static int fail(int code, const char *message)
{
	fprintf(stderr, "segue render: %s\n", message);
	return code;
}

static int fail_usage(const char *message)
{
	fprintf(stderr, "segue render: %s\n%s", message, usage);
	return CMD_USAGE;
}

static json_t *load_json(const char *file, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	json_error_t problem;
	json_t *json;

	if (!file_read(file, DATA_MAX, &text, NULL, err))
		return NULL;
	json = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
	if (json == NULL)
		err_set(err, "%s:%d:%d: %s", file, problem.line, problem.column, problem.text);
	return json;
}

static int print(const struct strbuf *text)
{
	if (fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0)
		return CMD_OK;
	return fail(CMD_FAILED, "cannot write to stdout");
}

static int run_template(const struct options *options)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	enum escape_mode mode = ESCAPE_NONE;
	struct mustache *template;
	json_t *data;
	struct err err;
	bool ok;

	if (options->data == NULL)
		return fail_usage("--template needs --data");
	if (options->config != NULL || options->topology != NULL || options->target != NULL ||
	    options->diff)
		return fail_usage("-c, --topology, --diff and TARGET do not go with --template");
	if (options->escape != NULL && !escape_mode_parse(options->escape, &mode))
		return fail_usage("--escape: none, haproxy, pgbouncer or html is allowed");
	data = load_json(options->data, &err);
	template = data != NULL
	               ? mustache_compile_file(options->template_file, options->partials, &err)
	               : NULL;
	ok = template != NULL && mustache_render(template, data, mode, &out, &err);
	mustache_free(template);
	json_decref(data);
	return ok ? print(&out) : fail(CMD_FAILED, err.message);
}

/* True if `wanted` is "NAME", "KIND/NAME" or "KIND:NAME" of the target. */
static bool is_named(const struct config_target *target, const char *wanted)
{
	const char *kind = config_target_kind_name(target->kind);
	size_t len = strlen(kind);

	if (strcmp(wanted, target->name) == 0)
		return true;
	return strncmp(wanted, kind, len) == 0 && (wanted[len] == '/' || wanted[len] == ':') &&
	       strcmp(wanted + len + 1, target->name) == 0;
}

static const struct config_target *find_target(const struct config *config, const char *wanted,
                                               struct err *err)
{
	const struct config_target *found = NULL;
	auto_strbuf struct strbuf names = STRBUF_INIT;
	size_t matches = 0;

	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", CONFIG_LABEL(target));
		if (is_named(target, wanted)) {
			found = target;
			matches++;
		}
	}
	if (matches == 1)
		return found;
	err_set(err, "%s: %s target '%s'; there are: %s", config->file,
	        matches == 0 ? "no" : "more than one", wanted, names.data);
	return NULL;
}

/* Reads a topology from a file, in the format of layout segue. */
static bool read_topology(const struct config_cluster *cluster, const char *file,
                          struct topology *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	return file_read(file, LAYOUT_VALUE_MAX, &text, NULL, err) &&
	       (layout_segue_decode(cluster, text.data, text.len, out, err) ||
	        err_wrap(err, "%s", file));
}

/* The topology applied last. If there is none, an example, because servers that do not exist show
 * the text, too. */
static bool load_applied(const struct config *config, const struct config_cluster *cluster,
                         struct topology *out, struct err *err)
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied applied;
	bool ok =
	    state_load(config->state_dir, cluster, config->zookeeper_hosts, &applied, &note, err);

	if (ok && !applied.has_topology) {
		topology_example(out);
		fprintf(stderr,
		        "segue render: no topology of cluster '%s' is in %s yet: the servers "
		        "192.0.2.1 and 192.0.2.2 are examples; use --topology for others\n",
		        cluster->name, config->state_dir);
	} else if (ok) {
		topology_copy(out, &applied.topology);
	}
	if (note.len > 0)
		fprintf(stderr, "segue render: %s\n", note.data);
	applied_fini(&applied);
	return ok;
}

static bool render_target(const struct config *config, const struct config_target *target,
                          const char *topology_file, struct strbuf *out, struct err *err)
{
	const struct config_cluster *cluster = &config->clusters[target->cluster_index];
	struct mustache *template = NULL;
	struct topology topology;
	bool ok;

	topology_init(&topology);
	ok = topology_file != NULL ? read_topology(cluster, topology_file, &topology, err)
	                           : load_applied(config, cluster, &topology, err);
	if (ok)
		template = view_compile(target, err);
	ok = template != NULL && view_render(cluster, target, &topology, template, out, err);
	mustache_free(template);
	topology_fini(&topology);
	return ok;
}

/* Returns diff(1)'s exit code. 2 means an error, also when diff(1) could not run. */
static int run_diff(const char *installed, int rendered)
{
	const char *old = access(installed, F_OK) == 0 ? installed : "/dev/null";
	const char *argv[] = {"diff",     "-u", "--label", installed, "--label",
	                      "rendered", "--", old,       "-",       NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, rendered, STDIN_FILENO);
	error = posix_spawnp(&pid, "diff", &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0)
		return 2;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static int show_diff(const struct config_target *target, const struct strbuf *text)
{
	auto_close int fd = memfd_create("rendered", MFD_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len &&
	          lseek(fd, 0, SEEK_SET) == 0;
	int status = ok ? run_diff(target->output, fd) : 2;

	if (status > 1)
		return fail(CMD_FAILED, "cannot compare: diff(1) did not run, or failed");
	return status == 0 ? CMD_OK : CMD_FAILED;
}

static int show_target(const struct config *config, const struct options *options)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;
	const struct config_target *target = find_target(config, options->target, &err);

	if (target == NULL)
		return fail(CMD_USAGE, err.message);
	if (!render_target(config, target, options->topology, &out, &err))
		return fail(CMD_FAILED, err.message);
	return options->diff ? show_diff(target, &out) : print(&out);
}

static int run_target(const struct options *options)
{
	struct config *config;
	int code;

	if (options->target == NULL)
		return fail_usage("either --template and --data, or TARGET is needed");
	if (options->data != NULL || options->partials != NULL || options->escape != NULL)
		return fail_usage("--data, --partials and --escape go with --template only");
	config = cmd_load(options->config != NULL ? options->config : cmd_config_file());
	if (config == NULL)
		return CMD_USAGE;
	code = show_target(config, options);
	config_free(config);
	return code;
}

int cmd_render(int argc, char **argv)
{
	struct options options = {.template_file = NULL};
	const struct cmd_syntax syntax = {
	    .usage = usage,
	    .words_max = 1,
	    .options = {{.name = "template", .value = &options.template_file},
	                {.name = "data", .value = &options.data},
	                {.name = "partials", .value = &options.partials},
	                {.name = "escape", .value = &options.escape},
	                {.name = "config", .letter = 'c', .value = &options.config},
	                {.name = "topology", .value = &options.topology},
	                {.name = "diff", .flag = &options.diff}}};
	struct cmd_args args;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	options.target = args.words[0];
	return options.template_file != NULL ? run_template(&options) : run_target(&options);
}
