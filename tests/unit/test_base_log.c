/* The log: hostile values stay inside their line and their quotes, in every format. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

#define HOSTILE "a\"b\\c\nd\re\tf\x01\x1b[2J\x7f\xff="

static int sink = -1; /* takes the place of stderr: each test is a process */

static void setup(void)
{
	sink = memfd_create("stderr", 0);
	cr_assert_geq(sink, 0);
	cr_assert_geq(dup2(sink, STDERR_FILENO), 0);
}

TestSuite(base_log, .init = setup);

/* What was written since the last call; caller frees. */
static char *written(void)
{
	off_t size = lseek(sink, 0, SEEK_END);
	char *text = xcalloc((size_t)size + 1, 1);

	cr_assert_eq(pread(sink, text, (size_t)size, 0), size);
	cr_assert_eq(ftruncate(sink, 0), 0);
	lseek(STDERR_FILENO, 0, SEEK_SET);
	return text;
}

static void expect_line(const char *after_time)
{
	auto_free char *text = written();

	cr_assert_gt(strlen(text), 27);
	cr_assert_eq(text[26], 'Z', "%s", text);
	cr_assert_str_eq(text + 27, after_time);
}

Test(base_log, text_is_key_value)
{
	log_configure(LOG_DEBUG, LOG_TEXT);
	log_info("moved", KV_STR("target", "local"), KV_INT("zxid", INT64_MIN),
	         KV_MS("took", 1234567), KV_STR("left_out", NULL), KV_STR("empty", ""));
	expect_line(" level=info event=moved target=local zxid=-9223372036854775808 took=1234.567 "
	            "empty=\"\"\n");
	log_debug("blank", KV_STR("v", "a b"));
	expect_line(" level=debug event=blank v=\"a b\"\n");
}

/* "2026-11-23T11:07:25.123456Z" as microseconds since 1970. */
static int64_t wall_us(const char *text)
{
	struct tm utc = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S.", &utc);

	cr_assert_not_null(rest, "no time: %s", text);
	return (int64_t)timegm(&utc) * 1000000 + strtol(rest, NULL, 10);
}

Test(base_log, a_moment_is_shown_by_the_wall_clock)
{
	const int64_t hour_us = 3600LL * 1000000;
	auto_free char *text = NULL;
	const char *at;
	int64_t ago_us;

	log_configure(LOG_INFO, LOG_TEXT);
	log_info("e", KV_TIME("never", 0), KV_TIME("at", clock_now_us() - hour_us));
	text = written();
	cr_assert_null(strstr(text, "never"), "%s", text);
	at = strstr(text, " at=");
	cr_assert_not_null(at, "%s", text);
	ago_us = wall_us(text) - wall_us(at + 4);
	cr_assert(ago_us > hour_us - 1000000 && ago_us < hour_us + 1000000, "%s", text);
}

Test(base_log, text_escapes_hostile_values)
{
	log_configure(LOG_INFO, LOG_TEXT);
	log_error("refused", KV_STR("v", HOSTILE));
	expect_line(" level=error event=refused "
	            "v=\"a\\\"b\\\\c\\nd\\re\\tf\\x01\\x1b[2J\\x7f\\xff=\"\n");
}

Test(base_log, journal_lines_carry_priorities)
{
	static const struct {
		enum log_level level;
		const char *line;
	} rows[] = {{LOG_DEBUG, "<7>event=e v=\"x\\ny\"\n"},
	            {LOG_INFO, "<6>event=e v=\"x\\ny\"\n"},
	            {LOG_WARNING, "<4>event=e v=\"x\\ny\"\n"},
	            {LOG_ERROR, "<3>event=e v=\"x\\ny\"\n"}};

	log_configure(LOG_DEBUG, LOG_JOURNAL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = NULL;

		LOG_EMIT(rows[i].level, "e", KV_STR("v", "x\ny"));
		text = written();
		cr_assert_str_eq(text, rows[i].line);
	}
}

Test(base_log, json_is_json_whatever_the_value)
{
	auto_free char *text = NULL;
	json_auto_t *json = NULL;

	log_configure(LOG_INFO, LOG_JSON);
	log_warning("refused", KV_STR("v", HOSTILE), KV_INT("n", -5), KV_MS("ms", 1005),
	            KV_STR("left_out", NULL));
	text = written();
	cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "one line: %s", text);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(json, "%s", text);
	cr_assert_str_eq(json_string_value(json_object_get(json, "event")), "refused");
	cr_assert_str_eq(json_string_value(json_object_get(json, "level")), "warning");
	cr_assert_str_eq(json_string_value(json_object_get(json, "v")),
	                 "a\"b\\c\nd\re\tf\x01\x1b[2J\x7f\xc3\xbf=");
	cr_assert_eq(json_integer_value(json_object_get(json, "n")), -5);
	cr_assert_float_eq(json_real_value(json_object_get(json, "ms")), 1.005, 1e-9);
	cr_assert_eq(json_object_size(json), 6);
}

Test(base_log, milliseconds_below_zero_are_numbers_too)
{
	log_configure(LOG_INFO, LOG_TEXT);
	log_info("e", KV_MS("a", -5), KV_MS("b", -1500), KV_MS("c", 0), KV_MS("d", INT64_MIN));
	expect_line(" level=info event=e a=-0.005 b=-1.500 c=0.000 d=-9223372036854775.808\n");
}

static void expect_cut(enum log_format format)
{
	char value[5001] = {0};
	auto_free char *text = NULL;

	memset(value, 'x', sizeof(value) - 1);
	value[0] = ' ';
	log_configure(LOG_INFO, format);
	log_info("e", KV_STR("v", value));
	text = written();
	cr_assert_lt(strlen(text), 4300);
	cr_assert_not_null(strstr(text, "xxx...(5000 bytes)\""), "%s", text);
}

Test(base_log, long_values_are_cut_and_say_so)
{
	expect_cut(LOG_TEXT);
	expect_cut(LOG_JSON);
	expect_cut(LOG_JOURNAL);
}

Test(base_log, lines_below_the_level_are_not_written)
{
	auto_free char *text = NULL;

	log_configure(LOG_WARNING, LOG_TEXT);
	log_debug("no", KV_INT("n", 1));
	log_info("no", KV_INT("n", 1));
	text = written();
	cr_assert_str_eq(text, "");
	log_warning("yes", KV_INT("n", 1));
	expect_line(" level=warning event=yes n=1\n");
}

static void count_call(void *arg)
{
	int *calls = arg;

	(*calls)++;
}

Test(base_log, deferred_lines_wait_and_ask_once)
{
	int calls = 0;
	auto_free char *before = NULL;

	log_configure(LOG_INFO, LOG_JOURNAL);
	log_set_deferred(count_call, &calls);
	log_info("one", KV_INT("n", 1));
	log_info("two", KV_INT("n", 2));
	before = written();
	cr_assert_str_eq(before, "");
	cr_assert_eq(calls, 1);
	log_flush();
	{
		auto_free char *after = written();

		cr_assert_str_eq(after, "<6>event=one n=1\n<6>event=two n=2\n");
	}
	log_info("three", KV_INT("n", 3));
	cr_assert_eq(calls, 2);
	log_set_deferred(NULL, NULL);
	{
		auto_free char *after = written();

		cr_assert_str_eq(after, "<6>event=three n=3\n");
	}
}

Test(base_log, waiting_lines_are_bounded)
{
	int calls = 0;
	char value[4001] = {0};
	auto_free char *text = NULL;

	memset(value, 'x', sizeof(value) - 1);
	log_configure(LOG_INFO, LOG_TEXT);
	log_set_deferred(count_call, &calls);
	for (int i = 0; i < 100; i++)
		log_info("e", KV_STR("v", value));
	text = written();
	cr_assert_gt(strlen(text), 200000, "nothing left before the loop was idle");
}

Test(base_log, a_closed_stderr_is_survived)
{
	log_configure(LOG_INFO, LOG_TEXT);
	close(STDERR_FILENO);
	log_info("e", KV_INT("n", 1));
	cr_assert_eq(dup2(sink, STDERR_FILENO), STDERR_FILENO);
	log_info("f", KV_INT("n", 2));
	expect_line(" level=info event=f n=2\n");
}

/* What the pipe holds now. */
static size_t drain(int fd, char *to)
{
	size_t len = 0;
	ssize_t got;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((got = read(fd, to + len, 4096)) > 0)
		len += (size_t)got;
	return len;
}

/* Writes more than pipe and memory hold, while nobody reads. */
Test(base_log, a_sink_that_nobody_reads_costs_lines_and_never_blocks)
{
	static char text[1 << 20];
	size_t len = 0;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
	close(fds[1]);
	log_configure(LOG_INFO, LOG_TEXT);
	for (int i = 0; i < 10000; i++)
		log_info("line", KV_INT("n", i));
	cr_assert_not(log_flush());
	while (!log_flush())
		len += drain(fds[0], text + len);
	len += drain(fds[0], text + len);
	log_info("last", KV_INT("n", 1));
	drain(fds[0], text + len);
	cr_assert_not_null(strstr(text, "event=line n=0\n"));
	cr_assert_null(strstr(text, "event=line n=9999\n"));
	cr_assert_not_null(strstr(text, "event=log_dropped lines="));
	cr_assert_not_null(strstr(text, "event=last n=1\n"));
}
