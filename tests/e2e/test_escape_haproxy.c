/* The escaping for HAProxy, read back from a running HAProxy: `setenv NAME VALUE` takes exactly one
 * argument, and `show env` shows the bytes that arrived. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/lab.h"
#include "render/mustache.h"

#define DEADLINE_MS 20000

static const char template[] = "global\n"
                               "\tstats socket {{folder}}/h.sock level admin\n"
                               "{{#values}}\n"
                               "\tsetenv BARE{{n}} {{v}}\n"
                               "\tsetenv QUOTED{{n}} \"{{v}}\"\n"
                               "\tsetenv MIDDLE{{n}} <{{v}}>\n"
                               "{{/values}}\n"
                               "defaults\n"
                               "\tmode tcp\n"
                               "\ttimeout connect 1s\n"
                               "\ttimeout client 1s\n"
                               "\ttimeout server 1s\n"
                               "listen x\n"
                               "\tbind unix@{{folder}}/x.sock\n"
                               "backend names\n"
                               "{{#values}}\n"
                               "\tserver {{name}} 127.0.0.1:1\n"
                               "{{/values}}\n";

/* As JSON, as the NUL and the line break cannot come here anyhow. */
static const char *const values[] = {
    "plain",
    "two words",
    " blanks around ",
    "tab\there",
    "#no comment",
    "it's",
    "\"quoted\"",
    "back\\slash",
    "\\x41\\n\\ ",
    "$PATH ${PATH} \"$PATH\"",
    "$",
    "\\$PATH",
    "\\",
    "a\\",
    "''\"\"##\\\\$$",
    "M\xc3\xbcnchen \xff",
    "%[env(PATH)]",
    "a,b;c|d&e",
    "{}[]()<>*?~!@^",
    "-x=y",
};

static char folder[] = "/tmp/segue-escape-XXXXXX";
static char *config_file, *socket_file, *listen_file;
static pid_t haproxy;

static void render_config(void)
{
	json_t *list = json_array(), *view = json_object();
	const struct file_owner owner = {.mode = 0600};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;
	struct mustache *mustache =
	    mustache_compile("t", template, sizeof(template) - 1, NULL, NULL, &err);

	cr_assert_not_null(mustache, "%s", err.message);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		auto_strbuf struct strbuf name = STRBUF_INIT;
		json_t *value = json_object();

		escape_name(&name, ESCAPE_HAPROXY, values[i]);
		json_object_set_new(value, "name", json_string(name.data));
		json_object_set_new(value, "n", json_integer((json_int_t)i));
		json_object_set_new_nocheck(value, "v", json_string_nocheck(values[i]));
		json_array_append_new(list, value);
	}
	json_object_set_new(view, "values", list);
	json_object_set_new(view, "folder", json_string(folder));
	cr_assert(mustache_render(mustache, view, ESCAPE_HAPROXY, &text, &err), "%s", err.message);
	cr_assert(file_replace(config_file, text.data, text.len, &owner, &err), "%s", err.message);
	json_decref(view);
	mustache_free(mustache);
}

static void start_haproxy(void)
{
	const char *argv[] = {"haproxy", "-q", "-db", "-f", NULL, NULL};

	cr_assert_not_null(mkdtemp(folder));
	config_file = xasprintf("%s/h.cfg", folder);
	socket_file = xasprintf("%s/h.sock", folder);
	listen_file = xasprintf("%s/x.sock", folder);
	argv[4] = config_file;
	render_config();
	cr_assert_eq(posix_spawnp(&haproxy, argv[0], NULL, NULL, (char *const *)argv, environ), 0);
}

static void stop_haproxy(void)
{
	kill(haproxy, SIGKILL);
	waitpid(haproxy, NULL, 0);
	unlink(config_file);
	unlink(socket_file);
	unlink(listen_file);
	rmdir(folder);
	free(config_file);
	free(socket_file);
	free(listen_file);
}

TestSuite(escape_haproxy, .init = start_haproxy, .fini = stop_haproxy, .timeout = 60);

/* HAProxy has ended, or it takes the connection. */
static bool is_settled(void *arg)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int *fd = arg;

	if (waitpid(haproxy, NULL, WNOHANG) != 0)
		return true;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_file);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(*fd);
	*fd = -1;
	return false;
}

static void show(const char *command, struct strbuf *out)
{
	auto_close int fd = -1;
	ssize_t got;

	cr_assert(lab_wait_until(is_settled, &fd, DEADLINE_MS) && fd >= 0,
	          "haproxy did not start, or does not listen on %s", socket_file);
	cr_assert_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
	do {
		strbuf_reserve(out, 4096);
		got = read(fd, out->data + out->len, 4096);
		out->len += got > 0 ? (size_t)got : 0;
		out->data[out->len] = '\0';
	} while (got > 0);
}

static void check_shown(const struct strbuf *env, const char *name, size_t number,
                        const char *before, const char *value, const char *after)
{
	auto_free char *line = xasprintf("\n%s%zu=%s%s%s\n", name, number, before, value, after);

	cr_expect_not_null(strstr(env->data, line), "'%s' did not arrive as %s%zu", value, name,
	                   number);
}

Test(escape_haproxy, every_value_arrives_as_it_is)
{
	auto_strbuf struct strbuf env = STRBUF_INIT;

	show("show env\n", &env);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		check_shown(&env, "BARE", i, "", values[i], "");
		check_shown(&env, "QUOTED", i, "", values[i], "");
		check_shown(&env, "MIDDLE", i, "<", values[i], ">");
	}
}

/* It does not start with a letter that it does not take, nor with a name that is there twice. */
Test(escape_haproxy, every_name_can_be_that_of_a_server)
{
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	show("show servers state names\n", &servers);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		auto_strbuf struct strbuf name = STRBUF_INIT, line = STRBUF_INIT;

		escape_name(&name, ESCAPE_HAPROXY, values[i]);
		strbuf_printf(&line, " names %zu %s 127.0.0.1 ", i + 1, name.data);
		cr_expect_not_null(strstr(servers.data, line.data), "no \"%s\" in\n%s", line.data,
		                   servers.data);
	}
}
