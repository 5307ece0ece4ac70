/* `segue check`: what would keep `segue run` from its work, before it has to be done at 3 a.m.
 * Asks and reads; changes neither store nor proxy nor file. What check_command is to look at stands
 * beside the output for as long as it runs. */
#include "cmd.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/check.h"
#include "guess.h"

static const char usage[] = "usage: segue check [-c segue.ini]\n";

void check_note(struct check *check, enum check_grade grade, const char *what, const char *fix,
                const char *detail, ...)
{
	static const char *const words[] = {
	    [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, detail);
	strbuf_vprintf(&text, detail, args);
	va_end(args);
	printf("%-4s  %s: %s%s%s\n", words[grade], what, text.data, fix != NULL ? ": " : "",
	       fix != NULL ? fix : "");
	check->failed += grade == CHECK_FAIL;
}

char *check_target_name(const struct config_target *target)
{
	return xasprintf("%s/%s", config_target_kind_name(target->kind), target->name);
}

char *check_user(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return user != NULL ? xstrdup(user->pw_name)
	                    : xasprintf("uid %lu", (unsigned long)geteuid());
}

char *check_socket_fix(const char *path, const char *missing)
{
	auto_free char *user = check_user();
	const struct group *group;
	struct stat st;

	if (*path != '/')
		return xstrdup("is anybody listening there?");
	if (stat(path, &st) != 0 && errno == EACCES)
		return xasprintf("a folder above it is closed to the user %s", user);
	if (stat(path, &st) != 0)
		return xstrdup(missing);
	if (access(path, W_OK) == 0)
		return xstrdup("nobody listens there: is it running (systemctl status), or is this "
		               "socket left over?");
	group = getgrgid(st.st_gid);
	if ((st.st_mode & S_IWGRP) == 0 || st.st_gid == 0 || group == NULL)
		return xasprintf("its mode keeps out the user %s: give it a group and mode 660 "
		                 "where it is configured",
		                 user);
	return xasprintf("put the user %s into its group: usermod -a -G %s %s, and start segue "
	                 "anew",
	                 user, group->gr_name, user);
}

/* A file without a name leaves nothing behind, whatever happens; not every file system has them. */
static bool can_create(const char *folder)
{
	auto_free char *name = xasprintf("%s/.segue-check-XXXXXX", folder);
	auto_close int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd >= 0;
	fd = mkostemp(name, O_CLOEXEC);
	return fd >= 0 && unlink(name) == 0;
}

void check_folder(struct check *check, const char *what, const char *folder)
{
	auto_free char *user = check_user();
	auto_free char *make = xasprintf("make the folder, for the user that segue runs as: "
	                                 "install -d -o %s %s",
	                                 user, folder);
	auto_free char *give = xasprintf("run as another user than %s, or give this one write "
	                                 "access: chown %s %s",
	                                 user, user, folder);
	struct stat st;

	if (stat(folder, &st) != 0)
		check_note(check, CHECK_FAIL, what, make, "%s: %s", folder, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		check_note(check, CHECK_FAIL, what, "name a folder", "%s is no folder", folder);
	else if (!can_create(folder))
		check_note(check, CHECK_FAIL, what, give, "%s: no file can be made there: %s",
		           folder, strerror(errno));
	else
		check_note(check, CHECK_OK, what, NULL, "%s is writable", folder);
}

static void note_warnings(struct check *check)
{
	const char *line = check->config->warnings.data;
	auto_free char *user = check_user();

	for (; *line != '\0'; line += strcspn(line, "\n") + 1)
		check_note(check, CHECK_WARN, "config", NULL, "%.*s", (int)strcspn(line, "\n"),
		           line);
	check_note(check, CHECK_OK, "config", NULL,
	           "%s: clusters %zu, targets %zu; looked at as user %s", check->config->file,
	           check->config->cluster_count, check->config->target_count, user);
}

/* Until the store says more. */
static void start_topology(struct check *check, size_t index)
{
	auto_free char *what = xasprintf("cluster/%s", check->config->clusters[index].name);
	struct err problem;

	(void)guess_topology(check->config, index, &check->topologies[index], &problem);
	if (*problem.message != '\0')
		check_note(check, CHECK_WARN, what, NULL, "state: %s", problem.message);
}

static int run_checks(const struct config *config)
{
	struct check check = {.config = config, .base = event_base_new()};

	if (check.base == NULL) {
		fputs("segue check: no event loop on this system\n", stderr);
		return CMD_FAILED;
	}
	check.topologies = xcalloc(config->cluster_count, sizeof(*check.topologies));
	note_warnings(&check);
	if (config->target_count > 0) /* a publisher keeps nothing on disk */
		check_folder(&check, "state_dir", config->state_dir);
	for (size_t i = 0; i < config->cluster_count; i++)
		start_topology(&check, i);
	check_overrides(&check);
	check_store(&check);
	check_servers(&check);
	check_publishers(&check);
	check_targets(&check);
	check_rendered(&check);
	check_haproxies(&check);
	check_pgbouncers(&check);
	for (size_t i = 0; i < config->cluster_count; i++)
		topology_fini(&check.topologies[i]);
	free(check.topologies);
	event_base_free(check.base);
	if (fflush(stdout) != 0)
		return CMD_FAILED;
	return check.failed > 0 ? CMD_FAILED : CMD_OK;
}

int cmd_check(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	const char *file = cmd_config_file();
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config;
	int option, code;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		if (option == 'c') {
			file = optarg;
			continue;
		}
		fputs(usage, option == 'h' ? stdout : stderr);
		return option == 'h' ? CMD_OK : CMD_USAGE;
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return CMD_USAGE;
	}
	config = config_load(file, &errors);
	if (config == NULL) {
		fputs(errors.data, stderr);
		if (access(file, F_OK) != 0 && errno == ENOENT)
			fputs("segue check: `segue init haproxy` or `segue init pgbouncer` writes "
			      "one\n",
			      stderr);
		return CMD_USAGE;
	}
	log_configure(LOG_ERROR, LOG_TEXT); /* the findings say it */
	code = run_checks(config);
	config_free(config);
	return code;
}
