/* Our parser of connection strings against libpq's: whatever libpq takes for one TCP server, we
 * take for the same; what libpq refuses for its syntax, we refuse. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout_fields.h"

struct expected {
	bool ok;
	const char *host, *hostaddr, *port;
};

static void pick(struct expected *expected, const PQconninfoOption *options)
{
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		const char *value = o->val != NULL ? o->val : "";

		if (strcmp(o->keyword, "host") == 0)
			expected->host = value;
		else if (strcmp(o->keyword, "hostaddr") == 0)
			expected->hostaddr = value;
		else if (strcmp(o->keyword, "port") == 0)
			expected->port = value;
	}
}

static bool parse_ours(const char *text, struct conninfo *ours)
{
	struct err err;

	return conninfo_parse(text, false, ours, &err);
}

/* Where we differ on purpose: an unknown keyword may be one of a later libpq; a list of hosts, and
 * brackets around something else than an IPv6 address, are not one server. */
static bool differs_on_purpose(const char *text, const char *problem)
{
	if (problem != NULL)
		return strstr(problem, "invalid connection option") != NULL ||
		       strstr(problem, "invalid URI query parameter") != NULL;
	return conninfo_is_uri(text) && strpbrk(text, "[,") != NULL;
}

static void compare(const char *text)
{
	auto_conninfo struct conninfo ours = CONNINFO_INIT;
	char *problem = NULL;
	PQconninfoOption *options = PQconninfoParse(text, &problem);
	struct expected expected = {.ok = options != NULL};
	bool ok = parse_ours(text, &ours);

	pick(&expected, options);
	cr_assert(ok == expected.ok || differs_on_purpose(text, problem), "libpq %s, we %s: %s: %s",
	          expected.ok ? "takes" : "refuses", ok ? "take" : "refuse", text,
	          problem != NULL ? problem : "");
	if (ok && expected.ok) {
		cr_assert_str_eq(ours.host.data, expected.host, "%s", text);
		cr_assert_str_eq(ours.hostaddr.data, expected.hostaddr, "%s", text);
		cr_assert_str_eq(ours.port.data, expected.port, "%s", text);
	}
	PQconninfoFree(options);
	PQfreemem(problem);
}

Test(layout_libpq, agrees_on_these)
{
	static const char *const texts[] = {
	    "host=a",
	    "host = a  port =  1",
	    "host=a\\ b port=1",
	    "host=a\\",
	    "host='a\\'b'port='1'",
	    "host='' port=",
	    "host=a host=b",
	    "host",
	    "host a",
	    "host=a user",
	    "host='a",
	    "host='a\\'",
	    "host=a'b'",
	    "hostaddr=1.2.3.4\thost=x\nport=2\v",
	    "password=p\\=q'r host=h",
	    "postgres://",
	    "postgresql://h",
	    "postgres://u@h",
	    "postgres://u:p@h:1/d",
	    "postgres://u:p:q@h:1/d?port=2",
	    "postgres://:p@h",
	    "postgres://u:p%4@h",
	    "postgres://u:p%40@h",
	    "postgres://u/p@h",
	    "postgres://[::1]:5/d",
	    "postgres://[::1",
	    "postgres://[::1]5",
	    "postgres://h:/",
	    "postgres://h?",
	    "postgres://h/?host=x&hostaddr=1.2.3.4",
	    "postgres://h/d?port",
	    "postgres://h/d?port=1=2",
	    "postgres://h/d?port=1&",
	    "postgres://h/%",
	    "postgres://h/d%20e?p%6frt=3",
	    "postgres://%2Fvar%2Frun/d",
	    "postgres://a%00b",
	    "postgres://h?user=a@b",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		compare(texts[i]);
}

/* Random texts over the bytes that mean something; the same ones in every run. */
static void random_text(unsigned *seed, const char *start, const char *const *pieces,
                        size_t piece_count, struct strbuf *out)
{
	strbuf_reset(out);
	strbuf_append_str(out, start);
	for (int i = rand_r(seed) % 12; i > 0; i--)
		strbuf_append_str(out, pieces[(size_t)rand_r(seed) % piece_count]);
}

Test(layout_libpq, agrees_on_random_connection_strings)
{
	static const char *const pieces[] = {"host", "port", "user", "=",  "=",  "=", " ",
	                                     " ",    "'",    "'",    "\\", "\n", "a", "1.2"};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		random_text(&seed, "host=", pieces, ARRAY_LEN(pieces), &text);
		compare(text.data);
	}
}

Test(layout_libpq, agrees_on_random_uris)
{
	static const char *const pieces[] = {"host", "port", "user", "=", "?",  "&", "/", "@", ":",
	                                     "[",    "]",    "::1",  "%", "%4", "1", "a", ","};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	unsigned seed = 2;

	for (int i = 0; i < 20000; i++) {
		random_text(&seed, "postgres://", pieces, ARRAY_LEN(pieces), &text);
		compare(text.data);
	}
}
