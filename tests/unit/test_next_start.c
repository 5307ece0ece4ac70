/* What PgBouncer's next start would change. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pgbouncer/model/next_start.h"
#include "pgbouncer_table.h"

#define NOBODY 65534
#define HEAD   "key|value|default|changeable\nconffile|/etc/p.ini||yes\n"

struct scene {
	char folder[32];
	struct pgbouncer_table config;
	struct pgbouncer_main found;
	struct pgbouncer_setting settings[8];
};

/* "auth_file=/x" */
static void set(struct scene *scene, const char *text)
{
	struct pgbouncer_setting *setting = &scene->settings[scene->found.setting_count++];
	const char *equals = strchr(text, '=');

	*setting = (struct pgbouncer_setting){.name = xstrndup(text, (size_t)(equals - text)),
	                                      .value = xstrdup(equals + 1),
	                                      .file = xstrdup("/etc/p.ini"),
	                                      .line = (unsigned)scene->found.setting_count};
	scene->found.settings = scene->settings;
}

static void init(struct scene *scene, const char *rows)
{
	auto_free char *text = xasprintf(HEAD "%s", rows);

	*scene = (struct scene){.folder = "/tmp/segue-unit-XXXXXX"};
	cr_assert_not_null(mkdtemp(scene->folder));
	scene->config = table_of(text);
}

static void fini(struct scene *scene)
{
	for (size_t i = 0; i < scene->found.setting_count; i++) {
		free(scene->settings[i].name);
		free(scene->settings[i].value);
		free(scene->settings[i].file);
	}
	pgbouncer_table_free(&scene->config);
	rmdir(scene->folder);
}

static char *differs(const char *rows, const char *setting, bool only_start, size_t *count)
{
	auto_string_list struct string_list found = {.count = 0};
	struct strbuf out = STRBUF_INIT;
	struct scene scene;

	init(&scene, rows);
	if (setting != NULL)
		set(&scene, setting);
	next_start_differs(&scene.config, &scene.found, only_start, &found);
	*count = found.count;
	string_list_join(&found, "\n", &out);
	fini(&scene);
	return strbuf_detach(&out);
}

Test(next_start, what_is_set_as_it_runs_is_no_difference)
{
	static const struct {
		const char *rows, *setting;
	} cases[] = {
	    {"listen_addr|127.0.0.1||no\n", "listen_addr=127.0.0.1"},
	    {"listen_port|6432|6432|no\n", "listen_port=06432"},
	    {"listen_port|6432|6432|no\n", NULL},
	    {"auth_type|md5|md5|yes\n", "auth_type=MD5"},
	    {"listen_addr|NULL||no\n", NULL},
	    {"", "listen_addr=127.0.0.1"},
	    {"pool_mode|session|session|yes\n", "pool_mode=transaction"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count;
		auto_free char *found = differs(cases[i].rows, cases[i].setting, false, &count);

		cr_expect_eq(count, 0, "%s", found);
		cr_expect_str_eq(found, "");
	}
}

Test(next_start, what_a_start_or_a_reload_changes_is_told)
{
	static const struct {
		const char *rows, *setting, *says;
		size_t by_start;
	} cases[] = {
	    {"listen_addr|127.0.0.1||no\n", "listen_addr=127.0.0.11",
	     "/etc/p.ini line 1: listen_addr = 127.0.0.11, and PgBouncer runs with 127.0.0.1: its "
	     "next start changes that",
	     1},
	    {"listen_addr|127.0.0.1||no\n", NULL,
	     "/etc/p.ini: listen_addr is not set (default: none), and PgBouncer runs with 127.0.0.1",
	     1},
	    {"max_client_conn|100|100|yes\n", "max_client_conn=1",
	     "/etc/p.ini line 1: max_client_conn = 1, and PgBouncer runs with 100: its next RELOAD, "
	     "and segue sends one with each move, changes that",
	     0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count;
		auto_free char *found = differs(cases[i].rows, cases[i].setting, false, &count);
		auto_free char *by_start = NULL;

		cr_expect_eq(count, 1, "%s", found);
		cr_expect_not_null(strstr(found, cases[i].says), "%s", found);
		by_start = differs(cases[i].rows, cases[i].setting, true, &count);
		cr_expect_eq(count, cases[i].by_start, "%s", by_start);
	}
}

/* As SHOW CONFIG is before 1.16. */
Test(next_start, without_a_column_of_defaults_nothing_is_known_of_what_is_not_set)
{
	auto_string_list struct string_list out = {.count = 0};
	struct scene scene;

	init(&scene, "");
	pgbouncer_table_free(&scene.config);
	scene.config = table_of("key|value|changeable\nlisten_addr|127.0.0.1|no\n");
	next_start_differs(&scene.config, &scene.found, false, &out);
	cr_expect_eq(out.count, 0);
	set(&scene, "listen_addr=::1");
	next_start_differs(&scene.config, &scene.found, false, &out);
	cr_expect_eq(out.count, 1);
	fini(&scene);
}

Test(next_start, an_auth_file_that_is_missing_lets_nobody_in)
{
	static const struct {
		const char *more;
		bool fine, some;
	} cases[] = {{"auth_type=trust", false, false}, {"auth_type=MD5", false, false},
	             {"auth_type=any", true, false},    {"auth_type=pam", true, false},
	             {"auth_user=asker", false, true},  {"listen_port=1", false, false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *setting = NULL;
		struct scene scene;
		struct err err = {0};
		bool some;

		init(&scene, "auth_type|md5|md5|yes\nauth_user|||yes\n");
		setting = xasprintf("auth_file=%s/userlist.tx", scene.folder);
		set(&scene, cases[i].more);
		set(&scene, setting);
		cr_expect_eq(next_start_lets_in(&scene.config, &scene.found, &some, &err),
		             cases[i].fine, "%s", cases[i].more);
		cr_expect_eq(some, cases[i].some, "%s", cases[i].more);
		if (!cases[i].fine)
			cr_expect_not_null(strstr(err.message, "/etc/p.ini line 2: auth_file = "),
			                   "%s", err.message);
		fini(&scene);
	}
}

/* PgBouncer may be in a container, with folders of its own. */
Test(next_start, an_auth_file_in_a_folder_that_is_not_here_is_not_known)
{
	static const char *const files[] = {"auth_file=/nonexistent/userlist.txt",
	                                    "auth_file=userlist.txt", "auth_file=/etc/passwd"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct scene scene;
		struct err err;
		bool some;

		init(&scene, "auth_type|md5|md5|yes\n");
		set(&scene, files[i]);
		cr_expect(next_start_lets_in(&scene.config, &scene.found, &some, &err), "%s",
		          files[i]);
		fini(&scene);
	}
}

static const char *try_to_read(const struct scene *scene, const char *file, struct err *err)
{
	return next_start_reads(&scene->config, file, err) ? "" : err->message;
}

Test(next_start, what_this_user_may_not_read_pgbouncer_may_not_where_it_is_the_same_user)
{
	auto_free char *rows = NULL, *socket = NULL, *file = NULL;
	bool was_root = geteuid() == 0;
	struct scene scene;
	struct err err;

	init(&scene, "");
	rows = xasprintf("key|value\nunix_socket_dir|%s\nlisten_port|6432\n", scene.folder);
	socket = xasprintf("%s/.s.PGSQL.6432", scene.folder);
	file = xasprintf("%s/shut.ini", scene.folder);
	pgbouncer_table_free(&scene.config);
	scene.config = table_of(rows);
	cr_assert_eq(mknod(file, S_IFREG | 0000, 0), 0);
	if (was_root) {
		cr_assert_eq(chmod(scene.folder, 0777), 0);
		cr_assert_eq(setresuid(NOBODY, NOBODY, 0), 0); /* root may read all */
	}
	cr_expect_str_eq(try_to_read(&scene, file, &err), "", "no socket: it is another user");
	cr_assert_eq(mknod(socket, S_IFSOCK | 0600, 0), 0);
	cr_expect_not_null(strstr(try_to_read(&scene, file, &err), "PgBouncer cannot read"), "%s",
	                   err.message);
	if (was_root)
		cr_assert_eq(setresuid(0, 0, 0), 0);
	unlink(file);
	unlink(socket);
	fini(&scene);
}
