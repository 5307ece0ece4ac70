/* `show sess all`: which sessions stayed behind with an address that was left. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "haproxy/model/replies.h"

/* Taken from 2.6.12 after be_rw/primary went from port 52789 to the closed port 39581: in be_rw one
 * session established to the old port (id=4), one connecting to the new (id=10), one between
 * retries (id=8); in be_q one waiting in the queue (id=6) behind one established (id=5). */
static const char reply[] =
    "0x561682b0e7d0: [23/Nov/2026:15:15:40.594562] id=4 proto=tcpv4 source=127.0.0.1:51098\n"
    "  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x561682a31b00, pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=rw (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:35329\n"
    "  backend=be_rw (id=3 mode=tcp) addr=127.0.0.1:34480\n"
    "  server=primary (id=1) addr=127.0.0.1:52789\n"
    "  scf=0x561682a26fc0 flags=0x00000000 state=EST endp=CONN,0x561682c37410,0x028c0001 sub=1\n"
    "  scb=0x561682bcf170 flags=0x00000001 state=EST endp=CONN,0x561682c38ec0,0x028c0001 sub=1\n"
    "      co1=0x561682c377d0 ctrl=tcpv4 xprt=RAW mux=PASS data=STRM target=SERVER:0x561682a31b00\n"
    "0x561682c39660: [23/Nov/2026:15:15:42.096026] id=10 proto=tcpv4 source=127.0.0.1:51118\n"
    "  flags=0x4a, conn_retries=0, conn_exp=2s conn_et=0x000 srv_conn=0x561682a31b00, pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=rw (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:35329\n"
    "  backend=be_rw (id=3 mode=tcp) addr=127.0.0.1:50272\n"
    "  server=primary (id=1) addr=127.0.0.1:39581\n"
    "  scf=0x561682b72270 flags=0x00000000 state=EST endp=CONN,0x561682c395c0,0x028c0001 sub=1\n"
    "  scb=0x561682b67e20 flags=0x00000001 state=CON endp=CONN,0x561682c39c70,0x000c0001 sub=0\n"
    "      co1=0x561682c39a50 ctrl=tcpv4 xprt=RAW mux=PASS data=STRM target=SERVER:0x561682a31b00\n"
    "0x7fb4bc039d80: [23/Nov/2026:15:15:40.594303] id=3 proto=tcpv4 source=127.0.0.1:55606\n"
    "  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x561682a36530, pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=v6 (id=4 mode=tcp), listener=? (id=1) addr=127.0.0.1:36563\n"
    "  backend=be_v6 (id=5 mode=tcp) addr=::1:53562\n"
    "  server=s6 (id=1) addr=::1:47659\n"
    "  scf=0x7fb4bc039910 flags=0x00000000 state=EST endp=CONN,0x7fb4bc039980,0x028c0001 sub=1\n"
    "  scb=0x7fb4bc03a170 flags=0x00000001 state=EST endp=CONN,0x7fb4bc046880,0x028c0001 sub=1\n"
    "      co1=0x7fb4bc046660 ctrl=tcpv6 xprt=RAW mux=PASS data=STRM target=SERVER:0x561682a36530\n"
    "0x7fb4bc046b70: [23/Nov/2026:15:15:40.594303] id=5 proto=tcpv4 source=127.0.0.1:41930\n"
    "  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x561682a3af60, pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=q (id=6 mode=tcp), listener=? (id=1) addr=127.0.0.1:51527\n"
    "  backend=be_q (id=7 mode=tcp) addr=127.0.0.1:34488\n"
    "  server=one (id=1) addr=127.0.0.1:52789\n"
    "  scf=0x7fb4bc046b00 flags=0x00000000 state=EST endp=CONN,0x7fb4bc046a10,0x028c0001 sub=1\n"
    "  scb=0x7fb4bc047080 flags=0x00000001 state=EST endp=CONN,0x7fb4bc047c30,0x028c0001 sub=1\n"
    "      co1=0x7fb4bc047a10 ctrl=tcpv4 xprt=RAW mux=PASS data=STRM target=SERVER:0x561682a3af60\n"
    "0x7fb4bc047390: [23/Nov/2026:15:15:40.594303] id=6 proto=tcpv4 source=127.0.0.1:41934\n"
    "  flags=0x8, conn_retries=0, conn_exp=59m58s conn_et=0x000 srv_conn=(nil), pend_pos=0x7fb4bc047cd0 waiting=0 epoch=0\n"
    "  frontend=q (id=6 mode=tcp), listener=? (id=1) addr=127.0.0.1:51527\n"
    "  backend=be_q (id=7 mode=tcp)\n"
    "  server=<none> (id=0)\n"
    "  scf=0x7fb4bc047320 flags=0x00000000 state=EST endp=CONN,0x7fb4bc047230,0x028c0001 sub=1\n"
    "  scb=0x7fb4bc0478a0 flags=0x00000001 state=QUE endp=NONE,(nil),0x00000010 sub=0\n"
    "0x7fb4bc047f90: [23/Nov/2026:15:15:40.895389] id=8 proto=tcpv4 source=127.0.0.1:51108\n"
    "  flags=0x8, conn_retries=2, conn_exp=0s conn_et=0x010 srv_conn=(nil), pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=rw (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:35329\n"
    "  backend=be_rw (id=3 mode=tcp)\n"
    "  server=primary (id=1)\n"
    "  scf=0x7fb4bc047f20 flags=0x00000200 state=EST endp=CONN,0x7fb4bc048450,0x028c0001 sub=1\n"
    "  scb=0x7fb4bc0484a0 flags=0x00000001 state=TAR endp=NONE,(nil),0x00000010 sub=0\n"
    "0x7fb4bc048af0: [23/Nov/2026:15:15:42.096013] id=9 proto=unix_stream source=unix:1\n"
    "  flags=0x8, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=(nil), pend_pos=(nil) waiting=0 epoch=0\n"
    "  frontend=GLOBAL (id=0 mode=tcp), listener=? (id=1) addr=unix:1\n"
    "  backend=<NONE> (id=-1 mode=-)\n"
    "  server=<NONE> (id=-1)\n"
    "  scf=0x7fb4bc048890 flags=0x00000200 state=EST endp=CONN,0x7fb4bc048840,0x028c0001 sub=1\n"
    "  scb=0x7fb4bc048fb0 flags=0x00000001 state=EST endp=APPCTX,0x7fb4bc042200,0x02800002 sub=0\n"
    "\n";

/* Reads the text in pieces of `step` bytes. */
static bool read_in(const char *text, size_t len, size_t step, struct haproxy_expected *stays,
                    struct haproxy_sessions *sessions, struct err *err)
{
	struct haproxy_session_reader *reader = haproxy_session_reader_create(stays);

	*sessions = (struct haproxy_sessions){0};
	for (size_t at = 0, piece; at < len; at += piece) {
		piece = len - at < step ? len - at : step;
		if (!haproxy_session_reader_take(reader, text + at, piece, err)) {
			haproxy_session_reader_destroy(reader);
			return false;
		}
	}
	return haproxy_session_reader_end(reader, sessions, err);
}

static void describe(const char *text, size_t step, struct haproxy_expected *stays,
                     struct strbuf *out)
{
	struct haproxy_sessions sessions;
	struct err err;

	strbuf_reset(out);
	cr_assert(read_in(text, strlen(text), step, stays, &sessions, &err), "%s", err.message);
	for (size_t i = 0; i < sessions.count; i++)
		strbuf_printf(out, "0x%" PRIx64 " ", sessions.ids[i]);
	strbuf_printf(out, "+%zu", sessions.connecting);
	if (sessions.waiting > 0)
		strbuf_printf(out, " %zu waited", sessions.waiting);
	haproxy_sessions_free(&sessions);
}

/* The ids, blank-separated, and "+N" for those that are connecting. */
static void stale(const char *text, const char *backend, const char *server, const char *address,
                  uint16_t port, struct strbuf *out)
{
	struct haproxy_expected stays = {0};
	struct strbuf again = STRBUF_INIT;

	haproxy_expected_add(&stays, backend, server, address, port);
	describe(text, strlen(text), &stays, out);
	for (size_t step = 1; step < 100; step += 31) {
		describe(text, step, &stays, &again);
		cr_assert_str_eq(again.data, out->data, "in pieces of %zu", step);
	}
	haproxy_expected_free(&stays);
	strbuf_fini(&again);
}

Test(haproxy_sessions, only_those_established_elsewhere_are_stale)
{
	static const struct {
		const char *backend, *server, *address;
		uint16_t port;
		const char *stale;
	} cases[] = {
	    {"be_rw", "primary", "127.0.0.1", 39581, "0x561682b0e7d0 +0"},
	    {"be_rw", "primary", "127.0.0.1", 52789, "+1"},
	    {"be_rw", "primary", "127.0.0.2", 52789, "0x561682b0e7d0 +1"},
	    {"be_v6", "s6", "::1", 47659, "+0"},
	    {"be_v6", "s6", "::2", 47659, "0x7fb4bc039d80 +0"},
	    {"be_q", "one", "127.0.0.1", 52789, "+0"},
	    {"be_q", "one", "10.0.0.1", 5432, "0x7fb4bc046b70 +0"},
	    {"be_q", "primary", "10.0.0.1", 5432, "+0"},
	    {"be", "primary", "10.0.0.1", 5432, "+0"},
	    {"be_rw", "prim", "10.0.0.1", 5432, "+0"},
	    {"<NONE>", "<NONE>", "10.0.0.1", 5432, "+0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf out = STRBUF_INIT;

		stale(reply, cases[i].backend, cases[i].server, cases[i].address, cases[i].port,
		      &out);
		cr_expect_str_eq(out.data, cases[i].stale, "case %zu: %s", i, out.data);
		strbuf_fini(&out);
	}
}

Test(haproxy_sessions, the_form_of_2_4_is_read_too)
{
	struct strbuf out = STRBUF_INIT;

	stale("0x1: [x] id=1\n  backend=b (id=3 mode=tcp) addr=127.0.0.1:9\n"
	      "  server=s (id=1) addr=10.0.0.1:5432\n  si[0]=0x2 (state=EST flags=0x0)\n"
	      "  si[1]=0x3 (state=EST flags=0x0)\n"
	      "0x2: [x] id=1\n  backend=b (id=3 mode=tcp)\n"
	      "  server=s (id=1) addr=10.0.0.1:5432\n  si[0]=0x2 (state=EST flags=0x0)\n"
	      "  si[1]=0x3 (state=CLO flags=0x0)\n\n",
	      "b", "s", "10.0.0.2", 5432, &out);
	cr_assert_str_eq(out.data, "0x1 +0");
	strbuf_fini(&out);
}

Test(haproxy_sessions, ten_thousand_are_read)
{
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	size_t stale_count = 0;

	for (unsigned i = 1; i <= 10000; i++)
		strbuf_printf(&text,
		              "0x%x: [x] id=%u\n  backend=b (id=3 mode=tcp)\n"
		              "  server=s (id=1) addr=10.0.0.%u:5432\n"
		              "  scb=0x1 flags=0x1 state=EST endp=CONN\n",
		              i, i, i % 2);
	strbuf_append_char(&text, '\n');
	stale(text.data, "b", "s", "10.0.0.1", 5432, &out);
	for (const char *c = out.data; *c != '\0'; c++)
		stale_count += *c == ' ';
	cr_assert_eq(stale_count, 5000);
	strbuf_fini(&text);
	strbuf_fini(&out);
}

Test(haproxy_sessions, what_is_no_dump_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"Permission denied\n\n", "HAProxy answered \"Permission denied\""},
	    {"0x;shutdown: x\n\n", "answered"},
	    {"0x1\n\n", "answered"},
	    {"0x1: [x] id=1\n", "cut short"},
	    {"", "cut short"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct haproxy_expected none = {0};
		struct haproxy_sessions sessions;
		struct err err;

		cr_assert_not(
		    read_in(cases[i].text, strlen(cases[i].text), 7, &none, &sessions, &err));
		cr_expect(strstr(err.message, cases[i].error) != NULL, "%s", err.message);
		cr_expect_null(sessions.ids);
	}
}

/* Read once for each server, this takes minutes. */
Test(haproxy_sessions, hundreds_of_servers_are_one_pass)
{
	struct strbuf text = STRBUF_INIT;
	struct haproxy_expected stays = {0};
	struct haproxy_sessions sessions;
	struct err err;
	int64_t start;

	for (unsigned i = 0; i < 10000; i++)
		strbuf_printf(&text,
		              "0x%x: [x] id=%u\n  backend=b%u (id=3 mode=tcp)\n"
		              "  server=s (id=1) addr=10.0.0.1:5432\n"
		              "  scb=0x1 flags=0x1 state=EST endp=CONN\n",
		              i + 1, i, i % 1000);
	strbuf_append_char(&text, '\n');
	for (unsigned i = 1000; i-- > 0;) {
		auto_free char *backend = xasprintf("b%u", i);

		haproxy_expected_add(&stays, backend, "s", i == 7 ? NULL : "10.0.0.1",
		                     i == 3 ? 1 : 5432);
	}
	start = clock_now_ms();
	cr_assert(read_in(text.data, text.len, 16384, &stays, &sessions, &err), "%s", err.message);
	cr_assert_eq(sessions.count, 20, "ten of b3, which is elsewhere, ten of b7");
	cr_assert_lt(clock_now_ms() - start, 1000);
	haproxy_sessions_free(&sessions);
	haproxy_expected_free(&stays);
	strbuf_fini(&text);
}

/* An old worker's servers, as `show servers state` says; the end is where backend is NULL. */
struct row {
	const char *backend, *name, *address;
	uint16_t port;
	unsigned admin;
};

static void judge(struct haproxy_expected *stays, const struct row *rows)
{
	struct haproxy_live_server servers[4];
	struct haproxy_live live = {servers, 0};

	for (; rows->backend != NULL; rows++)
		servers[live.count++] =
		    (struct haproxy_live_server){.backend = (char *)rows->backend,
		                                 .name = (char *)rows->name,
		                                 .address = (char *)rows->address,
		                                 .port = rows->port,
		                                 .admin = rows->admin};
	haproxy_expected_judge(stays, &live);
}

Test(haproxy_sessions, who_waits_in_an_old_worker_that_leads_nowhere_right_is_told_to_end)
{
	static const struct {
		struct row rows[4];
		const char *stale;
	} cases[] = {
	    {{{"be_rw", "primary", "127.0.0.1", 1, 0}},
	     "0x561682b0e7d0 0x561682c39660 0x7fb4bc047f90 +0 2 waited"},
	    {{{"be_rw", "primary", "10.0.0.9", 5432, 0}}, "0x561682b0e7d0 +1"}, /* right */
	    {{{"be_rw", "primary", "127.0.0.1", 1, 0}, {"be_rw", "r1", "10.0.0.2", 5432, 0}},
	     "0x561682b0e7d0 +1"},
	    {{{"be_rw", "primary", "127.0.0.1", 1, 0}, {"be_rw", "r1", "10.0.0.2", 5432, 1}},
	     "0x561682b0e7d0 0x561682c39660 0x7fb4bc047f90 +0 2 waited"},
	    {{{"be_rw", "primary", "127.0.0.1", 1, 1}}, "0x561682b0e7d0 +1"}, /* nobody waits */
	    {{{"be_q", "other", "127.0.0.1", 1, 0}}, "0x561682b0e7d0 +1"},    /* not ours */
	    {{{"be_q", "one", "127.0.0.1", 1, 0}}, "0x561682b0e7d0 0x7fb4bc047390 +1 1 waited"},
	    {{{0}}, "0x561682b0e7d0 +1"},
	};
	struct haproxy_expected stays = {0};
	struct strbuf out = STRBUF_INIT;

	haproxy_expected_add(&stays, "be_rw", "r1", "10.0.0.2", 5432);
	haproxy_expected_add(&stays, "be_q", "one", "127.0.0.1", 52789);
	haproxy_expected_add(&stays, "be_rw", "primary", "10.0.0.9", 5432);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		judge(&stays, cases[i].rows);
		describe(reply, 50, &stays, &out);
		cr_expect_str_eq(out.data, cases[i].stale, "case %zu: %s", i, out.data);
	}
	haproxy_expected_judge(&stays, NULL);
	describe(reply, 50, &stays, &out);
	cr_expect_str_eq(out.data, "0x561682b0e7d0 +1", "the current worker: %s", out.data);
	haproxy_expected_free(&stays);
	strbuf_fini(&out);
}

Test(haproxy_sessions, of_very_many_a_slice_is_named)
{
	struct haproxy_expected stays = {0};
	struct haproxy_sessions sessions;
	struct haproxy_session_reader *reader;
	struct err err;

	haproxy_expected_add(&stays, "b", "s", NULL, 0);
	reader = haproxy_session_reader_create(&stays);
	for (unsigned i = 1; i <= HAPROXY_SESSIONS_MAX + 10; i++) {
		auto_free char *text = xasprintf("0x%x: [x]\n  backend=b (id=3)\n  server=s (id=1) "
		                                 "addr=10.0.0.1:5\n  scb=0x1 state=EST\n",
		                                 i);

		cr_assert(haproxy_session_reader_take(reader, text, strlen(text), &err));
	}
	cr_assert(haproxy_session_reader_take(reader, "\n", 1, &err));
	cr_assert(haproxy_session_reader_end(reader, &sessions, &err));
	cr_expect_eq(sessions.count, HAPROXY_SESSIONS_MAX);
	cr_expect(sessions.more);
	haproxy_sessions_free(&sessions);
	haproxy_expected_free(&stays);
}

Test(haproxy_sessions, a_line_without_end_is_refused)
{
	struct haproxy_expected none = {0};
	struct haproxy_session_reader *reader = haproxy_session_reader_create(&none);
	char piece[1000];
	struct err err;
	int i = 0;

	memset(piece, 'x', sizeof(piece));
	while (i < 100 && haproxy_session_reader_take(reader, piece, sizeof(piece), &err))
		i++;
	cr_expect_lt(i, 20);
	haproxy_session_reader_destroy(reader);
}
