/* The person's own pgbouncer.ini, with what it includes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pgbouncer/model/config.h"
#include "pgbouncer_table.h"

static const struct pgbouncer_reading any = {.minor = 0};

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

Test(pgbouncer_config, settings_databases_and_what_is_included)
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
	cr_assert(pgbouncer_main_load(folder.main_file, &any, &config, &err), "%s", err.message);
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
	pgbouncer_main_free(&config);
	free(text);
	folder_fini(&folder);
}

/* %s in the text is the output, which is not there yet. */
static void expect_left_out(const char *format, bool left_out)
{
	struct pgbouncer_reading reading = {.text = "", .only_problem = true};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *mark = strstr(format, "%s");
	struct pgbouncer_main config;
	struct folder folder;
	struct err err;

	folder_init(&folder);
	strbuf_append(&text, format, mark != NULL ? (size_t)(mark - format) : strlen(format));
	if (mark != NULL)
		strbuf_printf(&text, "%s%s", folder.other, mark + 2);
	write_text(folder.main_file, text.data);
	reading.output = folder.other;
	cr_assert(pgbouncer_main_load(folder.main_file, &reading, &config, &err), "%s",
	          err.message);
	cr_expect_eq(pgbouncer_main_leaves_out(&config), left_out, "%s", format);
	pgbouncer_main_free(&config);
	folder_fini(&folder);
}

Test(pgbouncer_config, an_output_that_is_not_taken_in)
{
	expect_left_out("[databases]\n", true);
	expect_left_out("[databases]\n%include %s\n", false);
	expect_left_out("[databases]\n;%include %s\n", true);
	expect_left_out("[databases]\nb = host=x\n%include %sx\n", false); /* that is a problem */
	expect_left_out("%include other/databases.ini\n", false); /* PgBouncer knows what that is */
}

Test(pgbouncer_config, where_pgbouncer_stops_reading_is_said)
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
		cr_assert(pgbouncer_main_load(folder.main_file, &any, &config, &err));
		cr_assert_not_null(config.problem, "%s", cases[i].text);
		cr_expect_not_null(strstr(config.problem, cases[i].problem), "%s", config.problem);
		cr_expect_eq(config.database_count, cases[i].databases);
		pgbouncer_main_free(&config);
		folder_fini(&folder);
	}
}

Test(pgbouncer_config, a_file_that_includes_itself_ends)
{
	struct folder folder;
	struct pgbouncer_main config;
	struct err err;
	char *text;

	folder_init(&folder);
	text = xasprintf("%%include %s\n", folder.main_file);
	write_text(folder.main_file, text);
	cr_assert(pgbouncer_main_load(folder.main_file, &any, &config, &err));
	cr_assert_not_null(config.problem);
	cr_expect_not_null(strstr(config.problem, "nested include files"), "%s", config.problem);
	pgbouncer_main_free(&config);
	cr_expect_not(pgbouncer_main_load(folder.other, &any, &config, &err));
	pgbouncer_main_free(&config);
	free(text);
	folder_fini(&folder);
}

/* --- where PgBouncer 1.18 stops --- */

#define CONFIG                                                                            \
	"key|value|default|changeable\n"                                                  \
	"admin_users|boss||yes\nauth_type|trust|md5|yes\npool_mode|session|session|yes\n" \
	"default_pool_size|20|20|yes\nlisten_port|6432|6432|no\n"                         \
	"server_lifetime|3600|3600|yes\nserver_tls_sslmode|disable|disable|yes\n"

/* The problem of this pgbouncer.ini for PgBouncer 1.`minor`, without its file; "": none. %s in the
 * text is the file that segue writes, which is empty on disk and not by then. */
static void expect_problem(unsigned minor, const char *format, const char *problem)
{
	static const char output_text[] = "[databases]\napp = host=10.0.0.1 port=5432\n";
	struct pgbouncer_table config = table_of(CONFIG);
	struct pgbouncer_reading reading = {.minor = minor,
	                                    .config = &config,
	                                    .only_problem = true,
	                                    .text = output_text,
	                                    .len = strlen(output_text)};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct pgbouncer_main found;
	struct folder folder;
	struct err err;
	const char *said, *mark = strstr(format, "%s");

	folder_init(&folder);
	reading.output = folder.other;
	strbuf_append(&text, format, mark != NULL ? (size_t)(mark - format) : strlen(format));
	if (mark != NULL)
		strbuf_printf(&text, "%s%s", folder.other, mark + 2);
	write_text(folder.main_file, text.data);
	cr_assert(pgbouncer_main_load(folder.main_file, &reading, &found, &err), "%s", err.message);
	said = found.problem != NULL ? found.problem + strlen(folder.main_file) + 1 : "";
	cr_expect_eq(strncmp(said, problem, strlen(problem)), 0, "\"%s\" instead of \"%s\" of\n%s",
	             said, problem, text.data);
	cr_expect(*problem != '\0' || *said == '\0', "\"%s\" of\n%s", said, text.data);
	pgbouncer_main_free(&found);
	pgbouncer_table_free(&config);
	folder_fini(&folder);
}

Test(pgbouncer_config, where_1_18_stops_is_named_with_its_line)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
	    {"[databases]\n[pgbouncer]\nthis is no setting\nadmin_users = boss\n%include %s\n",
	     "line 3: 'this is no setting' is neither"},
	    {"listen_port = 1\n", "line 1: listen_port: there is no section above it"},
	    {"[pgbouncer]\n\nadmin_user = boss\n",
	     "line 3: admin_user: PgBouncer has no setting of this name"},
	    {"[pgbouncer]\ndefault_pool_size = 2o\n",
	     "line 2: default_pool_size: '2o' is not a number"},
	    {"[pgbouncer]\nserver_lifetime = 1h\n",
	     "line 2: server_lifetime: '1h' is not a number"},
	    {"[pgbouncer]\nauth_type = scram\n",
	     "line 2: auth_type: PgBouncer has no 'scram' for it"},
	    {"[pgbouncer]\nserver_tls_sslmode = on\n",
	     "line 2: server_tls_sslmode: PgBouncer has no"},
	    {"[pgbouncer]\n%include %s\nserver_fast_close = 1\n",
	     "line 3: server_fast_close: this is read as a database, as the %include in line 2"},
	    {"[peers]\n1 = host=a\n", "line 1: PgBouncer has no section [peers]"},
	    {"[databases]\n'my db' = host=a\n", "line 2: ''my db' ' is neither"},
	    {"[databases]\na = host=a hots=b\n", "line 2: a: PgBouncer has no key 'hots'"},
	    {"[databases]\na = host=a port=x\n", "line 2: a: port 'x' is not a number"},
	    {"[databases]\na = host=a pool_mode=x\n", "line 2: a: pool_mode 'x'"},
	    {"[databases]\npgbouncer = host=a\n", "line 2: pgbouncer: the name is reserved"},
	    {"[users]\nbob = pool_size\n", "line 2: bob: KEY=VALUE is expected"},
	    {"[databases]\n%include %s\n[pgbouncer]\n%include /nonexistent/x.ini\n",
	     "line 4: /nonexistent/x.ini: No such file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_problem(18, cases[i].text, cases[i].problem);
}

/* The first %include ends in [databases], the second leaves the section as it is. */
Test(pgbouncer_config, an_include_that_turns_is_named_behind_others_that_do_not)
{
	struct folder folder;
	struct pgbouncer_main config;
	auto_free char *text = NULL, *empty = NULL;
	struct err err;

	folder_init(&folder);
	empty = xasprintf("%s/empty.ini", folder.path);
	text = xasprintf("[pgbouncer]\n%%include %s\n%%include %s\nx = 1\n", folder.other, empty);
	write_text(folder.main_file, text);
	write_text(folder.other, "[databases]\n");
	write_text(empty, "; nothing\n");
	cr_assert(pgbouncer_main_load(folder.main_file, &any, &config, &err));
	cr_assert_not_null(config.problem);
	cr_expect_not_null(strstr(config.problem, "line 4: x: this is read as a database, as the "
	                                          "%include in line 2"),
	                   "%s", config.problem);
	pgbouncer_main_free(&config);
	unlink(empty);
	folder_fini(&folder);
}

/* What would be an error in segue's own file is none where it is the person's and PgBouncer goes
 * on. */
Test(pgbouncer_config, what_1_18_reads_is_no_problem)
{
	static const char *const texts[] = {
	    "[databases]\n%include %s\nb = host=b\n[pgbouncer]\nadmin_users = boss\n",
	    "[databases]\n* = host=a what=ever 'x\n",
	    "[databases]\na = host=a host=b port=5432abc password= x dbname='y'zpool_size=many\n",
	    "[pgbouncer]\nlisten_port = none\n", /* no RELOAD looks at it */
	    "[pgbouncer]\nauth_type = TRUST\nserver_lifetime = 0.5\n",
	    "[pgbouncer]\nadmin_users =\n; comment\n# comment\n",
	    "[users]\nbob = pool_mode=session max_user_connections=1\n",
	    "%include relative.ini\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		expect_problem(18, texts[i], "");
}

Test(pgbouncer_config, later_versions_read_more)
{
	expect_problem(19, "[peers]\n1 = host=a\n", "");
	expect_problem(25, "[databases]\n'my db' = host=a\n", "");
	expect_problem(25, "[databases]\n'my db = host=a\n", "line 2: ''my db ' is neither");
	expect_problem(26, "[databases]\na = hots=b\n", "line 2: a: PgBouncer has no key 'hots'");
	expect_problem(40, "[databases]\na = new_key=b\n[new_section]\nx = y\n", "");
}

/* The last definition counts, whoever includes it. */
Test(pgbouncer_config, a_database_of_the_output_that_is_defined_once_more)
{
	static const char output[] = "[databases]\na = host=10.0.0.1\nb = host=10.0.0.1\n";
	static const struct {
		const char *before, *behind, *says;
	} cases[] = {
	    {"[databases]\na = host=old\n", "", NULL},
	    {"", "c = host=old\n* = host=old\n", NULL},
	    {"", "[pgbouncer]\na = 1\n", NULL},
	    {"[databases]\n", "[users]\na = pool_mode=session\n", NULL},
	    {"", "b = host=10.0.0.1\na = host=old\n", "/pgbouncer.ini line 2 defines b again"},
	    {"; x\n", "[databases]\na=\n", "/pgbouncer.ini line 4 defines a again"},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		struct pgbouncer_reading reading = {.text = output, .len = strlen(output)};
		struct folder folder;
		struct pgbouncer_ini ini;
		struct pgbouncer_main config;
		struct err err = {0};
		auto_free char *text = NULL;
		size_t row = i / 2;

		folder_init(&folder);
		cr_assert(pgbouncer_ini_parse(output, strlen(output), &ini, &err));
		reading.output = folder.other;
		reading.ini = &ini;
		reading.only_problem = i % 2 == 0;
		write_text(folder.other, "");
		text = xasprintf("%s%%include %s\n%s", cases[row].before, folder.other,
		                 cases[row].behind);
		write_text(folder.main_file, text);
		cr_assert(pgbouncer_main_load(folder.main_file, &reading, &config, &err));
		cr_expect_eq(pgbouncer_main_obeys(&config, folder.other, &err),
		             cases[row].says == NULL, "%s", text);
		if (cases[row].says != NULL)
			cr_expect_not_null(strstr(err.message, cases[row].says), "%s", err.message);
		pgbouncer_main_free(&config);
		pgbouncer_ini_free(&ini);
		folder_fini(&folder);
	}
}

Test(pgbouncer_config, a_copy_that_is_taken_in_behind_the_output)
{
	static const char output[] = "[databases]\na = host=10.0.0.1\n";
	struct pgbouncer_reading reading = {.text = output, .len = strlen(output)};
	struct folder folder;
	struct pgbouncer_ini ini;
	struct pgbouncer_main config;
	struct err err;
	auto_free char *copied = NULL, *right = NULL;

	folder_init(&folder);
	cr_assert(pgbouncer_ini_parse(output, strlen(output), &ini, &err));
	reading.output = "/nonexistent/output.ini";
	reading.ini = &ini;
	write_text(folder.other, output);
	copied = xasprintf("%%include %s\n%%include %s\n", reading.output, folder.other);
	right = xasprintf("%s%%include %s\n", copied, reading.output);
	write_text(folder.main_file, copied);
	cr_assert(pgbouncer_main_load(folder.main_file, &reading, &config, &err));
	cr_assert_not(pgbouncer_main_obeys(&config, reading.output, &err));
	cr_expect_not_null(strstr(err.message, "/other.ini line 2 defines a again, after"), "%s",
	                   err.message);
	pgbouncer_main_free(&config);
	write_text(folder.main_file, right);
	cr_assert(pgbouncer_main_load(folder.main_file, &reading, &config, &err));
	cr_expect(pgbouncer_main_obeys(&config, reading.output, &err));
	pgbouncer_main_free(&config);
	pgbouncer_ini_free(&ini);
	folder_fini(&folder);
}
