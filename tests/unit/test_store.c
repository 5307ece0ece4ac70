/* The session of a configuration: what auth_file may hold, and what a reload keeps. No ZooKeeper is
 * needed, because nothing turns the loop. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "zookeeper/store.h"

#define NO_LINE "one line \"digest user:password\""

static char folder[] = "/tmp/segue-store-XXXXXX"; /* every test is a process of its own */
static struct event_base *base;
static struct err err;

static void write_file(const char *name, const char *text)
{
	const struct file_owner owner = {.mode = 0600};

	cr_assert(file_replace(name, text, strlen(text), &owner, &err), "%s", err.message);
}

static void enter_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	base = event_base_new();
}

static void leave_folder(void)
{
	static const char *const files[] = {"auth", "segue.ini", "said", "t", "state/lock"};

	event_base_loop(base, EVLOOP_NONBLOCK); /* evdns frees what was cancelled */
	event_base_free(base);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(files[i]);
	rmdir("state");
	rmdir(folder);
}

TestSuite(store, .init = enter_folder, .fini = leave_folder, .timeout = 20);

/* The fields that store_prepare() reads. */
static struct config settings(const char *hosts, const char *auth_file)
{
	return (struct config){.zookeeper_hosts = (char *)hosts,
	                       .session_timeout_ms = 6000,
	                       .auth_file = (char *)auth_file};
}

static bool is_taken(const char *auth)
{
	const struct config config = settings("127.0.0.1:1", "auth");
	struct store *store;
	bool taken;

	write_file("auth", auth);
	store = store_prepare(base, &config, NULL, &err);
	taken = store != NULL && store_open(store, &err);
	store_close(store);
	return taken;
}

Test(store, auth_file_has_one_line)
{
	static const char *const wrong[] = {"",
	                                    "\n",
	                                    "u:p\n",
	                                    "digest u\n",
	                                    "Digest u:p\n",
	                                    "\ndigest u:p\n",
	                                    "digest u:p\nsecond\n",
	                                    "digest u:p\r\n\ndigest v:q\n"};

	cr_expect(is_taken("digest u:p"));
	cr_expect(is_taken("digest u:p with a blank\n"));
	cr_expect(is_taken("digest u:p\r\n\n"));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		cr_expect_not(is_taken(wrong[i]), "\"%s\" was taken", wrong[i]);
		cr_expect_not_null(strstr(err.message, "[zookeeper] auth_file: auth: " NO_LINE),
		                   "\"%s\": %s", wrong[i], err.message);
	}
}

Test(store, the_session_refuses_a_second_line_too)
{
	const struct zk_options options = {
	    .hosts = "127.0.0.1:1", .session_timeout_ms = 6000, .auth = "digest u:p\nsecond"};

	cr_expect_null(zk_create(base, NULL, &options, &err));
	cr_expect_not_null(strstr(err.message, NO_LINE), "%s", err.message);
}

/* segue.ini takes absolute paths only. */
static void write_config(void)
{
	auto_free char *text =
	    xasprintf("[segue]\nstate_dir = %1$s/state\nlisten = unix:%1$s/segue.sock\n"
	              "[zookeeper]\nhosts = 127.0.0.1:1\nauth_file = %1$s/auth\n"
	              "[cluster a]\npath = /a\nverify = disable\n"
	              "[publisher p]\ncluster = a\nnodes = host=127.0.0.1\n"
	              "[file f]\ncluster = a\ntemplate = %1$s/t\noutput = %1$s/out\n",
	              folder);

	write_file("segue.ini", text);
	write_file("t", "{{cluster}}\n");
	write_file("auth", "digest u:p\nsecond\n");
}

/* Appends to `said` what the verb prints. Returns its exit code. */
static int call(int (*verb)(int argc, char **argv), const char *const *words, struct strbuf *said)
{
	char *argv[8] = {NULL};
	int argc = 0, out = dup(STDOUT_FILENO), errors = dup(STDERR_FILENO), code;

	while (words[argc] != NULL) {
		argv[argc] = (char *)words[argc];
		argc++;
	}
	fflush(NULL);
	cr_assert_not_null(freopen("said", "w", stdout));
	cr_assert_geq(dup2(STDOUT_FILENO, STDERR_FILENO), 0);
	code = verb(argc, argv);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	close(out);
	close(errors);
	cr_assert(file_read("said", 65536, said, NULL, &err), "%s", err.message);
	return code;
}

Test(store, every_verb_refuses_a_second_line_of_auth_file)
{
	static const struct {
		int (*call)(int argc, char **argv);
		const char *words[7];
	} verbs[] = {{cmd_run, {"run", "-c", "segue.ini"}},
	             {cmd_check, {"check", "-c", "segue.ini"}},
	             {cmd_publish, {"publish", "-c", "segue.ini", "--once"}},
	             {cmd_fleet, {"fleet", "-c", "segue.ini", "a"}},
	             {cmd_wait, {"wait", "-c", "segue.ini", "a"}},
	             {cmd_set_primary, {"set-primary", "-c", "segue.ini", "a", "127.0.0.1:5432"}}};

	write_config();
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		auto_strbuf struct strbuf said = STRBUF_INIT;
		int code = call(verbs[i].call, verbs[i].words, &said);

		cr_expect_neq(code, CMD_OK, "segue %s", verbs[i].words[0]);
		cr_expect_not_null(strstr(said.data, "/auth: " NO_LINE), "segue %s: %s",
		                   verbs[i].words[0], said.data);
	}
}

Test(store, a_refused_host_list_is_told_with_its_section)
{
	auto_strbuf struct strbuf hosts = STRBUF_INIT;
	struct config config;
	struct store *store;

	for (int i = 1; i <= 65; i++)
		strbuf_printf(&hosts, "%s10.0.0.%d:2181", i > 1 ? "," : "", i);
	config = settings(hosts.data, "");
	store = store_prepare(base, &config, NULL, &err);
	cr_assert_not_null(store);
	cr_assert_not(store_open(store, &err));
	cr_expect_str_eq(err.message, "[zookeeper]: hosts: more than 64 hosts");
	store_close(store);
}

static struct store *open_store(const struct config *config, struct store *old)
{
	struct store *store = store_prepare(base, config, old, &err);

	cr_assert_not_null(store, "%s", err.message);
	cr_assert(store_open(store, &err), "%s", err.message);
	return store;
}

Test(store, a_reload_keeps_the_session_if_its_settings_stay)
{
	struct config config = settings("127.0.0.1:1", "auth");
	struct store *first, *next;
	struct zk *zk;

	write_file("auth", "digest u:p\n");
	first = open_store(&config, NULL);
	zk = first->zk;
	write_file("auth", "digest u:p");
	next = open_store(&config, first);
	store_close(first); /* the replaced configuration */
	cr_expect_eq(next->zk, zk);
	cr_expect_str_eq(zk_describe(zk), "ZooKeeper: not connected yet");
	store_close(open_store(&config, next)); /* a configuration that is refused in the end */
	cr_expect_str_eq(zk_describe(next->zk), "ZooKeeper: not connected yet");
	store_end(next);
}

Test(store, a_reload_with_other_settings_opens_another_session)
{
	struct config config = settings("127.0.0.1:1", "auth"), other = config;
	struct store *first, *next;

	write_file("auth", "digest u:p\n");
	first = open_store(&config, NULL);
	other.zookeeper_hosts = (char *)"127.0.0.1:2";
	next = open_store(&other, first);
	cr_expect_neq(next->zk, first->zk);
	store_close(next);
	other = config;
	other.session_timeout_ms++;
	next = open_store(&other, first);
	cr_expect_neq(next->zk, first->zk);
	store_close(next);
	write_file("auth", "digest u:q\n");
	next = open_store(&config, first);
	cr_expect_neq(next->zk, first->zk);
	store_close(next);
	cr_expect_str_eq(zk_describe(first->zk), "ZooKeeper: not connected yet");
	store_close(first);
}
