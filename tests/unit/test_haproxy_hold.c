/* What HAProxy is to show while there is no primary, the commands that lead there and back, and the
 * note that outlives segue. */
#include <criterion/criterion.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "haproxy/hold_record.h"
#include "haproxy/model/diff.h"
#include "sidecar/haproxy/driver_internal.h"

static const char text[] = "backend rw\n server primary 10.0.0.1:5432 check\n"
                           "backend ro\n server r1 10.0.0.2:5432 check\n"
                           " server r2 10.0.0.1:5433\n server primary 10.0.0.1:5432 backup\n"
                           " server spare 10.0.0.1:5432 disabled\n";
static const struct haproxy_endpoint closed = {"127.0.0.1", 1};
static const struct haproxy_endpoint primary = {"10.0.0.1", 5432};

static void parse(const char *from, struct haproxy_config *config)
{
	struct err err;

	cr_assert(haproxy_config_parse(from, strlen(from), config, &err), "%s", err.message);
}

/* "10.0.0.1:5432 " for each server, with "u" unchecked, "d" disabled, "c" cut off. */
static void describe(const struct haproxy_config *config, struct strbuf *out)
{
	strbuf_reset(out);
	for (size_t i = 0; i < config->server_count; i++) {
		const struct haproxy_server *server = &config->servers[i];

		strbuf_printf(out, "%s:%u%s%s%s ", server->address, (unsigned)server->port,
		              server->unchecked ? "u" : "", server->disabled ? "d" : "",
		              server->cut_off ? "c" : "");
	}
}

Test(haproxy_hold_view, only_servers_that_lead_to_the_primary_change)
{
	static const struct haproxy_endpoint any = {NULL, 0}, other = {"10.0.0.9", 5432};
	struct haproxy_config config, view;
	struct strbuf out = STRBUF_INIT;

	parse(text, &config);
	cr_expect_eq(haproxy_config_hold(&config, &primary, &closed, 30000, &view), 2);
	describe(&view, &out);
	cr_expect_str_eq(out.data, "127.0.0.1:1u 10.0.0.2:5432 10.0.0.1:5433 127.0.0.1:1 "
	                           "10.0.0.1:5432d ");
	haproxy_config_open(&view);
	cr_expect_eq(haproxy_config_hold(&config, &any, &closed, 30000, &view), 4);
	describe(&view, &out);
	cr_expect_str_eq(out.data, "127.0.0.1:1u 127.0.0.1:1u 127.0.0.1:1 127.0.0.1:1 "
	                           "10.0.0.1:5432d ");
	haproxy_config_open(&view);
	cr_expect_eq(haproxy_config_hold(&config, &other, &closed, 30000, &view), 0);
	haproxy_config_open(&view);
	cr_expect_eq(haproxy_config_fence(&config, &primary, NULL, &view), 3);
	describe(&view, &out);
	cr_expect_str_eq(out.data, "10.0.0.1:5432dc 10.0.0.2:5432 10.0.0.1:5433 10.0.0.1:5432dc "
	                           "10.0.0.1:5432dc ");
	haproxy_config_open(&view);
	describe(&config, &out);
	cr_expect_str_eq(out.data, "10.0.0.1:5432 10.0.0.2:5432 10.0.0.1:5433 10.0.0.1:5432 "
	                           "10.0.0.1:5432d ");
	haproxy_config_free(&config);
	strbuf_fini(&out);
}

Test(haproxy_hold_view, the_state_of_a_server_with_an_agent_stays_the_agents)
{
	struct haproxy_config config, view;
	struct strbuf out = STRBUF_INIT;

	parse("backend b\n server s 10.0.0.1:5432 agent-check agent-port 9\n", &config);
	cr_expect_eq(haproxy_config_fence(&config, &primary, NULL, &view), 1);
	describe(&view, &out);
	cr_expect_str_eq(out.data, "10.0.0.1:5432c ");
	haproxy_config_open(&view);
	haproxy_config_free(&config);
	strbuf_fini(&out);
}

/* --- commands --- */

#define RUNNING 2u
#define DOWN    0u

struct live_case {
	const char *address;
	unsigned port, operational, admin, check;
	const char *hold, *fence, *back; /* the commands for each desired_seq */
	bool fence_sweeps;
};

static void expect_commands(const struct haproxy_config *wanted, const struct live_case *is,
                            const char *commands, bool cleanups)
{
	struct haproxy_live_server server = {.backend = (char *)"b",
	                                     .name = (char *)"s",
	                                     .address = (char *)is->address,
	                                     .port = (uint16_t)is->port,
	                                     .operational = is->operational,
	                                     .admin = is->admin,
	                                     .weight = 1,
	                                     .check = is->check};
	const struct haproxy_live live = {&server, 1};
	struct haproxy_diff diff;

	haproxy_diff(wanted, &live, (struct haproxy_abilities){.can_add = true}, &diff);
	cr_expect_str_eq(diff.commands.data, commands, "%s:%u: %s", is->address, is->port,
	                 diff.commands.data);
	if (cleanups)
		cr_expect(diff.needs_cleanup);
	haproxy_diff_free(&diff);
}

static void expect_all(const char *line, const struct live_case *cases, size_t count)
{
	struct haproxy_config config, held, fenced;

	parse(line, &config);
	haproxy_config_hold(&config, &primary, &closed, 30000, &held);
	haproxy_config_fence(&config, &primary, NULL, &fenced);
	for (size_t i = 0; i < count; i++) {
		expect_commands(&held, &cases[i], cases[i].hold, false);
		expect_commands(&fenced, &cases[i], cases[i].fence, cases[i].fence_sweeps);
		expect_commands(&config, &cases[i], cases[i].back, false);
	}
	haproxy_config_open(&held);
	haproxy_config_open(&fenced);
	haproxy_config_free(&config);
}

#define TO_CLOSED  "set server b/s addr 127.0.0.1 port 1"
#define TO_PRIMARY "set server b/s addr 10.0.0.1 port 5432"

Test(haproxy_hold_view, without_a_check_an_address_or_a_state_is_all)
{
	static const struct live_case cases[] = {
	    {"10.0.0.1", 5432, RUNNING, 0, 0, TO_CLOSED, "set server b/s state maint", "", true},
	    {"127.0.0.1", 1, RUNNING, 0, 0, "", "set server b/s state maint;" TO_PRIMARY,
	     TO_PRIMARY, true},
	    {"10.0.0.1", 5432, DOWN, 1, 0, TO_CLOSED ";set server b/s state ready", "",
	     "set server b/s state ready", false},
	};

	expect_all("backend b\n server s 10.0.0.1:5432\n", cases, ARRAY_LEN(cases));
}

/* Bits 2 and 4: there is a check, and it is enabled. */
Test(haproxy_hold_view, a_check_rests_before_the_address_changes_and_is_back_after_it)
{
	static const struct live_case cases[] = {
	    {"10.0.0.1", 5432, RUNNING, 0, 6, "disable health b/s;" TO_CLOSED,
	     "set server b/s state maint", "", true},
	    {"10.0.0.1", 5432, DOWN, 0, 6,
	     "disable health b/s;" TO_CLOSED ";set server b/s health up",
	     "set server b/s state maint", "", true},
	    {"127.0.0.1", 1, RUNNING, 0, 2, "",
	     "set server b/s state maint;" TO_PRIMARY ";enable health b/s",
	     TO_PRIMARY ";enable health b/s;set server b/s health up", true},
	    {"127.0.0.1", 1, DOWN, 0, 2, "set server b/s health up",
	     "set server b/s state maint;" TO_PRIMARY ";enable health b/s",
	     TO_PRIMARY ";enable health b/s;set server b/s health up", true},
	};

	expect_all("backend b\n server s 10.0.0.1:5432 check\n", cases, ARRAY_LEN(cases));
}

/* --- the queue --- */

#define QUEUES " option redispatch 2\n timeout queue 30s\n"
#define SERVER " server s 10.0.0.1:5432"

Test(haproxy_hold_view, clients_queue_only_where_the_whole_text_lets_them_wait_long_enough)
{
	static const struct {
		const char *text;
		int64_t maxconn; /* of the text, as far as segue knows */
		bool queues;
	} cases[] = {
	    {"defaults d\n" QUEUES "backend b from d\n" SERVER "\n", 0, true},
	    {"defaults\n" QUEUES "backend b\n" SERVER " maxconn 50\n", 50, true},
	    {"defaults d\nbackend b from d\n" SERVER "\n" QUEUES, 0, true},
	    {"defaults d\n" QUEUES "defaults e from d\n default-server maxconn 7\n"
	     "backend b from e\n" SERVER "\n",
	     7, true},
	    {"global\nbackend b\n" QUEUES SERVER "\n", 0, true},
	    /* another file may say more */
	    {"backend b\n" QUEUES SERVER " maxconn 50\n", -1, false},
	    {"backend b from elsewhere\n" QUEUES SERVER "\n", -1, false},
	    {"defaults d\n" QUEUES " timeout connect \"$T\"\nbackend b from d\n" SERVER "\n", -1,
	     false},
	    {"defaults d\n.if defined(X)\n" QUEUES ".endif\nbackend b from d\n" SERVER "\n", -1,
	     false},
	    /* each client would give its place up at every try */
	    {"defaults d\n" QUEUES " option redispatch 1\nbackend b from d\n" SERVER "\n", 0,
	     false},
	    {"defaults d\n" QUEUES "backend b from d\n no option redispatch\n" SERVER "\n", 0,
	     false},
	    {"defaults d\n" QUEUES " option redispatch\nbackend b from d\n" SERVER "\n", 0, false},
	    /* the queue ends before the hold */
	    {"defaults d\n option redispatch 2\nbackend b from d\n" SERVER "\n", 0, false},
	    {"defaults d\n" QUEUES "backend b from d\n timeout queue 29s\n" SERVER "\n", 0, false},
	    /* `set maxconn` would change more than the limit; the queue is too short */
	    {"defaults d\n" QUEUES "backend b from d\n" SERVER " minconn 5 maxconn 50\n", -1,
	     false},
	    {"defaults d\n" QUEUES "backend b from d\n" SERVER " maxqueue 5\n", 0, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_config config, view;

		parse(cases[i].text, &config);
		cr_expect_eq(config.servers[0].maxconn, cases[i].maxconn, "%s", cases[i].text);
		cr_expect_eq(haproxy_config_hold(&config, &primary, &closed, 30000, &view), 1);
		cr_expect_eq(view.servers[0].maxconn,
		             cases[i].queues ? HAPROXY_MAXCONN_HELD : cases[i].maxconn, "%s",
		             cases[i].text);
		haproxy_config_open(&view);
		haproxy_config_free(&config);
	}
}

struct limit_case {
	uint64_t maxconn, queued, port;
	const char *hold, *fence, *back, *tidy; /* the commands for each desired_seq */
	bool late, withholds, lasts;
};

static void expect_limit(const struct haproxy_config *wanted, const struct limit_case *is,
                         const char *commands, bool back)
{
	struct haproxy_live_server server = {.backend = (char *)"b",
	                                     .name = (char *)"s",
	                                     .address = (char *)"127.0.0.1",
	                                     .port = (uint16_t)is->port,
	                                     .operational = RUNNING,
	                                     .weight = 1,
	                                     .counted = true,
	                                     .maxconn = is->maxconn,
	                                     .queued = is->queued};
	const struct haproxy_live live = {&server, 1};
	struct haproxy_diff diff;

	haproxy_diff(wanted, &live, (struct haproxy_abilities){.late_address = is->late}, &diff);
	cr_expect_str_eq(diff.commands.data, commands, "maxconn %d: %s", (int)is->maxconn,
	                 diff.commands.data);
	if (back) {
		cr_expect_str_eq(diff.tidy.data, is->tidy, "%s", diff.tidy.data);
		cr_expect_eq(diff.withholds, is->withholds);
		cr_expect_eq(diff.queue_lasts, is->lasts);
	}
	haproxy_diff_free(&diff);
}

static void expect_limits(const char *params, const struct limit_case *cases, size_t count)
{
	static const struct haproxy_endpoint at = {"127.0.0.1", 5432};
	auto_free char *line =
	    xasprintf("defaults\n" QUEUES "backend b\n server s 127.0.0.1:5432 %s\n", params);
	struct haproxy_config config, held, fenced;

	parse(line, &config);
	haproxy_config_hold(&config, &at, &closed, 30000, &held);
	haproxy_config_fence(&config, &at, &closed, &fenced);
	for (size_t i = 0; i < count; i++) {
		expect_limit(&held, &cases[i], cases[i].hold, false);
		expect_limit(&fenced, &cases[i], cases[i].fence, false);
		expect_limit(&config, &cases[i], cases[i].back, true);
	}
	haproxy_config_open(&held);
	haproxy_config_open(&fenced);
	haproxy_config_free(&config);
}

#define LIMIT "set maxconn server b/s "
#define MAINT "set server b/s state maint"
#define BACK  "set server b/s addr 127.0.0.1 port 5432"

Test(haproxy_hold_view, no_limit_comes_back_by_way_of_one_that_wakes_the_queue)
{
	static const struct limit_case cases[] = {
	    {0, 0, 5432, TO_CLOSED ";" LIMIT "1", MAINT ";" TO_CLOSED, "", "", .late = false},
	    {1, 9, 1, "", LIMIT "1000000;" MAINT, BACK ";" LIMIT "1000000", "", .late = false},
	    {1, 9, 1, "", LIMIT "1000000;" MAINT, BACK, "", .late = true, .withholds = true},
	    {1, 9, 5432, TO_CLOSED, LIMIT "1000000;" MAINT ";" TO_CLOSED, LIMIT "1000000", "",
	     .late = true},
	    {1000000, 9, 5432, TO_CLOSED ";" LIMIT "1", LIMIT "1000000;" MAINT ";" TO_CLOSED, "",
	     "", .lasts = true},
	    {1000000, 0, 5432, TO_CLOSED ";" LIMIT "1", LIMIT "1000000;" MAINT ";" TO_CLOSED, "",
	     LIMIT "0", .late = false},
	    {50, 0, 5432, TO_CLOSED ";" LIMIT "1", LIMIT "1000000;" MAINT ";" TO_CLOSED,
	     LIMIT "1000000", "", .late = false}, /* by hand */
	};

	expect_limits("", cases, ARRAY_LEN(cases));
}

Test(haproxy_hold_view, the_limit_of_the_text_comes_back_at_once)
{
	static const struct limit_case cases[] = {
	    {50, 0, 5432, TO_CLOSED ";" LIMIT "1", MAINT ";" TO_CLOSED, "", "", .late = false},
	    {1, 9, 1, "", LIMIT "1000000;" MAINT, BACK ";" LIMIT "50", "", .late = false},
	    {1, 9, 1, "", LIMIT "1000000;" MAINT, BACK, "", .late = true, .withholds = true},
	    {1000000, 9, 5432, TO_CLOSED ";" LIMIT "1", LIMIT "1000000;" MAINT ";" TO_CLOSED,
	     LIMIT "50", "", .late = false},
	};

	expect_limits("maxconn 50", cases, ARRAY_LEN(cases));
}

/* --- the note --- */

static char folder[] = "/tmp/segue-note-XXXXXX";

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	auto_free char *file = xasprintf("%s/haproxy-n.held", folder);

	unlink(file);
	rmdir(folder);
}

TestSuite(haproxy_hold_record, .init = make_folder, .fini = remove_folder);

static void expect_note(enum haproxy_hold_record_kind kind, const char *closed_address,
                        const char *primary_address)
{
	struct haproxy_hold_record note;
	struct err err;

	cr_assert(haproxy_hold_record_init(&note, folder, "n", &err), "%s", err.message);
	cr_expect_eq(note.kind, kind);
	cr_expect_str_eq(note.closed_address != NULL ? note.closed_address : "any", closed_address);
	cr_expect_str_eq(note.primary_address != NULL ? note.primary_address : "any",
	                 primary_address);
	haproxy_hold_record_fini(&note);
}

Test(haproxy_hold_record, what_is_written_is_found_until_it_is_removed)
{
	struct haproxy_hold_record note;
	struct err err;

	expect_note(HAPROXY_RECORD_NONE, "any", "any");
	cr_assert(haproxy_hold_record_init(&note, folder, "n", &err));
	haproxy_hold_record_set(&note, HAPROXY_RECORD_HOLD, &closed, &primary);
	cr_assert(haproxy_hold_record_save(&note, 7, &err), "%s", err.message);
	expect_note(HAPROXY_RECORD_HOLD, "127.0.0.1", "10.0.0.1");
	haproxy_hold_record_set(&note, HAPROXY_RECORD_FENCE, NULL,
	                        &(struct haproxy_endpoint){NULL, 0});
	cr_assert(haproxy_hold_record_save(&note, 7, &err), "%s", err.message);
	expect_note(HAPROXY_RECORD_FENCE, "any", "any");
	haproxy_hold_record_set(&note, HAPROXY_RECORD_FENCE, &closed, &primary);
	cr_assert(haproxy_hold_record_save(&note, 7, &err), "%s", err.message);
	expect_note(HAPROXY_RECORD_FENCE, "127.0.0.1", "10.0.0.1");
	haproxy_hold_record_set(&note, HAPROXY_RECORD_NONE, NULL, NULL);
	cr_assert(haproxy_hold_record_save(&note, 7, &err), "%s", err.message);
	cr_assert(haproxy_hold_record_save(&note, 7, &err), "removed twice: %s", err.message);
	expect_note(HAPROXY_RECORD_NONE, "any", "any");
	haproxy_hold_record_fini(&note);
}

/* The note has the path and one line more than the file. */
Test(haproxy_hold_record, the_largest_file_is_put_back_after_a_crash)
{
	auto_free char *note = xasprintf("%s/haproxy-n.tried", folder);
	auto_free char *file = xasprintf("%s/orders.cfg", folder);
	auto_free char *spaces = xcalloc(1, INSTALL_MAX);
	struct strbuf old = STRBUF_INIT;
	struct stat st;
	struct err err;

	memset(spaces, ' ', INSTALL_MAX);
	strbuf_append(&old, spaces, INSTALL_MAX);
	cr_assert(haproxy_trial_note(note, file, &old, &err), "%s", err.message);
	haproxy_trial_undo_all(folder);
	cr_assert_eq(stat(file, &st), 0);
	cr_expect_eq((size_t)st.st_size, INSTALL_MAX);
	cr_expect_neq(access(note, F_OK), 0);
	unlink(file);
	strbuf_fini(&old);
}

Test(haproxy_hold_record, it_belongs_to_who_wrote_it_last)
{
	struct haproxy_hold_record mine, heirs;
	struct err err;

	cr_assert(haproxy_hold_record_init(&mine, folder, "n", &err));
	cr_expect(haproxy_hold_record_is_ours(&mine), "nobody else's");
	haproxy_hold_record_set(&mine, HAPROXY_RECORD_HOLD, &closed, &primary);
	cr_assert(haproxy_hold_record_save(&mine, 7, &err));
	for (int64_t now = clock_now_us(); clock_now_us() == now;)
		; /* owners differ by the microsecond */
	cr_assert(haproxy_hold_record_init(&heirs, folder, "n", &err));
	cr_expect_not(haproxy_hold_record_is_ours(&heirs));
	cr_assert(haproxy_hold_record_save(&heirs, 7, &err));
	cr_expect(haproxy_hold_record_is_ours(&heirs));
	cr_expect_not(haproxy_hold_record_is_ours(&mine));
	haproxy_hold_record_fini(&mine);
	haproxy_hold_record_fini(&heirs);
}

Test(haproxy_hold_record, what_cannot_be_written_is_an_error_that_names_the_note)
{
	auto_free char *file = xasprintf("%s/haproxy-n.held", folder);
	struct haproxy_hold_record note;
	struct err err;

	cr_assert(haproxy_hold_record_init(&note, folder, "n", &err));
	haproxy_hold_record_set(&note, HAPROXY_RECORD_HOLD, &closed, &primary);
	cr_assert_eq(mkdir(file, 0700), 0);
	cr_assert_not(haproxy_hold_record_save(&note, 7, &err));
	cr_assert_not_null(strstr(err.message, "cannot write the hold record: cannot rename"), "%s",
	                   err.message);
	cr_assert_eq(rmdir(file), 0);
	haproxy_hold_record_fini(&note);
}

Test(haproxy_hold_record, what_is_no_note_is_an_error_and_opens_nothing)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "[]",
	    "{\"kind\":\"hold\"}",
	    "{\"kind\":\"hold\",\"closed\":null,\"primary\":null}",
	    "{\"kind\":\"hold\",\"closed\":{\"address\":\"x;y\",\"port\":1},\"primary\":null}",
	    "{\"kind\":\"hold\",\"closed\":{\"address\":\"::1\",\"port\":70000},\"primary\":null}",
	    "{\"kind\":\"other\",\"closed\":null,\"primary\":null}",
	};
	static const struct file_owner owner = {.mode = 0600};
	auto_free char *file = xasprintf("%s/haproxy-n.held", folder);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct haproxy_hold_record note;
		struct err err;

		cr_assert(file_replace(file, texts[i], strlen(texts[i]), &owner, &err));
		cr_expect_not(haproxy_hold_record_init(&note, folder, "n", &err), "text %zu", i);
		cr_expect_eq(note.kind, HAPROXY_RECORD_NONE, "text %zu", i);
		cr_expect_not_null(strstr(err.message, "haproxy-n.held"), "%s", err.message);
		haproxy_hold_record_fini(&note);
	}
}

/* --- the closed port --- */

/* A network of its own, as port 1 is everybody's; false where that is not allowed. */
static bool leave_the_network(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	auto_close int fd = -1;

	if (unshare(CLONE_NEWNET) != 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static int listen_at(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
	                                    .sin_port = htons(port),
	                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

Test(haproxy_closed, a_port_where_somebody_listens_is_not_taken)
{
	struct haproxy_endpoint place;
	struct err err;
	int fds[8];

	if (!leave_the_network())
		cr_skip_test("needs a network namespace");
	cr_assert(haproxy_closed_find("10.0.0.1", &place, &err), "%s", err.message);
	cr_expect_str_eq(place.address, "127.0.0.1");
	cr_expect_eq(place.port, 1);
	fds[0] = listen_at(1);
	cr_assert(haproxy_closed_find(NULL, &place, &err), "%s", err.message);
	cr_expect_str_eq(place.address, "127.0.0.1");
	cr_expect_eq(place.port, 2);
	for (uint16_t i = 1; i < 8; i++)
		fds[i] = listen_at((uint16_t)(i + 1));
	cr_assert(haproxy_closed_find(NULL, &place, &err), "%s", err.message);
	cr_expect_str_eq(place.address, "::1");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

Test(haproxy_closed, an_ipv6_primary_gets_an_ipv6_port)
{
	struct haproxy_endpoint place;
	struct err err;

	if (!leave_the_network())
		cr_skip_test("needs a network namespace");
	cr_assert(haproxy_closed_find("2001:db8::1", &place, &err), "%s", err.message);
	cr_expect_str_eq(place.address, "::1");
}

Test(haproxy_closed, without_a_loopback_there_is_none)
{
	struct haproxy_endpoint place;
	struct err err;

	if (unshare(CLONE_NEWNET) != 0)
		cr_skip_test("needs a network namespace");
	cr_assert_not(haproxy_closed_find("10.0.0.1", &place, &err));
	cr_expect_not_null(strstr(err.message, "127.0.0.1 and ::1"), "%s", err.message);
}
