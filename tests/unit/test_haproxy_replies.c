/* HAProxy's replies, as 2.6.12 gave them (trimmed), and what must not pass for one. */
#include <criterion/criterion.h>
#include <string.h>

#include "haproxy/model/replies.h"

#define HEADER                                                                                      \
	"1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "     \
	"srv_iweight srv_time_since_last_change srv_check_status srv_check_result "                 \
	"srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn " \
	"srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr "              \
	"srv_agent_port\n"

Test(haproxy_replies, servers_of_every_state_are_read)
{
	static const char reply[] =
	    HEADER "3 be_rw 1 primary 127.0.0.1 2 0 1 1 2 1 0 2 0 0 0 0 - 52789 - 0 0 - - 0\n"
	           "5 be_v6 1 s6 ::1 2 0 1 1 2 1 0 2 0 0 0 0 - 47659 - 0 0 - - 0\n"
	           "8 ro 2 r2 127.0.0.1 2 8 0 0 0 6 3 4 6 0 0 0 - 56147 - 0 0 - - 0\n"
	           "8 ro 3 r3 127.0.0.1 0 5 256 256 2 1 0 0 14 0 0 0 - 56147 - 0 0 - - 0\n"
	           "9 misc 1 u - 2 0 1 1 2 1 0 2 0 0 0 0 - 0 - 0 0 - - 0\n\n";
	struct haproxy_live live;
	const struct haproxy_live_server *server;
	struct err err;

	cr_assert(haproxy_live_parse(reply, strlen(reply), &live, &err), "%s", err.message);
	cr_assert_eq(live.count, 5);
	server = haproxy_live_find(&live, "be_rw", "primary", NULL);
	cr_assert_not_null(server);
	cr_assert_str_eq(server->address, "127.0.0.1");
	cr_assert_eq(server->port, 52789);
	cr_assert_eq(server->operational, 2);
	cr_assert_eq(server->admin, 0);
	cr_assert_eq(server->weight, 1);
	cr_assert_str_eq(haproxy_live_find(&live, "be_v6", "s6", NULL)->address, "::1");
	cr_assert_eq(haproxy_live_find(&live, "ro", "r2", NULL)->admin, 8);
	cr_assert_eq(haproxy_live_find(&live, "ro", "r2", NULL)->weight, 0);
	cr_assert_eq(haproxy_live_find(&live, "ro", "r3", NULL)->admin, 5);
	cr_assert_eq(haproxy_live_find(&live, "ro", "r3", NULL)->weight, 256);
	cr_assert_str_eq(haproxy_live_find(&live, "misc", "u", NULL)->address, "");
	cr_assert_null(haproxy_live_find(&live, "ro", "primary", NULL));
	haproxy_live_free(&live);
}

Test(haproxy_replies, no_servers_is_a_reply_too)
{
	static const char reply[] = HEADER "\n";
	struct haproxy_live live;
	struct err err;

	cr_assert(haproxy_live_parse(reply, strlen(reply), &live, &err));
	cr_assert_eq(live.count, 0);
	haproxy_live_free(&live);
}

Test(haproxy_replies, what_is_no_state_is_refused_and_shown)
{
	static const struct {
		const char *reply, *error;
	} cases[] = {
	    {"", "show servers state: an empty reply"},
	    {"\n", "an empty reply"},
	    {"Permission denied\n\n", "HAProxy answered \"Permission denied\""},
	    {"Can't find backend.\n\n", "HAProxy answered \"Can't find backend.\""},
	    {"2\n# be_id\n\n", "HAProxy answered \"2\""},
	    {"1\n# bkname/svname bkid/svid addr port\n\n", "HAProxy answered \"# bkname"},
	    {HEADER, "the reply is cut short"},
	    {HEADER "3 b 1 s 127.0.0.1 2 0 1 1 2 1 0 2 0 0 0 0 - 5 - 0 0 - - 0\n", "cut short"},
	    {HEADER "3 b 1 s 127.0.0.1 2 0 1\n\n", "HAProxy answered \"3 b 1 s 127.0.0.1 2 0 1\""},
	    {HEADER "3 b 1 s db1 2 0 1 1 2 1 0 2 0 0 0 0 - 5 - 0 0 - - 0\n\n", "answered"},
	    {HEADER "3 b 1 s 1.1.1.1 4 0 1 1 2 1 0 2 0 0 0 0 - 5 - 0 0 - - 0\n\n", "answered"},
	    {HEADER "3 b 1 s 1.1.1.1 2 x 1 1 2 1 0 2 0 0 0 0 - 5 - 0 0 - - 0\n\n", "answered"},
	    {HEADER "3 b 1 s 1.1.1.1 2 0 257 1 2 1 0 2 0 0 0 0 - 5 - 0 0 - - 0\n\n", "answered"},
	    {HEADER "3 b 1 s 1.1.1.1 2 0 1 1 2 1 0 2 0 0 0 0 - 65536 - 0 0 - - 0\n\n", "answered"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_live live;
		struct err err;

		cr_assert_not(
		    haproxy_live_parse(cases[i].reply, strlen(cases[i].reply), &live, &err), "%s",
		    cases[i].reply);
		cr_expect(strstr(err.message, cases[i].error) != NULL, "%s", err.message);
		cr_expect_eq(live.count, 0);
	}
}

Test(haproxy_info, version_pid_and_stopping_are_read)
{
	static const struct {
		const char *reply, *version;
		unsigned major, minor;
		int64_t pid;
		bool stopping;
	} cases[] = {
	    {"Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nRelease_date: 2026/10/17\nPid: 9216\n"
	     "Uptime: 0d 0h00m02s\nnode: vm\nStopping: 0\nJobs: 7\n\n",
	     "2.6.12-1+deb12u4", 2, 6, 9216, false},
	    {"Name: HAProxy\nVersion: 3.0-dev5\nPid: 9298\nStopping: 1\n\n", "3.0-dev5", 3, 0, 9298,
	     true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_info info;
		struct err err;

		cr_assert(haproxy_info_parse(cases[i].reply, strlen(cases[i].reply), &info, &err));
		cr_expect_str_eq(info.version, cases[i].version);
		cr_expect_eq(info.major, cases[i].major);
		cr_expect_eq(info.minor, cases[i].minor);
		cr_expect_eq(info.pid, cases[i].pid);
		cr_expect_eq(info.stopping, cases[i].stopping);
	}
}

Test(haproxy_info, what_is_no_info_is_refused)
{
	static const char *const replies[] = {
	    "",
	    "\n",
	    "Permission denied\n\n",
	    "Version: 2.6.12\n\n",
	    "Pid: 1\n\n",
	    "Version: x\nPid: 1\n\n",
	    "Version: 2\nPid: 1\n\n",
	    "Version: 2.6\nPid: -1\n\n",
	    "Version: 2.6\nPid: 1\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct haproxy_info info;
		struct err err;

		cr_expect_not(haproxy_info_parse(replies[i], strlen(replies[i]), &info, &err), "%s",
		              replies[i]);
	}
}

Test(haproxy_procs, workers_old_workers_and_failed_reloads_are_read)
{
	static const struct {
		const char *reply;
		int64_t master, worker, old[2];
		size_t old_count;
		unsigned reloads, failed;
	} cases[] = {
	    {"#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
	     "9283            master          0 [failed: 0]   0d00h00m02s     2.6.12-1+deb12u4\n"
	     "# workers\n"
	     "9285            worker          0               0d00h00m02s     2.6.12-1+deb12u4\n"
	     "# programs\n\n",
	     9283,
	     9285,
	     {0},
	     0,
	     0,
	     0},
	    {"#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
	     "9283            master          2 [failed: 1]   0d00h00m04s     2.6.12-1+deb12u4\n"
	     "# workers\n"
	     "9298            worker          1               0d00h00m02s     2.6.12-1+deb12u4\n"
	     "# old workers\n"
	     "9285            worker          2               0d00h00m04s     2.6.12-1+deb12u4\n"
	     "# programs\n\n",
	     9283,
	     9298,
	     {9285},
	     1,
	     1,
	     1},
	    {"#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
	     "9283            master          3 [failed: 0]   0d00h00m05s     2.6.12-1+deb12u4\n"
	     "# workers\n"
	     "9352            worker          0               0d00h00m01s     2.6.12-1+deb12u4\n"
	     "# old workers\n"
	     "9298            worker          2               0d00h00m03s     2.6.12-1+deb12u4\n"
	     "9285            worker          3               0d00h00m05s     2.6.12-1+deb12u4\n"
	     "# programs\n"
	     "9400            agent           0               0d00h00m01s     -\n\n",
	     9283,
	     9352,
	     {9298, 9285},
	     2,
	     0,
	     0},
	    {"#<PID> <type> <relative PID> <reloads> <uptime> <version>\n"
	     "1 master 0 1 0d00h00m05s 2.4.0\n# workers\n7 worker 1 0 0d00h00m01s 2.4.0\n\n",
	     1,
	     7,
	     {0},
	     0,
	     0,
	     0},
	    {"#<PID> <type> <reloads> <uptime> <version>\n1 master 0 0d00h00m05s 2.6.12\n\n",
	     1,
	     0,
	     {0},
	     0,
	     0,
	     0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_procs procs;
		struct err err;

		cr_assert(haproxy_procs_parse(cases[i].reply, strlen(cases[i].reply), &procs, &err),
		          "%s", err.message);
		cr_expect_eq(procs.master_pid, cases[i].master);
		cr_expect_eq(procs.worker_pid, cases[i].worker);
		cr_expect_eq(procs.reloads, cases[i].reloads);
		cr_expect_eq(procs.failed, cases[i].failed);
		cr_assert_eq(procs.old_count, cases[i].old_count);
		for (size_t n = 0; n < procs.old_count; n++)
			cr_expect_eq(procs.old_pids[n], cases[i].old[n]);
		haproxy_procs_free(&procs);
	}
}

Test(haproxy_procs, what_is_no_show_proc_is_refused)
{
	static const char *const replies[] = {
	    "",
	    "\n",
	    "Unknown command\n\n",
	    "#<PID> <type> <reloads>\n# workers\n7 worker 0 0d 2.6\n\n",
	    "#<PID> <type> <reloads>\n1 master 0 0d 2.6\n# workers\nx worker 0 0d 2.6\n\n",
	    "#<PID> <type> <reloads>\n1 master 0 0d 2.6\n# workers\n7 master 0 0d 2.6\n\n",
	    "#<PID> <type> <reloads>\n1 master 0 [failed: x] 0d 2.6\n\n",
	    "#<PID> <type> <reloads>\n1 master 0 0d 2.6\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct haproxy_procs procs;
		struct err err;

		cr_expect_not(haproxy_procs_parse(replies[i], strlen(replies[i]), &procs, &err),
		              "%s", replies[i]);
		cr_expect_null(procs.old_pids);
	}
}
