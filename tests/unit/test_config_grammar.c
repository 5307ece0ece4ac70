/* Grammars of values in segue.ini, with libpq as the judge of connection strings. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "config/grammar.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool libpq_takes(const char *text)
{
	PQconninfoOption *options = PQconninfoParse(text, NULL);
	bool taken = options != NULL;

	PQconninfoFree(options);
	return taken;
}

static void expect_all(bool (*grammar)(const char *text), const char *const *texts, size_t count,
                       bool taken)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(grammar(texts[i]), taken, "%s: %s", taken ? "refused" : "taken",
		             texts[i]);
}

Test(config_grammar, connection_strings_are_what_libpq_takes)
{
	static const char *const texts[] = {
	    "user=segue dbname=postgres connect_timeout=2",
	    "host = 10.0.0.1  port =5432 ",
	    "password='it\\'s a secret' user=x",
	    "password=a\\ b user=x",
	    "password='' user=x",
	    "user=a'b",
	    "host=a,b port=1,2",
	    "postgresql://u:p@h:5432/db?sslmode=require",
	    "postgres://h",
	    "user",
	    "user x",
	    "user='x",
	    "password='x\\'",
	    "=x",
	    "user=x dbname",
	    "user=x,",
	    "User=x",
	    "http://h",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		cr_expect_eq(grammar_conninfo(texts[i]), libpq_takes(texts[i]), "%s", texts[i]);
}

Test(config_grammar, lists_of_connection_strings)
{
	static const char *const good[] = {
	    "host=a",
	    "host=a port=1, host=b port=2",
	    "host='a, b',postgresql://h:1/x , user=c",
	};
	static const char *const bad[] = {"", ",", "host=a,", ",host=a", "host=a,,host=b", "a,b"};

	expect_all(grammar_conninfos, good, COUNT(good), true);
	expect_all(grammar_conninfos, bad, COUNT(bad), false);
}

Test(config_grammar, commands)
{
	static const char *const good[] = {"x", "a 'b c' \"d\\\" e\" f\\ g", "x '\\'", "''"};
	static const char *const bad[] = {"", "  ", "'", "x \"y\\\"", "x \\"};

	expect_all(grammar_command, good, COUNT(good), true);
	expect_all(grammar_command, bad, COUNT(bad), false);
}

Test(config_grammar, host_and_port)
{
	char *host = NULL;
	uint16_t port = 0;

	cr_assert(grammar_host_port("[fe80::1]:65535", &host, &port));
	cr_expect_str_eq(host, "fe80::1");
	cr_expect_eq(port, 65535);
	free(host);
	for (size_t i = 0; i < 8; i++) {
		static const char *const bad[] = {"a",   "a:",    ":1",    "a:1x",
		                                  "a:0", "[a]:1", "::1:1", "1.2.3:4"};

		cr_expect_not(grammar_host_port(bad[i], NULL, NULL), "taken: %s", bad[i]);
	}
}

Test(config_grammar, durations)
{
	int64_t ms = 0;

	cr_expect(grammar_duration("250ms", &ms) && ms == 250);
	cr_expect(grammar_duration("2h", &ms) && ms == 7200000);
	cr_expect(grammar_duration("999999999999h", &ms) && ms == 3599999999996400000);
	cr_expect_not(grammar_duration("1000000000000h", &ms), "would overflow before long");
	cr_expect_not(grammar_duration("1.5s", &ms));
	cr_expect_not(grammar_duration("5 s", &ms));
	cr_expect_not(grammar_duration("s", &ms));
}
