/* segue.ini: what a good file comes out as. What is refused: test_config_errors.c. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "config/config.h"

#define CONTRACT                                                                        \
	"tests/fuzz/corpus/config/contract.ini" /* the contract as the project keeps it \
	                                         */

#define CLUSTER "[cluster a]\npath = /a\n"
#define TARGET  "[file f]\ncluster = a\ntemplate = /t\noutput = /o\n"

static struct config *load(const char *text)
{
	struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load_text("t.ini", text, strlen(text), &errors);

	cr_assert_not_null(config, "refused: %s", errors.data);
	cr_assert_eq(errors.len, 0);
	strbuf_fini(&errors);
	return config;
}

Test(config, the_least_file_has_the_defaults_of_the_contract)
{
	struct config *config = load(CLUSTER "[haproxy h]\ncluster=a\ntemplate=/t\noutput=/o\n");
	const struct config_cluster *cluster = &config->clusters[0];
	const struct config_target *target = &config->targets[0];
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	cr_assert_str_eq(config->file, "t.ini");
	cr_assert_str_eq(config->name, host);
	cr_assert_eq(config->log_level, LOG_INFO);
	cr_assert_eq(config->log_format, LOG_TEXT);
	cr_assert_str_eq(config->state_dir, "/var/lib/segue");
	cr_assert_str_eq(config->listen, "unix:/run/segue/segue.sock");
	cr_assert_str_eq(config->zookeeper_hosts, "127.0.0.1:2181");
	cr_assert_eq(config->session_timeout_ms, 6000);
	cr_assert_str_empty(config->auth_file);
	cr_assert_eq(config->cluster_count, 1);
	cr_assert_eq(cluster->layout, CONFIG_LAYOUT_SEGUE);
	cr_assert_not(cluster->presence);
	cr_assert_not(cluster->fleet);
	cr_assert_eq(cluster->max_lag, 0);
	cr_assert_eq(cluster->verify, CONFIG_VERIFY_PREFER);
	cr_assert_str_eq(cluster->verify_conninfo, "user=segue dbname=postgres connect_timeout=2");
	cr_assert_eq(cluster->on_primary_loss, CONFIG_LOSS_HOLD);
	cr_assert_eq(cluster->hold_timeout_ms, 0);
	cr_assert_eq(target->hold_timeout_ms, 90000);
	cr_assert_eq(cluster->on_store_loss, CONFIG_LOSS_KEEP);
	cr_assert_eq(cluster->on_store_rollback, CONFIG_ROLLBACK_REFUSE);
	cr_assert_eq(config->target_count, 1);
	cr_assert_eq(target->kind, CONFIG_TARGET_HAPROXY);
	cr_assert_eq(target->mode, 0644);
	cr_assert_str_eq(target->socket, "/run/haproxy/admin.sock");
	cr_assert_str_empty(target->owner);
	cr_assert_str_empty(target->master_socket);
	cr_assert_str_empty(target->reload_command);
	cr_assert_str_empty(target->check_command);
	cr_assert_str_empty(target->console);
	cr_assert_eq(config->warnings.len, 0);
	config_free(config);
}

Test(config, the_contract_loads_with_its_values_and_one_warning)
{
	struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load(CONTRACT, &errors);
	const struct config_cluster *cluster;

	cr_assert_not_null(config, "%s", errors.data);
	cluster = &config->clusters[0];
	cr_assert_str_eq(cluster->name, "orders");
	cr_assert_str_eq(cluster->path, "/segue/orders");
	cr_assert_eq(cluster->node_count, 1);
	cr_assert_str_eq(cluster->nodes[0].name, "db1");
	cr_assert_str_eq(cluster->nodes[0].host, "10.0.0.1");
	cr_assert_eq(cluster->nodes[0].port, 5432);
	cr_assert_eq(config->target_count, 3);
	cr_assert_str_eq(config->targets[0].output, "/etc/haproxy/conf.d/orders.cfg");
	cr_assert_eq(config->targets[0].var_count, 1);
	cr_assert_str_eq(config->targets[0].vars[0].name, "maxconn");
	cr_assert_str_eq(config->targets[0].vars[0].value, "100");
	cr_assert_eq(config->targets[1].kind, CONFIG_TARGET_PGBOUNCER);
	cr_assert_eq(config->targets[1].pause_timeout_ms, 5000);
	cr_assert_str_eq(config->targets[1].console,
	                 "host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer");
	cr_assert_eq(config->targets[2].kind, CONFIG_TARGET_FILE);
	cr_assert_str_eq(config->targets[2].reload_command, "systemctl reload app");
	cr_assert_eq(config->publisher_count, 1);
	cr_assert_str_eq(config->publishers[0].section, "orders");
	cr_assert_str_eq(config->publishers[0].cluster, "orders");
	cr_assert_str_neq(config->publishers[0].name, "");
	cr_assert_eq(config->publishers[0].interval_ms, 1000);
	cr_assert_eq(config->publishers[0].null_after, 3);
	cr_assert_eq(config->publishers[0].write_check, CONFIG_WRITE_CHECK_NO);
	cr_assert_str_eq(config->publishers[0].repmgr_schema, "repmgr");
	cr_assert_str_eq(config->publishers[0].nodes,
	                 "host=10.0.0.1 port=5432, host=10.0.0.2 port=5432");
	cr_assert_str_eq(config->warnings.data, "");
	config_free(config);
	strbuf_fini(&errors);
}

Test(config, every_value_is_taken)
{
	struct config *config = load(
	    "[segue]\nname = side-1\nlog_level = debug\nlog_format = journal\n"
	    "state_dir = /s\nlisten = [::1]:9000, unix:/s/s.sock\n"
	    "listen_hosts = a.example, .b.example\n"
	    "[zookeeper]\nhosts = zk1:2181, [fd00::1]:2182 ,10.0.0.3:1/a/b\n"
	    "session_timeout = 10m\nauth_file = /x\n"
	    "[cluster b]\npath = /b\n"
	    "[cluster a]\nlayout = plain\npath = /a\nnode.n1 = [::1]:1\nnode.n_2 = "
	    "db_2.example.org:65535\npresence = yes\nfleet = yes\nmax_lag = 16MB\nverify = disable\n"
	    "on_primary_loss = keep\nhold_timeout = 100ms\non_store_loss = fence\n"
	    "on_store_rollback = follow\n"
	    "[haproxy h]\ncluster = a\ntemplate = /t\noutput = /o\nowner = :haproxy\n"
	    "mode = 02750\nsocket = 127.0.0.1:9999\nmaster_socket = /m\n"
	    "check_command = haproxy -c -f '{}'\n");

	cr_expect_str_eq(config->name, "side-1");
	cr_expect_str_eq(config->listen, "[::1]:9000,unix:/s/s.sock");
	cr_expect_str_eq(config->listen_hosts, "a.example,.b.example");
	cr_expect_eq(config->log_level, LOG_DEBUG);
	cr_expect_eq(config->log_format, LOG_JOURNAL);
	cr_expect_str_eq(config->zookeeper_hosts, "zk1:2181,[fd00::1]:2182,10.0.0.3:1/a/b");
	cr_expect_eq(config->session_timeout_ms, 600000);
	cr_expect_str_eq(config->auth_file, "/x");
	cr_expect_eq(config->clusters[1].layout, CONFIG_LAYOUT_PLAIN);
	cr_expect(config->clusters[1].presence);
	cr_expect(config->clusters[1].fleet);
	cr_expect_eq(config->clusters[1].max_lag, (int64_t)16 * 1024 * 1024);
	cr_expect_eq(config->clusters[1].verify, CONFIG_VERIFY_DISABLE);
	cr_expect_eq(config->clusters[1].on_primary_loss, CONFIG_LOSS_KEEP);
	cr_expect_eq(config->clusters[1].hold_timeout_ms, 100);
	cr_expect_eq(config->clusters[1].on_store_loss, CONFIG_LOSS_FENCE);
	cr_expect_eq(config->clusters[1].on_store_rollback, CONFIG_ROLLBACK_FOLLOW);
	cr_assert_eq(config->clusters[1].node_count, 2);
	cr_expect_str_eq(config->clusters[1].nodes[0].host, "::1");
	cr_expect_str_eq(config->clusters[1].nodes[1].host, "db_2.example.org");
	cr_expect_eq(config->clusters[1].nodes[1].port, 65535);
	cr_expect_eq(config->targets[0].cluster_index, 1);
	cr_expect_str_eq(config->targets[0].owner, ":haproxy");
	cr_expect_eq(config->targets[0].mode, 02750);
	cr_expect_str_eq(config->targets[0].socket, "127.0.0.1:9999");
	cr_expect_str_eq(config->targets[0].master_socket, "/m");
	cr_expect_str_eq(config->targets[0].check_command, "haproxy -c -f '{}'");
	config_free(config);
}

Test(config, a_file_without_a_target_is_a_warning)
{
	struct config *config = load(CLUSTER);

	cr_assert_str_eq(
	    config->warnings.data,
	    "t.ini: no [haproxy NAME], [pgbouncer NAME] or [file NAME] section: there is no target to update\n");
	config_free(config);
}

Test(config, byte_order_mark_crlf_and_a_last_line_without_its_end_are_taken)
{
	struct config *config = load("\xef\xbb\xbf[cluster a] ; x\r\npath = /a  ; b\r\n\r\n# c");

	cr_assert_str_eq(config->clusters[0].path, "/a");
	config_free(config);
}

Test(config, comments)
{
	static const struct {
		const char *line, *value;
	} cases[] = {
	    {"var.v = a  ; c", "a"},
	    {"var.v = a\t; c", "a"},
	    {"var.v = a;b", "a;b"},
	    {"var.v = a#b # c", "a#b # c"},
	    {"var.v = ; c", ""},
	    {"var.v =; c", ""},
	    {"var.v =", ""},
	    {"var.v = 'a  b'  ; it's", "'a  b'"},
	    {"var.v = \"a;b\"\t ; c", "\"a;b\""},
	    {"var.v = a = b", "a = b"},
	    {"var.v = [x]:1", "[x]:1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct config *config;

		snprintf(text, sizeof(text), "%s%s%s\n", CLUSTER, TARGET, cases[i].line);
		config = load(text);
		cr_assert_eq(config->targets[0].var_count, 1, "%s", cases[i].line);
		cr_expect_str_eq(config->targets[0].vars[0].value, cases[i].value, "%s: %s",
		                 cases[i].line, config->targets[0].vars[0].value);
		config_free(config);
	}
}

Test(config, one_blank_begins_a_comment_where_the_value_cannot_hold_a_semicolon)
{
	struct config *config = load("[cluster a]\npath = /a ; the path\nnode.n = h:1 ; n\n");

	cr_assert_str_eq(config->clusters[0].path, "/a");
	cr_assert_eq(config->clusters[0].nodes[0].port, 1);
	config_free(config);
}

Test(config, indented_lines_go_on_with_the_value)
{
	struct config *config = load("[zookeeper]\nhosts =\n  a:1,   ; first\n\n; between\n\tb:2,\n"
	                             " [::1]:3/x\n" CLUSTER TARGET
	                             "reload_command = sh -c 'a\n  ;comment\n  b;c'\n  d\n");

	cr_assert_str_eq(config->zookeeper_hosts, "a:1,b:2,[::1]:3/x");
	cr_assert_str_eq(config->targets[0].reload_command, "sh -c 'a b;c' d");
	config_free(config);
}

Test(config, a_line_may_have_198_bytes_and_a_comment)
{
	char text[512], value[256];
	struct config *config;

	memset(value, 'x', sizeof(value));
	value[198 - strlen("var.v=")] = '\0';
	snprintf(text, sizeof(text), "%s%svar.v = %s    ; %s\n", CLUSTER, TARGET, value,
	         "a comment");
	config = load(text);
	cr_assert_str_eq(config->targets[0].vars[0].value, value);
	config_free(config);
}

Test(config, variables_of_the_environment_are_put_in)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
	    {"${SEGUE_T}", "tee"},         {"a${SEGUE_T}b${SEGUE_T}", "ateebtee"},
	    {"${SEGUE_NO:-d e}", "d e"},   {"${SEGUE_EMPTY:-d}", "d"},
	    {"x${SEGUE_EMPTY}y", "xy"},    {"${SEGUE_NO:-}", ""},
	    {"${SEGUE_NO-d e}", "d e"},    {"x${SEGUE_EMPTY-d}y", "xy"},
	    {"$${SEGUE_T}", "${SEGUE_T}"}, {"$", "$"},
	    {"$5 $$ $", "$5 $ $"},         {"${SEGUE_T:-d}", "tee"},
	};

	setenv("SEGUE_T", "tee", 1);
	setenv("SEGUE_EMPTY", "", 1);
	unsetenv("SEGUE_NO");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct config *config;

		snprintf(text, sizeof(text), "%s%svar.v = %s\n", CLUSTER, TARGET, cases[i].text);
		config = load(text);
		cr_expect_str_eq(config->targets[0].vars[0].value, cases[i].value, "%s: %s",
		                 cases[i].text, config->targets[0].vars[0].value);
		config_free(config);
	}
}

Test(config, variables_are_put_into_names_of_sections)
{
	struct config *config;

	setenv("SEGUE_T", "tee", 1);
	unsetenv("SEGUE_NO");
	config = load("[cluster ${SEGUE_T}]\npath = /a\n"
	              "[file ${SEGUE_NO:-f}]\ncluster = ${SEGUE_T}\ntemplate = /t\noutput = /o\n");
	cr_assert_str_eq(config->clusters[0].name, "tee");
	cr_assert_str_eq(config->targets[0].name, "f");
	cr_assert_str_eq(config->targets[0].cluster, "tee");
	config_free(config);
}

Test(config, a_variable_that_is_one_letter_off_is_refused)
{
	static const char text[] = CLUSTER TARGET "var.v = ${SEGUE_DBNAME:-}\n";
	struct strbuf errors = STRBUF_INIT;
	struct config *config;

	setenv("SEGUE_DBNAM", "orders", 1);
	cr_assert_null(config_load_text("t.ini", text, strlen(text), &errors));
	cr_expect_not_null(strstr(errors.data, ": found the environment variable SEGUE_DBNAM, "),
	                   "%s", errors.data);
	setenv("SEGUE_DBNAME", "orders", 1);
	config = load(text);
	cr_expect_not_null(
	    strstr(config->warnings.data, "most similar name in it is SEGUE_DBNAME\n"), "%s",
	    config->warnings.data);
	config_free(config);
	strbuf_fini(&errors);
}

Test(config, a_section_whose_name_is_not_set_is_refused)
{
	static const char text[] = CLUSTER "[cluster ${SEGUE_NO}]\npath = /b\n";
	struct strbuf errors = STRBUF_INIT;

	unsetenv("SEGUE_NO");
	cr_assert_null(config_load_text("t.ini", text, strlen(text), &errors));
	cr_assert_str_eq(errors.data,
	                 "t.ini:3: [cluster ${SEGUE_NO}]: found ${SEGUE_NO}, which is not set in "
	                 "the environment: allowed: a variable that is set, or "
	                 "${SEGUE_NO:-default}\n");
	strbuf_fini(&errors);
}

Test(config, kinds_have_the_names_of_their_sections)
{
	cr_assert_str_eq(config_target_kind_name(CONFIG_TARGET_HAPROXY), "haproxy");
	cr_assert_str_eq(config_target_kind_name(CONFIG_TARGET_PGBOUNCER), "pgbouncer");
	cr_assert_str_eq(config_target_kind_name(CONFIG_TARGET_FILE), "file");
}

/* The header is found however it is spelled. */
Test(config, an_error_of_a_var_gets_the_line_of_its_key)
{
	static const struct {
		const char *header, *shown;
	} cases[] = {
	    {"[haproxy local]", "t.ini line 7: [haproxy local]: var.x: wrong"},
	    {"[haproxy  local]", "t.ini line 7: [haproxy local]: var.x: wrong"},
	    {"[ haproxy\tlocal ]", "t.ini line 7: [haproxy local]: var.x: wrong"},
	    {"[haproxy ${SEGUE_NO:-here}]", "t.ini line 7: [haproxy here]: var.x: wrong"},
	};

	unsetenv("SEGUE_NO");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf("%s%s\ncluster = a\ntemplate = /t\noutput = /o\n"
		                                 "var.x = 1\n",
		                                 CLUSTER, cases[i].header);
		struct config *config = load(text);
		struct err err;

		(void)err_set(&err, "var.x: wrong");
		cr_expect(config_locate_var(config, &config->targets[0], &err));
		cr_expect_str_eq(err.message, cases[i].shown, "%s", err.message);
		(void)err_set(&err, "var.y: wrong");
		cr_expect(config_locate_var(config, &config->targets[0], &err));
		cr_expect_null(strstr(err.message, " line "), "%s", err.message);
		config_free(config);
	}
}

Test(config, a_thousand_clusters_load)
{
	struct strbuf text = STRBUF_INIT;
	struct config *config;
	clock_t start;

	for (int i = 0; i < 1000; i++)
		strbuf_printf(&text,
		              "[cluster c%d]\npath = /c/%d\n[haproxy h%d]\ncluster = c%d\n"
		              "template = /t\noutput = /o%d\n",
		              i, i, i, i, i);
	start = clock();
	config = load(text.data);
	cr_expect_lt(clock() - start, 2 * CLOCKS_PER_SEC,
	             "not linear any more"); /* 0.02 s; sanitizers take more */
	cr_assert_eq(config->target_count, 1000);
	for (size_t i = 0; i < 1000; i++)
		cr_assert_eq(config->targets[i].cluster_index, i);
	config_free(config);
	strbuf_fini(&text);
}

static void expect_unreadable(const char *file, const char *expected)
{
	struct strbuf errors = STRBUF_INIT;

	cr_expect_null(config_load(file, &errors));
	cr_expect_str_eq(errors.data, expected, "%s", errors.data);
	strbuf_fini(&errors);
}

Test(config, a_file_that_cannot_be_read_is_named)
{
	char dir[] = "/tmp/segue-config-XXXXXX", file[64], expected[128];
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/large.ini", dir);
	snprintf(expected, sizeof(expected), "%s: larger than 1048576 bytes\n", file);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(ftruncate(fd, 1048577), 0);
	close(fd);
	expect_unreadable(file, expected);
	unlink(file);
	snprintf(expected, sizeof(expected), "%s: No such file or directory\n", file);
	expect_unreadable(file, expected);
	snprintf(expected, sizeof(expected), "%s: not a regular file\n", dir);
	expect_unreadable(dir, expected);
	rmdir(dir);
}

/* hold_timeout = auto: by the cluster manager's own times, and never absurd. */
Test(config, hold_timeout_auto)
{
	static const struct {
		const char *lines;
		int64_t manager_ms, ms, max_ms;
	} cases[] = {
	    {"layout = patroni\n", 0, 55000, 300000},
	    {"layout = patroni\nhold_timeout = auto\n", 0, 55000, 300000},
	    {"layout = patroni\n", 110000, 115000, 300000},
	    {"layout = patroni\n", INT64_C(86400000) * 3, 300000, 300000},
	    {"layout = patroni\nhold_timeout = 30s\n", 50000, 30000, 30000},
	    {"layout = segue\n", 0, 90000, 90000},
	    {"layout = plain\nhold_timeout = 1h\n", 0, 3600000, 3600000},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf("[zookeeper]\nhosts = zk1:2181\n"
		                                 "[cluster a]\npath = /a\n%s",
		                                 cases[i].lines);
		struct config *config = load(text);

		cr_expect_eq(config_hold_ms(&config->clusters[0], cases[i].manager_ms), cases[i].ms,
		             "%zu", i);
		cr_expect_eq(config_hold_max_ms(&config->clusters[0]), cases[i].max_ms, "%zu", i);
		config_free(config);
	}
}
