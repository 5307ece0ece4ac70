/* segue.ini: what is refused, with the very words and the line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "config/config.h"

#define CLUSTER "[cluster a]\npath = /a\n"
#define TARGET  "[file f]\ncluster = a\ntemplate = /t\noutput = /o\n"

#define NAME_ALLOWED "1 to 63 of A-Z a-z 0-9 . _ -, no dot in front"
#define LISTEN_ALLOWED \
	"unix:/PATH (107 bytes, no blanks), IP:port or localhost:port, up to four with commas"
#define NAMES_ALLOWED    "host names, comma separated; .NAME: that name and all below it"
#define PATH_ALLOWED     "an absolute path without blanks"
#define ZNODE_ALLOWED    "an absolute znode path, no part of it empty, . or .."
#define SIZES_ALLOWED    "0 to 1024TB (units: B, kB, MB, GB, TB; bytes without one)"
#define HOSTS_ALLOWED    "host:port, comma separated, and perhaps a /chroot after the last"
#define SOCKET_ALLOWED   "an absolute path without blanks of at most 107 bytes, or host:port"
#define CONNINFO_ALLOWED "keyword=value pairs or a postgresql:// URI"
#define COMMENT_ALLOWED                                                                             \
	"found \" ;\" in the value: allowed: two blanks or a tab before a comment (or the comment " \
	"on a line of its own), no blank before a ';' of the value\n"
#define INDENT_ALLOWED                                                                                 \
	"found an indented line: allowed: only as a continuation of the value above; a key starts at " \
	"the beginning of its line\n"

static void expect_bytes(const char *text, size_t len, const char *expected)
{
	struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load_text("t.ini", text, len, &errors);

	cr_expect_null(config, "taken: %s", text);
	cr_expect_str_eq(errors.data, expected, "\n%s\ngave\n%sinstead of\n%s", text, errors.data,
	                 expected);
	config_free(config);
	strbuf_fini(&errors);
}

static void expect(const char *text, const char *expected)
{
	expect_bytes(text, strlen(text), expected);
}

struct wrong {
	const char *line, *error;
};

/* Each line, put behind `before`, gives exactly the error, with `line` and `section` in front. */
static void expect_each(const char *before, unsigned line, const char *section, const char *after,
                        const struct wrong *wrong, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct strbuf text = STRBUF_INIT, error = STRBUF_INIT;

		strbuf_printf(&text, "%s%s\n%s", before, wrong[i].line, after);
		strbuf_printf(&error, "t.ini:%u: %s%s\n", line, section, wrong[i].error);
		expect(text.data, error.data);
		strbuf_fini(&text);
		strbuf_fini(&error);
	}
}

#define EXPECT_EACH(before, line, section, after, wrong) \
	expect_each(before, line, section, after, wrong, sizeof(wrong) / sizeof((wrong)[0]))

Test(config_errors, values_of_segue_and_zookeeper)
{
	static const struct wrong segue[] = {
	    {"name = .x", "name: found \".x\": allowed: " NAME_ALLOWED},
	    {"name = a b", "name: found \"a b\": allowed: " NAME_ALLOWED},
	    {"name = 1234567890123456789012345678901234567890123456789012345678901234",
	     "name: found \"1234567890123456789012345678901234567890123456789012345678901234\": "
	     "allowed: " NAME_ALLOWED},
	    {"log_level = Info",
	     "log_level: found \"Info\": allowed: debug | info | warning | error"},
	    {"log_format =", "log_format: found \"\": allowed: text | json | journal"},
	    {"state_dir = var", "state_dir: found \"var\": allowed: " PATH_ALLOWED},
	    {"state_dir = /var/", "state_dir: found \"/var/\": allowed: " PATH_ALLOWED},
	    {"listen = 80", "listen: found \"80\": allowed: " LISTEN_ALLOWED},
	    {"listen = unix:/s,", "listen: found \"unix:/s,\": allowed: " LISTEN_ALLOWED},
	    {"listen = unix:x", "listen: found \"unix:x\": allowed: " LISTEN_ALLOWED},
	    {"listen_hosts = a,,b", "listen_hosts: found \"a,,b\": allowed: " NAMES_ALLOWED},
	    {"listen_hosts = ..a", "listen_hosts: found \"..a\": allowed: " NAMES_ALLOWED},
	    {"listen_hosts = a:80", "listen_hosts: found \"a:80\": allowed: " NAMES_ALLOWED},
	    {"listen = db1:80", "listen: found \"db1:80\": allowed: " LISTEN_ALLOWED},
	};
	static const struct wrong zookeeper[] = {
	    {"hosts =", "hosts: found \"\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a", "hosts: found \"a\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a:1,", "hosts: found \"a:1,\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a:1/x,b:2", "hosts: found \"a:1/x,b:2\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a:1/x/", "hosts: found \"a:1/x/\": allowed: " HOSTS_ALLOWED},
	    {"hosts = ::1:2181", "hosts: found \"::1:2181\": allowed: " HOSTS_ALLOWED},
	    {"hosts = 10.0.0.256:1", "hosts: found \"10.0.0.256:1\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a:65536", "hosts: found \"a:65536\": allowed: " HOSTS_ALLOWED},
	    {"hosts = a:0", "hosts: found \"a:0\": allowed: " HOSTS_ALLOWED},
	    {"hosts = -a:1", "hosts: found \"-a:1\": allowed: " HOSTS_ALLOWED},
	    {"session_timeout = 6",
	     "session_timeout: found \"6\": allowed: 1s to 10m (units: ms, s, m, h)"},
	    {"session_timeout = 999ms",
	     "session_timeout: found \"999ms\": allowed: 1s to 10m (units: ms, s, m, h)"},
	    {"session_timeout = 601s",
	     "session_timeout: found \"601s\": allowed: 1s to 10m (units: ms, s, m, h)"},
	    {"session_timeout = -6s",
	     "session_timeout: found \"-6s\": allowed: 1s to 10m (units: ms, s, m, h)"},
	    {"session_timeout = 99999999999999999999s",
	     "session_timeout: found \"99999999999999999999s\": allowed: 1s to 10m (units: ms, s, "
	     "m, h)"},
	};

	EXPECT_EACH(CLUSTER "[segue]\n", 4, "[segue] ", "", segue);
	EXPECT_EACH(CLUSTER "[zookeeper]\n", 4, "[zookeeper] ", "", zookeeper);
}

Test(config_errors, values_of_clusters)
{
	static const struct wrong wrong[] = {
	    {"layout = zk", "layout: found \"zk\": allowed: segue | plain | patroni"},
	    {"max_lag = 16 MB", "max_lag: found \"16 MB\": allowed: " SIZES_ALLOWED},
	    {"max_lag = 16mb", "max_lag: found \"16mb\": allowed: " SIZES_ALLOWED},
	    {"max_lag = -1", "max_lag: found \"-1\": allowed: " SIZES_ALLOWED},
	    {"max_lag = MB", "max_lag: found \"MB\": allowed: " SIZES_ALLOWED},
	    {"max_lag = 1025TB", "max_lag: found \"1025TB\": allowed: " SIZES_ALLOWED},
	    {"max_lag = 999999999999999999TB",
	     "max_lag: found \"999999999999999999TB\": allowed: " SIZES_ALLOWED},
	    {"node.x = h", "node.x: found \"h\": allowed: host:port"},
	    {"node.x =", "node.x: found \"\": allowed: host:port"},
	    {"node. = h:1", "node.: found \"node.\": allowed: node.NAME, a name of [A-Za-z0-9._-], "
	                    "no dot in front"},
	    {"presence = true", "presence: found \"true\": allowed: yes | no"},
	    {"verify = on", "verify: found \"on\": allowed: disable | prefer | require"},
	    {"verify_conninfo = secret",
	     "verify_conninfo: found an invalid connection string: allowed: " CONNINFO_ALLOWED},
	    {"verify_conninfo = password='x",
	     "verify_conninfo: found an invalid connection string: allowed: " CONNINFO_ALLOWED},
	    {"on_primary_loss = no", "on_primary_loss: found \"no\": allowed: hold | keep | fence"},
	    {"hold_timeout = 2h",
	     "hold_timeout: found \"2h\": allowed: auto | 100ms to 1h (units: ms, s, m, h)"},
	    {"on_store_rollback = x", "on_store_rollback: found \"x\": allowed: refuse | follow"},
	};
	static const struct wrong paths[] = {
	    {"path =", "path: found \"\": allowed: " ZNODE_ALLOWED},
	    {"path = a", "path: found \"a\": allowed: " ZNODE_ALLOWED},
	    {"path = /", "path: found \"/\": allowed: " ZNODE_ALLOWED},
	    {"path = /a/", "path: found \"/a/\": allowed: " ZNODE_ALLOWED},
	    {"path = /a//b", "path: found \"/a//b\": allowed: " ZNODE_ALLOWED},
	    {"path = /a/../b", "path: found \"/a/../b\": allowed: " ZNODE_ALLOWED},
	};

	EXPECT_EACH(CLUSTER, 3, "[cluster a] ", "", wrong);
	EXPECT_EACH("[cluster a]\n", 2, "[cluster a] ", "", paths);
}

Test(config_errors, values_of_targets)
{
	static const struct wrong file[] = {
	    {"owner = a:b:c", "owner: found \"a:b:c\": allowed: user:group, user or :group"},
	    {"owner = :", "owner: found \":\": allowed: user:group, user or :group"},
	    {"mode = 0888", "mode: found \"0888\": allowed: 0 to 07777, octal"},
	    {"mode = 17777", "mode: found \"17777\": allowed: 0 to 07777, octal"},
	    {"mode = 0044", "mode: found \"0044\" (its owner could not read the file): "
	                    "allowed: 0 to 07777, octal"},
	    {"mode =", "mode: found \"\": allowed: 0 to 07777, octal"},
	    {"check_command = x 'y", "check_command: found \"x 'y\": allowed: a program and its "
	                             "arguments, quotes closed"},
	    {"reload_command = x \\",
	     "reload_command: found \"x \\\\\": allowed: a program and its "
	     "arguments, quotes closed"},
	    {"var.a.b = 1", "var.a.b: found \"var.a.b\": allowed: a name without dots, which "
	                    "{{vars.NAME}} can reach"},
	};
	static const struct wrong haproxy[] = {
	    {"socket =", "socket: found \"\": allowed: " SOCKET_ALLOWED},
	    {"socket = run/x", "socket: found \"run/x\": allowed: " SOCKET_ALLOWED},
	    {"master_socket = /"
	     "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
	     "78901234567890123456789",
	     "master_socket: found \"/"
	     "1234567890123456789012345678901234567890123456789012345678901234567890123456789..."
	     "(110 bytes)\": allowed: " SOCKET_ALLOWED},
	};
	static const struct wrong pgbouncer[] = {
	    {"pause_timeout = 1ms",
	     "pause_timeout: found \"1ms\": allowed: 100ms to 10m (units: ms, s, m, h)"},
	    {"console = nonsense",
	     "console: found an invalid connection string: allowed: " CONNINFO_ALLOWED},
	};
	static const struct wrong publisher[] = {
	    {"nodes = a=b,, c=d", "nodes: found an invalid connection string: allowed: "
	                          "keyword=value pairs or postgresql:// URIs, comma separated"},
	    {"repmgr = maybe\nnodes = a=b", "repmgr: found \"maybe\": allowed: auto | yes | no"},
	    {"null_after = 0\nnodes = a=b", "null_after: found \"0\": allowed: 1 to 1000"},
	    {"null_after = 3s\nnodes = a=b", "null_after: found \"3s\": allowed: 1 to 1000"},
	    {"null_hold = 25h\nnodes = a=b",
	     "null_hold: found \"25h\": allowed: 0s to 24h (units: ms, s, m, h)"},
	    {"notify_socket = here\nnodes = a=b",
	     "notify_socket: found \"here\": allowed: an absolute path without blanks of at most "
	     "107 bytes"},
	    {"repmgr_schema =\nnodes = a=b", "repmgr_schema: found \"\": allowed: 1 to 63 of A-Z "
	                                     "a-z 0-9 . _ -, no dot in front"},
	};

	EXPECT_EACH(CLUSTER TARGET, 7, "[file f] ", "", file);
	EXPECT_EACH(CLUSTER "[haproxy f]\ncluster = a\ntemplate = /t\noutput = /o\n", 7,
	            "[haproxy f] ", "", haproxy);
	EXPECT_EACH(CLUSTER "[pgbouncer f]\ncluster = a\ntemplate = /t\noutput = /o\n", 7,
	            "[pgbouncer f] ", "", pgbouncer);
	EXPECT_EACH(CLUSTER "[publisher f]\ncluster = a\n", 5, "[publisher f] ", "", publisher);
}

Test(config_errors, lines_that_cannot_be_read)
{
	static const struct wrong wrong[] = {
	    {"word", "found \"word\": allowed: key = value, [section] or a ; comment"},
	    {"a: b", "found \"a: b\": allowed: key = value, [section] or a ; comment"},
	    {"= b", "found \"= b\": allowed: key = value, [section] or a ; comment"},
	    {"k\x01y = 1", "found the control character \\x01 at byte 2: allowed: text"},
	    {"node.a23456789012345678901234567890123456789012345 = x",
	     "found a key of 50 bytes: allowed: at most 49"},
	};

	EXPECT_EACH(CLUSTER, 3, "", "", wrong);
	expect(CLUSTER "verify_conninfo = a=b ; c\n",
	       "t.ini:3: [cluster a] verify_conninfo: " COMMENT_ALLOWED);
	expect(CLUSTER "verify_conninfo = a=b\n c=d ; c\n",
	       "t.ini:4: [cluster a] verify_conninfo: " COMMENT_ALLOWED);
}

Test(config_errors, a_nul_byte)
{
	static const char text[] = CLUSTER "verify\0 = x\n";

	expect_bytes(text, sizeof(text) - 1,
	             "t.ini:3: found the control character \\x00 at byte 7: allowed: text\n");
}

Test(config_errors, a_semicolon_that_may_belong_to_the_value)
{
	expect(CLUSTER TARGET "reload_command = a ; b\nvar.x = a ; b\n",
	       "t.ini:7: [file f] reload_command: " COMMENT_ALLOWED
	       "t.ini:8: [file f] var.x: " COMMENT_ALLOWED);
	expect(CLUSTER TARGET "reload_command = sh -c 'a  ; b'\n",
	       "t.ini:7: [file f] reload_command: found \" ;\" inside an open ' quote: allowed: no "
	       "blank before the ';', or the comment on a line of its own\n");
	expect(
	    CLUSTER TARGET "reload_command = sh -c \"a\n  b  ; c\"\n  d ; e\n",
	    "t.ini:8: [file f] reload_command: found \" ;\" inside an open \" quote: allowed: no "
	    "blank before the ';', or the comment on a line of its own\n");
	expect(CLUSTER TARGET "reload_command = sh 'a\\'b  ; c'\n",
	       "t.ini:7: [file f] reload_command: found \" ;\" inside an open ' quote: allowed: no "
	       "blank before the ';', or the comment on a line of its own\n");
}

Test(config_errors, a_line_of_199_bytes)
{
	char text[512], value[256];

	memset(value, 'x', sizeof(value));
	value[199 - strlen("var.v=")] = '\0';
	snprintf(text, sizeof(text), "%s%svar.v = %s\n", CLUSTER, TARGET, value);
	expect(text, "t.ini:7: [file f] var.v: found a line of 199 bytes: allowed: at most 198; a "
	             "long value can be continued in indented lines\n");
}

Test(config_errors, indented_keys)
{
	expect("[cluster a]\n  path = /a\n",
	       "t.ini:1: [cluster a] path: missing and required: " ZNODE_ALLOWED "\n"
	       "t.ini:2: [cluster a]: " INDENT_ALLOWED);
	expect(CLUSTER TARGET "reload_command = x\n  check_command = y\n",
	       "t.ini:8: [file f]: " INDENT_ALLOWED);
	expect("  x = y\n" CLUSTER, "t.ini:1: " INDENT_ALLOWED);
}

Test(config_errors, headers)
{
	static const char kinds[] = "[segue], [zookeeper], [cluster NAME], [haproxy NAME], "
	                            "[pgbouncer NAME], [file NAME], [publisher NAME]";
	static const struct {
		const char *header, *error;
	} cases[] = {
	    {"[nginx x]", "found \"[nginx x]\": allowed: %s"},
	    {"[segue x]", "found \"[segue x]\": allowed: %s"},
	    {"[file]", "found \"[file]\": allowed: %s"},
	    {"[]", "found \"[]\": allowed: %s"},
	    {"[file a b]",
	     "[file a b]: found \"a b\": allowed: a name of [A-Za-z0-9._-], no dot in front"},
	    {"[file .a]",
	     "[file .a]: found \".a\": allowed: a name of [A-Za-z0-9._-], no dot in front"},
	    {"[file a", "found \"[file a\": allowed: [section] or [section NAME], followed by "
	                "nothing but a comment"},
	    {"[file a] x",
	     "found \"[file a] x\": allowed: [section] or [section NAME], followed by "
	     "nothing but a comment"},
	    {"[file a234567890123456789012345678901234567890123456]",
	     "found 51 bytes in the brackets: allowed: at most 49"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf text = STRBUF_INIT, error = STRBUF_INIT;
		const char *mark = strstr(cases[i].error, "%s");
		size_t len =
		    mark != NULL ? (size_t)(mark - cases[i].error) : strlen(cases[i].error);

		strbuf_printf(&text, "%s%s\nunknown = 1\n", CLUSTER, cases[i].header);
		strbuf_printf(&error, "t.ini:3: %.*s%s\n", (int)len, cases[i].error,
		              mark != NULL ? kinds : "");
		expect(text.data, error.data);
		strbuf_fini(&text);
		strbuf_fini(&error);
	}
}

Test(config_errors, unknown_and_double_keys_and_sections)
{
	expect(
	    "[segue]\nhost = x\nname = a\nname = b\n" CLUSTER CLUSTER "[segue]\n",
	    "t.ini:2: [segue]: found the unknown key \"host\": allowed: name, log_level, "
	    "log_format, state_dir, listen, listen_hosts\n"
	    "t.ini:4: [segue] name: found twice, first in line 3: allowed: once\n"
	    "t.ini:7: [cluster a]: found twice, first in line 5: allowed: once\n"
	    "t.ini:8: [cluster a] path: found \"/a\", which is already used in line 6: allowed: a different value\n"
	    "t.ini:9: [segue]: found twice, first in line 1: allowed: once\n");
	expect("x = 1\n" CLUSTER, "t.ini:1: x: found before any section: allowed: a [section] line "
	                          "first\n");
}

Test(config_errors, what_is_missing)
{
	expect("", "t.ini: found no [cluster NAME] section: at least one is required\n");
	expect("[cluster a]\n[haproxy h]\n[publisher p]\n",
	       "t.ini:1: [cluster a] path: missing and required: " ZNODE_ALLOWED "\n"
	       "t.ini:2: [haproxy h] cluster: missing and required: the NAME of a [cluster NAME] "
	       "section\n"
	       "t.ini:2: [haproxy h] output: missing and required: " PATH_ALLOWED "\n"
	       "t.ini:2: [haproxy h] template: missing and required: " PATH_ALLOWED "\n"
	       "t.ini:3: [publisher p] cluster: missing and required: the NAME of a [cluster NAME] "
	       "section\n"
	       "t.ini:3: [publisher p] nodes: missing and required: keyword=value pairs or "
	       "postgresql:// URIs, comma separated\n");
}

Test(config_errors, sections_that_do_not_fit_together)
{
	expect(
	    CLUSTER TARGET "[haproxy h]\ncluster = b\ntemplate = /t\noutput = /o\n"
	                   "[file g]\ncluster = a\ntemplate = /x\noutput = /x\n"
	                   "[publisher p]\ncluster = c\nnodes = host=x\n",
	    "t.ini:8: [haproxy h] cluster: found \"b\": allowed: the NAME of a [cluster NAME] "
	    "section\n"
	    "t.ini:10: [haproxy h] output: found \"/o\", which is already used in line 6: allowed: a different "
	    "value\n"
	    "t.ini:14: [file g] output: found the template itself: allowed: another file\n"
	    "t.ini:16: [publisher p] cluster: found \"c\": allowed: the NAME of a [cluster NAME] "
	    "section\n");
}

Test(config_errors, presence_is_not_for_patroni)
{
	expect("[cluster a]\npath = /service/a\nlayout = patroni\npresence = yes\n" TARGET,
	       "t.ini:4: [cluster a] presence: found \"yes\" with layout = patroni: allowed: no; "
	       "Patroni's leader key is ephemeral itself\n");
}

Test(config_errors, variables_of_the_environment)
{
	static const struct wrong wrong[] = {
	    {"var.v = ${SEGUE_NO}",
	     "found ${SEGUE_NO}, which is not set in the environment: allowed: a variable that is "
	     "set, or ${SEGUE_NO:-default}"},
	    {"var.v = ${SEGUE_NO",
	     "found \"${SEGUE_NO\": allowed: ${NAME}, ${NAME:-default} or ${NAME-default}; $$ is "
	     "one $"},
	    {"var.v = ${}",
	     "found \"${}\": allowed: ${NAME}, ${NAME:-default} or ${NAME-default}; $$ is one $"},
	    {"var.v = ${1}",
	     "found \"${1}\": allowed: ${NAME}, ${NAME:-default} or ${NAME-default}; $$ is one $"},
	    {"var.v = ${A+b}",
	     "found \"${A+b}\": allowed: ${NAME}, ${NAME:-default} or ${NAME-default}; $$ is one $"},
	    {"var.v = ${SEGUE_LINES}",
	     "found ${SEGUE_LINES} with the control character \\x0a in it: allowed: text"},
	};

	unsetenv("SEGUE_NO");
	setenv("SEGUE_LINES", "a\nb", 1);
	EXPECT_EACH(CLUSTER TARGET, 7, "[file f] var.v: ", "", wrong);
}

Test(config_errors, all_of_a_file_are_reported_in_its_order)
{
	expect(
	    "[segue]\nlog_level = x\nbad\n[zookeeper]\nhosts = a ; b\n[cluster a]\n[nope]\nk = v\n"
	    "[file f]\ncluster = z\ntemplate = t\n",
	    "t.ini:2: [segue] log_level: found \"x\": allowed: debug | info | warning | error\n"
	    "t.ini:3: found \"bad\": allowed: key = value, [section] or a ; comment\n"
	    "t.ini:5: [zookeeper] hosts: found \"a\": allowed: " HOSTS_ALLOWED "\n"
	    "t.ini:6: [cluster a] path: missing and required: " ZNODE_ALLOWED "\n"
	    "t.ini:7: found \"[nope]\": allowed: [segue], [zookeeper], [cluster NAME], [haproxy "
	    "NAME], [pgbouncer NAME], [file NAME], [publisher NAME]\n"
	    "t.ini:9: [file f] output: missing and required: " PATH_ALLOWED "\n"
	    "t.ini:10: [file f] cluster: found \"z\": allowed: the NAME of a [cluster NAME] "
	    "section\n"
	    "t.ini:11: [file f] template: found \"t\": allowed: " PATH_ALLOWED "\n");
}
