/* Prometheus' text, to the byte. */
#include <criterion/criterion.h>

#include "base/util.h"
#include "report/metrics.h"

static void expect(struct strbuf *out, const char *text)
{
	cr_assert_str_eq(out->data, text);
	strbuf_fini(out);
}

Test(metrics, a_family_has_its_help_and_type_once)
{
	struct strbuf out = STRBUF_INIT;

	metrics_family(&out, "segue_up", "gauge", "1: it runs.");
	metrics_sample(&out, "segue_up", NULL, 0, 1);
	expect(&out, "# HELP segue_up 1: it runs.\n# TYPE segue_up gauge\nsegue_up 1\n");
}

Test(metrics, integers_are_exact_and_the_rest_is_a_decimal)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "x 0\n"},
	             {-17, "x -17\n"},
	             {4294967301.0, "x 4294967301\n"},
	             {9007199254740992.0, "x 9007199254740992\n"},
	             {0.25, "x 0.25\n"},
	             {1700000000.125, "x 1700000000.12\n"},
	             {1e300, "x 1e+300\n"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf out = STRBUF_INIT;

		metrics_sample(&out, "x", NULL, 0, cases[i].value);
		expect(&out, cases[i].text);
	}
}

Test(metrics, labels_are_escaped)
{
	const struct metrics_label labels[] = {{"name", "a\"b\\c\nd"}, {"other", "{},="}};
	struct strbuf out = STRBUF_INIT;

	metrics_sample(&out, "x", labels, ARRAY_LEN(labels), 2);
	expect(&out, "x{name=\"a\\\"b\\\\c\\nd\",other=\"{},=\"} 2\n");
}

Test(metrics, what_is_no_utf8_becomes_a_question_mark)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
	    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98"},
	    {"a\x80\xff"
	     "b",
	     "a??b"},
	    {"\xc0\xaf", "??"},           /* overlong */
	    {"\xe0\x80\xaf", "???"},      /* overlong */
	    {"\xed\xa0\x80", "???"},      /* a surrogate */
	    {"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
	    {"cut \xe2\x82", "cut ??"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *wanted = xasprintf("x{n=\"%s\"} 1\n", cases[i].text);
		struct strbuf out = STRBUF_INIT;

		metrics_sample(&out, "x", &(const struct metrics_label){"n", cases[i].value}, 1, 1);
		expect(&out, wanted);
	}
}

Test(metrics, a_histogram_is_cumulative_and_in_seconds)
{
	const int64_t bounds[] = {500, 1000, 30000000};
	const uint64_t counts[] = {2, 0, 3, 1};
	const struct metrics_histogram histogram = {
	    .bounds_us = bounds, .counts = counts, .bound_count = 3, .sum_us = 40500500};
	struct strbuf out = STRBUF_INIT;

	metrics_histogram(&out, "x_seconds", &(const struct metrics_label){"kind", "haproxy"}, 1,
	                  &histogram);
	expect(&out, "x_seconds_bucket{kind=\"haproxy\",le=\"0.0005\"} 2\n"
	             "x_seconds_bucket{kind=\"haproxy\",le=\"0.001\"} 2\n"
	             "x_seconds_bucket{kind=\"haproxy\",le=\"30\"} 5\n"
	             "x_seconds_bucket{kind=\"haproxy\",le=\"+Inf\"} 6\n"
	             "x_seconds_sum{kind=\"haproxy\"} 40.5005\n"
	             "x_seconds_count{kind=\"haproxy\"} 6\n");
}
