/* What segue init reads out of configurations of all kinds. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/debian.h"
#include "sidecar/setup/init_internal.h"

static void read_text(struct haproxy_survey *found, const char *text)
{
	struct err err;

	*found = (struct haproxy_survey){0};
	cr_assert(haproxy_survey_add(found, "/a.cfg", text, strlen(text), &err), "%s", err.message);
	haproxy_survey_judge(found);
}

Test(init_found, the_first_socket_with_level_admin_is_taken)
{
	static const struct {
		const char *lines, *path;
		bool admin;
	} cases[] = {
	    {"stats socket /run/a level admin\n", "/run/a", true},
	    {"stats socket /run/a\nstats socket unix@/run/b mode 600 level admin\n", "/run/b",
	     true},
	    {"stats socket /run/a level operator\nstats socket /run/b\n", "/run/a", false},
	    {"stats socket \"/run/with blank\" level admin\n", "/run/with blank", true},
	    {"stats socket ipv4@127.0.0.1:9999 level admin\n", "127.0.0.1:9999", true},
	    {"stats socket *:9999 level admin\n", "127.0.0.1:9999", true},
	    {"stats socket fd@3 level admin\nstats socket /run/b\n", "/run/b", false},
	    {"stats socket \"$SOCK\" level admin\nstats socket /run/b\n", "/run/b", false},
	    {"# stats socket /run/a level admin\n", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf("global\n%s", cases[i].lines);
		const struct found_socket *socket;
		struct haproxy_survey found;

		read_text(&found, text);
		socket = haproxy_survey_socket(&found);
		cr_expect_eq(socket == NULL, cases[i].path == NULL, "%s", text);
		if (socket != NULL) {
			cr_expect_str_eq(socket->path, cases[i].path);
			cr_expect_eq(socket->admin, cases[i].admin, "%s", text);
		}
		haproxy_survey_free(&found);
	}
}

Test(init_found, a_listen_section_for_writers_and_a_frontend_for_readers)
{
	struct haproxy_survey found;

	read_text(&found,
	          "defaults\n\tmode http\n\ttimeout client 50s\n"
	          "listen web\n\tbind *:80\n\tserver a 10.0.0.1:5432\n"
	          "listen pg\n\tbind *:5432\n\tbind 127.0.0.1:6000 interface lo\n\tmode tcp\n"
	          "\toption httpchk OPTIONS /primary\n\toption tcplog\n"
	          "\tserver a db1.example:5432 check port 8008 maxconn 100\n"
	          "\tserver b db2.example:5432 check port 8008 maxconn 100\n"
	          "frontend in\n\tmode tcp\n\tbind *:5433\n\ttimeout client 30m\n"
	          "\tdefault_backend pg-replicas\n"
	          "backend pg-replicas\n\tmode tcp\n\toption pgsql-check\n"
	          "\tserver b db2.example:1234\n");
	cr_assert_not_null(found.rw);
	cr_expect_str_eq(found.rw->name, "pg");
	cr_expect(found.rw->patroni);
	cr_expect_eq(found.rw->first, 7);
	cr_expect_eq(found.rw->last, 14);
	cr_expect_str_eq(found.rw->bind.data, "*:5432,127.0.0.1:6000");
	cr_expect_str_eq(found.rw->maxconn, "100");
	cr_expect_str_eq(found.rw->idle, "50s");
	cr_assert_eq(found.rw->kept.count, 2);
	cr_expect_str_eq(found.rw->kept.items[0], "bind 127.0.0.1:6000 interface lo");
	cr_expect_str_eq(found.rw->kept.items[1], "option tcplog");
	cr_expect_eq(found.rw->servers.count, 2);
	cr_expect_str_eq(found.rw->servers.items[1], "db2.example:5432");
	cr_assert_not_null(found.ro);
	cr_expect_str_eq(found.ro->name, "pg-replicas");
	cr_assert_not_null(found.ro->frontend);
	cr_expect_str_eq(found.ro->frontend->bind.data, "*:5433");
	cr_expect_str_eq(found.ro->frontend->idle, "30m");
	haproxy_survey_free(&found);
}

/* segue.ini would take "${IP}" for a variable of segue's own environment. */
Test(init_found, no_value_with_a_variable_of_haproxys_environment_is_taken)
{
	struct haproxy_survey found;

	read_text(&found, "listen pg\n\tbind \"${IP}:5432\"\n\tbind *:5433\n\tmode tcp\n"
	                  "\ttimeout client \"${IDLE}\"\n\toption pgsql-check user \"$USER\"\n"
	                  "\tserver a \"${DB1}\" check maxconn \"${MAX}\"\n");
	cr_assert_not_null(found.rw);
	cr_expect_eq(found.rw->servers.count, 1);
	cr_expect_str_eq(found.rw->bind.data, "*:5433");
	cr_expect_null(found.rw->idle);
	cr_expect_null(found.rw->maxconn);
	cr_assert_eq(found.rw->kept.count, 4, "these are shown");
	cr_expect_str_eq(found.rw->kept.items[0], "bind \"${IP}:5432\"");
	haproxy_survey_free(&found);
}

static void add_text(struct haproxy_survey *found, const char *file, const char *text)
{
	struct err err;

	cr_assert(haproxy_survey_add(found, file, text, strlen(text), &err), "%s", err.message);
}

Test(init_found, what_a_section_inherits_it_inherits_from_a_file_before_and_from_a_chain)
{
	struct haproxy_survey found = {0};

	add_text(&found, "/a.cfg",
	         "defaults web\n\tmode http\ndefaults base\n\tmode tcp\n\ttimeout client 9m\n"
	         "\tdefault_backend pg\n\toption httpchk GET /primary\n"
	         "defaults more from base\n\ttimeout connect 1s\n");
	add_text(&found, "/b.cfg",
	         "frontend in\n\tbind *:5000\nbackend pg from more\n\tserver a 10.0.0.1:1\n"
	         "listen web from web\n\tserver a 10.0.0.1:5432\n");
	haproxy_survey_judge(&found);
	cr_assert_not_null(found.rw);
	cr_expect_str_eq(found.rw->name, "pg");
	cr_expect(found.rw->patroni);
	cr_expect_str_eq(found.rw->idle, "9m");
	cr_assert_not_null(found.rw->frontend, "by the default_backend that it inherits");
	cr_expect_str_eq(found.rw->frontend->bind.data, "*:5000");
	haproxy_survey_free(&found);
}

/* A section may be called "from", and a value may look like a keyword. HAProxy goes by the last of
 * several. */
Test(init_found, words_are_taken_for_what_haproxy_takes_them_for)
{
	struct haproxy_survey found;

	read_text(&found, "global\n\tstats socket /a level admin level user\n"
	                  "defaults\n\tmode tcp\n\ttimeout client 9m\n"
	                  "listen from\n\tserver a 10.0.0.1:5432 cookie maxconn maxconn 7\n");
	cr_assert_not_null(haproxy_survey_socket(&found));
	cr_expect_not(haproxy_survey_socket(&found)->admin);
	cr_assert_not_null(found.rw);
	cr_expect_str_eq(found.rw->idle, "9m");
	cr_expect_str_eq(found.rw->maxconn, "7");
	haproxy_survey_free(&found);
}

Test(init_found, what_is_no_postgresql_is_left_alone)
{
	static const char *const texts[] = {
	    "",
	    "backend b\n\tmode http\n\tserver a 10.0.0.1:5432\n",
	    "backend b\n\tmode tcp\n\tserver a 10.0.0.1:6432\n",
	    "backend b\n\tmode tcp\n\toption pgsql-check\n",
	    "defaults\n\tmode http\nbackend b\n\tserver a 10.0.0.1:5432\n",
	    "defaults w\n\tmode http\ndefaults d\n\tmode tcp\nbackend b from w\n\tserver a 1.1.1.1:5432\n",
	    "listen b\n\tmode tcp\n\tserver a /run/socket\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct haproxy_survey found;

		read_text(&found, texts[i]);
		cr_expect(found.rw == NULL && found.ro == NULL, "%s", texts[i]);
		haproxy_survey_free(&found);
	}
}

Test(init_found, names_that_mean_readers)
{
	static const struct {
		const char *name;
		bool reads;
	} cases[] = {
	    {"ro", true},          {"pg_ro", true}, {"pg-Replicas", true}, {"db.standby", true},
	    {"production", false}, {"rw", false},   {"thread", false},     {"pro_rw", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text =
		    xasprintf("listen %s\n\tserver a 10.0.0.1:5432\n", cases[i].name);
		struct haproxy_survey found;

		read_text(&found, text);
		cr_expect_eq(found.ro != NULL, cases[i].reads, "%s", cases[i].name);
		haproxy_survey_free(&found);
	}
}

Test(init_found, a_broken_file_is_named_with_its_line)
{
	struct haproxy_survey found = {0};
	struct err err = {0};

	cr_expect_not(haproxy_survey_add(&found, "/a.cfg", "global\n\tlog 'x\n", 16, &err));
	cr_expect_not_null(strstr(err.message, "/a.cfg: line 2: a quote"), "%s", err.message);
	haproxy_survey_free(&found);
}

Test(init_debian, the_unit_s_arguments)
{
	static const struct {
		const char *text, *config, *extraopts, *master;
		size_t files;
	} cases[] = {
	    {"", DEBIAN_CONFIG, "-S " DEBIAN_MASTER_SOCKET, DEBIAN_MASTER_SOCKET, 0},
	    {"# EXTRAOPTS=\"-x\"\n#CONFIG=/b\n", DEBIAN_CONFIG, "-S " DEBIAN_MASTER_SOCKET,
	     DEBIAN_MASTER_SOCKET, 0},
	    {"CONFIG=\"/etc/b.cfg\"\nEXTRAOPTS=\"-S /run/m.sock,mode,660 -f /etc/c.d\"\n",
	     "/etc/b.cfg", "-S /run/m.sock,mode,660 -f /etc/c.d", "/run/m.sock", 1},
	    {"EXTRAOPTS='-de -m 16'\n", DEBIAN_CONFIG, "-de -m 16", NULL, 0},
	    {"EXTRAOPTS=-f /a -f /b\n", DEBIAN_CONFIG, "-f /a -f /b", NULL, 2},
	    {"EXTRAOPTS=\"-f /a\"\nEXTRAOPTS=\"\"", DEBIAN_CONFIG, "", NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct debian_haproxy debian;
		struct err err;

		cr_assert(debian_haproxy_parse(cases[i].text, &debian, &err), "%s", err.message);
		cr_expect_str_eq(debian.config, cases[i].config);
		cr_expect_str_eq(debian.extraopts, cases[i].extraopts);
		cr_expect_eq(debian.files.count, cases[i].files);
		cr_expect_eq(debian.master_socket == NULL, cases[i].master == NULL, "%s",
		             cases[i].text);
		if (cases[i].master != NULL)
			cr_expect_str_eq(debian.master_socket, cases[i].master);
		debian_haproxy_free(&debian);
	}
}

Test(init_debian, a_quote_without_end_is_an_error_and_a_missing_file_is_none)
{
	struct debian_haproxy debian;
	struct err err;

	cr_expect_not(debian_haproxy_parse("A=1\nEXTRAOPTS=\"-f\n", &debian, &err));
	cr_expect_not_null(strstr(err.message, "line 2: "), "%s", err.message);
	debian_haproxy_free(&debian);
	cr_expect(debian_haproxy_load("/nonexistent/haproxy", &debian, &err));
	cr_expect_not(debian.there);
	debian_haproxy_free(&debian);
}

Test(init_debian, what_haproxy_is_to_be_started_with_keeps_what_it_has)
{
	static const struct {
		const char *text, *folder, *line;
		bool open;
	} cases[] = {
	    {"", "/c.d", "-S /m.sock -f /c.d", false},
	    {"", "/c.d", "-S /m.sock,mode,660,group,haproxy -f /c.d", true},
	    {"EXTRAOPTS=\"-de -S /m.sock -f /a\"", "/c.d",
	     "-de -S /m.sock,mode,660,group,haproxy -f /a -f /c.d", true},
	    {"EXTRAOPTS=\"-S /m.sock,mode,600 -f /a\"", NULL, "-S /m.sock,mode,600 -f /a", false},
	    {"EXTRAOPTS=\"-S /m.sock,mode,600 -f /a\"", NULL,
	     "-S /m.sock,mode,660,group,haproxy -f /a", true},
	    {"EXTRAOPTS=\"-S /m.sock,level,admin,mode,600,group,dba\"", NULL,
	     "-S /m.sock,level,admin,mode,660,group,dba", true},
	    {"EXTRAOPTS=\"-S /m.sock,mode,600,gid,7\"", NULL, "-S /m.sock,mode,660,gid,7", true},
	    {"EXTRAOPTS=\"-S /m.sock,mode,660,group,dba\"", NULL, "-S /m.sock,mode,660,group,dba",
	     true},
	    {"EXTRAOPTS=\"-S /m.sock,mode,600,user,segue\"", NULL, "-S /m.sock,mode,600,user,segue",
	     true},
	    {"EXTRAOPTS=-de", NULL, "-de -S /m.sock,mode,660,group,haproxy", true},
	    {"EXTRAOPTS=", "/c.d", "-S /m.sock -f /c.d", false},
	    /* the path is also that of something else, or there is another -S before it */
	    {"EXTRAOPTS=\"-f /m.sock.d -S /m.sock,mode,600\"", NULL,
	     "-f /m.sock.d -S /m.sock,mode,660,group,haproxy", true},
	    {"EXTRAOPTS=\"-S /a.sock,mode,600 -x /m.sock -S /m.sock,mode,600\"", NULL,
	     "-S /a.sock,mode,600 -x /m.sock -S /m.sock,mode,660,group,haproxy", true},
	    {"EXTRAOPTS=\"-S /m.sock -S /m.sock,user,segue -f /m.sock\"", NULL,
	     "-S /m.sock -S /m.sock,user,segue -f /m.sock", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct debian_haproxy debian;
		auto_free char *line = NULL;
		struct err err;

		cr_assert(debian_haproxy_parse(cases[i].text, &debian, &err), "%s", err.message);
		line = debian_haproxy_arguments(&debian, "/m.sock", cases[i].open, cases[i].folder);
		cr_expect_str_eq(line, cases[i].line);
		debian_haproxy_free(&debian);
	}
}

Test(init_debian, the_options_of_the_last_master_socket_count)
{
	static const struct {
		const char *text;
		bool open;
	} cases[] = {
	    {"EXTRAOPTS=\"-x /m.sock -S /m.sock,mode,666\"", true},
	    {"EXTRAOPTS=\"-S /m.sock.old,mode,666 -S /m.sock,mode,600\"", false},
	    {"EXTRAOPTS=\"-S /m.sock,mode,600 -S /m.sock,mode,666\"", true},
	    {"EXTRAOPTS=\"-f /a,mode,666\"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct debian_haproxy debian;
		struct err err;

		cr_assert(debian_haproxy_parse(cases[i].text, &debian, &err), "%s", err.message);
		cr_expect_eq(debian_master_is_open(&debian), cases[i].open, "%s", cases[i].text);
		debian_haproxy_free(&debian);
	}
}

Test(init_debian, a_unit_is_found_wherever_systemd_looks)
{
	static const char *const folders[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char root[] = "/tmp/segue-unit-XXXXXX";
		auto_free char *command = NULL;

		cr_assert_not_null(mkdtemp(root));
		cr_expect_not(debian_has_unit_below(root, "segue"));
		command =
		    xasprintf("d=%s%s/systemd/system && mkdir -p $d && touch $d/segue.service",
		              root, folders[i]);
		cr_assert_eq(system(command), 0);
		cr_expect(debian_has_unit_below(root, "segue"), "%s", folders[i]);
		cr_expect_not(debian_has_unit_below(root, "segue-pgbouncer"));
		free(STEAL(command));
		command = xasprintf("rm -r %s", root);
		cr_assert_eq(system(command), 0);
	}
}
