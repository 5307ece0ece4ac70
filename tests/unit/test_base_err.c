/* Errors, clocks and small helpers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

Test(base_err, set_returns_false_and_keeps_the_message)
{
	struct err err;

	cr_assert_not(err_set(&err, "port %d", 0));
	cr_assert_str_eq(err.message, "port 0");
	cr_assert_not(err_set_errno(&err, ENOENT, "%s", "/x"));
	cr_assert_str_eq(err.message, "/x: No such file or directory");
}

Test(base_err, wrap_puts_context_in_front)
{
	struct err err;

	err_set(&err, "inner");
	cr_assert_not(err_wrap(&err, "middle %d", 1));
	cr_assert_not(err_wrap(&err, "outer"));
	cr_assert_str_eq(err.message, "outer: middle 1: inner");
}

Test(base_err, a_line_is_a_value_and_no_words)
{
	struct err err;

	err_set(&err, "line of sight: lost");
	cr_assert_eq(err.line, 0);
	cr_assert_not(err_at_line(&err, 7));
	cr_assert_str_eq(err.message, "line 7: line of sight: lost");
	cr_assert_eq(err.line, 7);
	err_wrap(&err, "a.cfg");
	cr_assert_eq(err.line, 0, "the message does not begin with it any more");
	err_at_line(&err, 7);
	err_set_errno(&err, ENOENT, "a.cfg");
	cr_assert_eq(err.line, 0);
}

Test(base_err, long_messages_are_cut_and_terminated)
{
	char text[2 * ERR_MAX] = {0};
	struct err err;

	memset(text, 'x', sizeof(text) - 1);
	err_set(&err, "%s", text);
	cr_assert_eq(strlen(err.message), ERR_MAX - 1);
	err_wrap(&err, "context");
	cr_assert_eq(strlen(err.message), ERR_MAX - 1);
	cr_assert_eq(strncmp(err.message, "context: xxx", 12), 0);
	err_wrap(&err, "%s", text);
	cr_assert_eq(strlen(err.message), ERR_MAX - 1);
	err_set_errno(&err, ENOENT, "%s", text);
	cr_assert_eq(strlen(err.message), ERR_MAX - 1);
}

Test(base_clock, the_first_retry_is_immediate_then_delays_double_to_the_bound)
{
	static const int64_t expected[] = {0, 100, 200, 400, 800, 1000, 1000};

	for (int round = 0; round < 200; round++)
		for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
			int64_t got = clock_backoff_ms(i, 100, 1000);

			cr_assert_geq(got, expected[i] * 4 / 5);
			cr_assert_leq(got, expected[i] * 6 / 5);
		}
}

Test(base_clock, extreme_back_offs_end_soon_and_stay_bounded)
{
	cr_assert_leq(clock_backoff_ms(UINT32_MAX, 1, 60000), 72000);
	cr_assert_geq(clock_backoff_ms(UINT32_MAX, 1, 60000), 48000);
	cr_assert_eq(clock_backoff_ms(UINT32_MAX, 0, 60000), 0);
	cr_assert_leq(clock_backoff_ms(3, 5000, 1000), 1200);
}

Test(base_clock, jitter_spreads_within_a_fifth)
{
	int64_t low = INT64_MAX, high = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t got = clock_jitter_ms(1000);

		low = got < low ? got : low;
		high = got > high ? got : high;
	}
	cr_assert(low >= 800 && low < 850, "%lld", (long long)low);
	cr_assert(high <= 1200 && high > 1150, "%lld", (long long)high);
	cr_assert_eq(clock_jitter_ms(0), 0);
	cr_assert_eq(clock_jitter_ms(1), 1);
}

Test(base_clock, time_goes_on_in_its_units)
{
	char wall[CLOCK_WALL_MAX];
	int64_t us = clock_now_us(), ms = clock_now_ms();

	cr_assert_geq(ms, us / 1000);
	cr_assert_lt(ms, us / 1000 + 10000);
	clock_wall(wall, sizeof(wall));
	cr_assert_eq(strlen(wall), CLOCK_WALL_MAX - 1);
	cr_assert_eq(strncmp(wall, "20", 2), 0);
	cr_assert(wall[10] == 'T' && wall[19] == '.' && wall[26] == 'Z', "%s", wall);
}

Test(base_util, a_stolen_pointer_is_not_freed)
{
	char *kept;
	{
		auto_free char *text = xstrdup("kept");

		kept = STEAL(text);
		cr_assert_null(text);
	}
	cr_assert_str_eq(kept, "kept");
	free(kept);
}

Test(base_util, auto_close_closes)
{
	int number;
	{
		auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		cr_assert_geq(fd, 0);
		number = fd;
	}
	cr_assert_eq(fcntl(number, F_GETFD), -1);
	cr_assert_eq(errno, EBADF);
}

Test(base_util, empty_allocations_are_allocations)
{
	auto_free char *none = xcalloc(0, 0);
	auto_free char *again = xreallocarray(NULL, 0, 8);
	auto_free char *cut = xstrndup("abc", 2);
	auto_free char *made = xasprintf("%s-%d", "a", 1);

	cr_assert_not_null(none);
	cr_assert_not_null(again);
	cr_assert_str_eq(cut, "ab");
	cr_assert_str_eq(made, "a-1");
}
