/* The names of the endpoint: whose Host header is answered. */
#include <criterion/criterion.h>

#include "base/util.h"
#include "sidecar/report/endpoint_internal.h"

static const char names[] = "proxy1,status.example.org,.db.example,";

Test(report_listen, addresses_localhost_and_listed_names_are_allowed)
{
	static const char *const fine[] = {
	    "",
	    "127.0.0.1",
	    "10.0.0.7:8432",
	    "[::1]",
	    "[fd00::1]:8432",
	    "localhost",
	    "LOCALHOST.:8432",
	    "proxy1:9187",
	    "Status.Example.org",
	    "status.example.org.",
	    "db.example",
	    "a.b.DB.example:80",
	};

	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		cr_expect(host_is_allowed(fine[i], names), "%s", fine[i]);
}

Test(report_listen, what_a_stranger_may_own_is_refused)
{
	static const char *const wrong[] = {
	    "evil.example",
	    "evil.example:8432",
	    "proxy1.evil.example",
	    "localhost.evil.example",
	    "127.0.0.1.evil.example",
	    "notdb.example",
	    ".db.example",
	    "example.org",
	    "127.1",
	    "0x7f000001",
	    "[127.0.0.1]",
	    "[proxy1]",
	    "[::1",
	    "[::1]x",
	    "proxy1:80:80",
	    "proxy1:evil",
	    "proxy1@evil.example",
	    "proxy1,status.example.org",
	    ".",
	    ":80",
	    ",",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		cr_expect_not(host_is_allowed(wrong[i], names), "%s", wrong[i]);
	cr_expect_not(host_is_allowed("proxy1", ""));
}
