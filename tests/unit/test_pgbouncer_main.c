/* The person's own pgbouncer.ini, with what it includes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/pgbouncer_main.h"

struct folder {
	char path[32];
	char *main_file, *other;
};

static void folder_init(struct folder *folder)
{
	snprintf(folder->path, sizeof(folder->path), "/tmp/segue-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(folder->path));
	folder->main_file = xasprintf("%s/pgbouncer.ini", folder->path);
	folder->other = xasprintf("%s/other.ini", folder->path);
}

static void folder_fini(struct folder *folder)
{
	unlink(folder->main_file);
	unlink(folder->other);
	rmdir(folder->path);
	free(folder->main_file);
	free(folder->other);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

Test(pgbouncer_main, settings_databases_and_what_is_included)
{
	struct folder folder;
	struct pgbouncer_main config;
	struct err err;
	char *text;

	folder_init(&folder);
	write_text(folder.other, "b = host=10.0.0.2 password='it''s'\n[pgbouncer]\nport_x = 1\n");
	text = xasprintf("; comment\n[databases]\na = host=10.0.0.1\nb = host=old\n"
	                 "%%include %s\nlisten_port = 1\nlisten_port = 7000\nauth_query =\n"
	                 "[users]\nbob = pool_mode=session\n",
	                 folder.other);
	write_text(folder.main_file, text);
	cr_assert(pgbouncer_main_load(folder.main_file, &config, &err), "%s", err.message);
	cr_expect_null(config.problem, "%s", config.problem);
	cr_assert_eq(config.database_count, 2);
	cr_expect_str_eq(config.databases[0].name, "a");
	cr_expect_eq(config.databases[0].line, 3);
	cr_expect_str_eq(config.databases[1].name, "b");
	cr_expect_str_eq(config.databases[1].file, folder.other);
	cr_expect_str_eq(pgbouncer_pairs_get(&config.databases[1].pairs, "password"), "it's");
	cr_expect_str_eq(pgbouncer_main_get(&config, "listen_port"), "7000");
	cr_expect_str_eq(pgbouncer_main_get(&config, "auth_query"), "");
	cr_expect_null(pgbouncer_main_get(&config, "bob"));
	cr_expect(pgbouncer_main_includes(&config, folder.other));
	cr_expect_not(pgbouncer_main_includes(&config, folder.main_file));
	pgbouncer_main_free(&config);
	free(text);
	folder_fini(&folder);
}

Test(pgbouncer_main, where_pgbouncer_stops_reading_is_said)
{
	static const struct {
		const char *text, *problem;
		size_t databases;
	} cases[] = {
	    {"[databases]\na = host=x\nno sense\nb = host=y\n", "line 3: 'no sense' is neither", 1},
	    {"[databases]\na = host='x\n", "line 2: a: host: the closing quote is missing", 0},
	    {"[databases]\n%include /nonexistent/x.ini\n", "/nonexistent/x.ini: No such file", 0},
	    {"[databases\n", "line 1: the ']'", 0},
	    {"%includes x\n", "line 1: '%includes x' is neither", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct folder folder;
		struct pgbouncer_main config;
		struct err err;

		folder_init(&folder);
		write_text(folder.main_file, cases[i].text);
		cr_assert(pgbouncer_main_load(folder.main_file, &config, &err));
		cr_assert_not_null(config.problem, "%s", cases[i].text);
		cr_expect_not_null(strstr(config.problem, cases[i].problem), "%s", config.problem);
		cr_expect_eq(config.database_count, cases[i].databases);
		pgbouncer_main_free(&config);
		folder_fini(&folder);
	}
}

Test(pgbouncer_main, a_file_that_includes_itself_ends)
{
	struct folder folder;
	struct pgbouncer_main config;
	struct err err;
	char *text;

	folder_init(&folder);
	text = xasprintf("%%include %s\n", folder.main_file);
	write_text(folder.main_file, text);
	cr_assert(pgbouncer_main_load(folder.main_file, &config, &err));
	cr_assert_not_null(config.problem);
	cr_expect_not_null(strstr(config.problem, "files in each other"), "%s", config.problem);
	pgbouncer_main_free(&config);
	cr_expect_not(pgbouncer_main_load(folder.other, &config, &err));
	pgbouncer_main_free(&config);
	free(text);
	folder_fini(&folder);
}
