/* What failures and answers say of a server, on texts as libpq 15 was seen to write them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "postgres/classify.h"
#include "postgres/question.h"

#define AT "connection to server at \"10.0.0.1\", port 5432 failed: "

static struct connect_failure of(const char *message, bool spoke)
{
	const struct classify_failure failure = {
	    .message = message, .started = true, .spoke = spoke};
	struct connect_failure verdict;

	classify_failure(&failure, &verdict);
	return verdict;
}

Test(classify, a_sqlstate_decides_in_any_language)
{
	static const struct {
		const char *text;
		enum server_class class;
	} rows[] = {
	    {"FATAL:  57P03: the database system is starting up\n", SERVER_STARTING},
	    {"FATAL:  57P03: the database system is shutting down\n", SERVER_STARTING},
	    {"FATAL:  57P01: terminating connection due to administrator command\n",
	     SERVER_STARTING},
	    {"SCHWERWIEGEND:  57P03: das Datenbanksystem startet\n", SERVER_STARTING},
	    {"FATAL:  53300: sorry, too many clients already\n", SERVER_FULL},
	    {"FATAL:  53300: remaining connection slots are reserved for\n", SERVER_FULL},
	    {"FATAL:  53200: out of memory\n", SERVER_FAULTY},
	    {"FATAL:  28P01: password authentication failed for user \"segue\"\n", SERVER_DENIED},
	    {"FATAL:  28000: no pg_hba.conf entry for host\n", SERVER_DENIED},
	    {"FATAL:  3D000: database \"x:  57P03: \" does not exist\n", SERVER_DENIED},
	    {"FATAL:  42501: permission denied for database\n", SERVER_DENIED},
	    {"FATAL:  55000: database \"x\" is not currently accepting connections\n",
	     SERVER_DENIED},
	    {"FATAL:  58P01: could not open file \"global/pg_filenode.map\"\n", SERVER_FAULTY},
	    {"FATAL:  XX000: what nobody expects\n", SERVER_FAULTY},
	    {"FATAL:  08P01: server login has been failing\n", SERVER_FAULTY},
	};
	char message[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(message, sizeof(message), AT "%sLOCATION:  x, y.c:1\n", rows[i].text);
		for (int spoke = 0; spoke < 2; spoke++) {
			cr_expect_eq(of(message, spoke).class, rows[i].class, "%s", rows[i].text);
			cr_expect_not(of(message, spoke).cut);
		}
	}
}

Test(classify, an_error_of_a_question_speaks_of_the_server_only_where_that_is_broken)
{
	static const struct {
		const char *sqlstate;
		enum server_class class;
	} rows[] = {{"58P01", SERVER_FAULTY}, {"53100", SERVER_FAULTY}, {"XX001", SERVER_FAULTY},
	            {"53300", SERVER_FULL},   {"42501", SERVER_DENIED}, {"57P01", SERVER_STARTING},
	            {"0A000", SERVER_OTHER},  {"57014", SERVER_OTHER}};
	struct connect_failure verdict;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		classify_error(rows[i].sqlstate, "words", &verdict);
		cr_expect_eq(verdict.class, rows[i].class, "%s", rows[i].sqlstate);
	}
}

Test(classify, the_problem_is_one_line_with_the_sqlstate)
{
	struct connect_failure verdict =
	    of(AT "FATAL:  28000: no entry for \"\xc3\xbc\"\nLOCATION: x\n", true);

	cr_expect_str_eq(verdict.problem, "no entry for \"??\" (SQLSTATE 28000)");
	cr_expect_str_eq(of(AT "Connection refused\n\tIs the server running?\n", false).problem,
	                 "Connection refused");
}

Test(classify, what_connect_says_is_a_refusal)
{
	static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL};
	char message[256];

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(message, sizeof(message), AT "%s\n\tIs the server running?\n",
		         strerror(errors[i]));
		cr_expect_eq(of(message, false).class, SERVER_REFUSED, "%s", message);
		cr_expect_not(of(message, false).cut);
	}
	cr_expect_eq(of(AT "Connection timed out\n", false).class, SERVER_TIMED_OUT);
}

Test(classify, hanging_up_without_a_word_is_cut)
{
	const char *message = AT "server closed the connection unexpectedly\n\tThis probably\n";

	cr_expect(of(message, false).cut);
	cr_expect_eq(of(message, false).class, SERVER_REFUSED);
	cr_expect_eq(of(AT "server does not support SSL, but SSL was required\n", true).class,
	             SERVER_OTHER);
	cr_expect_not(of(AT "server does not support SSL, but SSL was required\n", true).cut);
}

Test(classify, a_conninfo_that_libpq_refuses_is_no_refusal_of_the_server)
{
	const struct classify_failure failure = {.message = "invalid connection option \"usr\"\n"};
	struct connect_failure verdict;

	classify_failure(&failure, &verdict);
	cr_expect_eq(verdict.class, SERVER_OTHER);
	cr_expect_not(verdict.cut);
	cr_expect_str_eq(verdict.problem, "invalid connection option \"usr\"");
}

Test(classify, a_password_that_is_wanted_is_a_denial)
{
	const struct classify_failure failure = {.message =
	                                             AT "fe_sendauth: no password supplied\n",
	                                         .needs_password = true,
	                                         .started = true,
	                                         .spoke = true};
	struct connect_failure verdict;

	classify_failure(&failure, &verdict);
	cr_expect_eq(verdict.class, SERVER_DENIED);
	cr_expect_not_null(strstr(verdict.problem, "password file"));
}

Test(classify, a_long_message_is_cut_not_overrun)
{
	char message[2000];

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	cr_expect_lt(strlen(of(message, true).problem),
	             sizeof(((struct connect_failure *)0)->problem));
}

Test(question, a_primary_and_a_standby)
{
	const char *const primary[] = {"f", "0000000A", "22096008", "7711430421632791286"};
	const char *const standby[] = {"t", NULL, "100", NULL};
	const char *const fresh[] = {"t", NULL, NULL, "7"};
	struct server_fact fact = {0};
	struct err err;

	cr_assert(question_parse(primary, &fact, &err));
	cr_expect_not(fact.in_recovery);
	cr_expect_eq(fact.timeline, 10);
	cr_expect_eq(fact.lsn, 22096008);
	cr_expect_str_eq(fact.system_identifier, "7711430421632791286");
	cr_assert(question_parse(standby, &fact, &err));
	cr_expect(fact.in_recovery);
	cr_expect_eq(fact.timeline, 0);
	cr_expect_eq(fact.lsn, 100);
	cr_expect_str_eq(fact.system_identifier, "");
	cr_assert(question_parse(fresh, &fact, &err));
	cr_expect_eq(fact.lsn, 0);
}

Test(question, rubbish_is_refused_and_changes_nothing)
{
	static const char *const rows[][QUESTION_COLUMNS] = {
	    {NULL, "00000001", "1", "7"},
	    {"yes", "00000001", "1", "7"},
	    {"f", "1", "1", "7"},
	    {"f", "0000000g", "1", "7"},
	    {"f", "00000001", "-1", "7"},
	    {"f", "00000001", "", "7"},
	    {"f", "00000001", "1", "7; drop"},
	    {"f", "00000001", "99999999999999999999", "7"},
	    {"f", "00000001", "1", "11111111111111111111111111111111"},
	};
	struct server_fact fact = {.timeline = 3, .lsn = 4, .in_recovery = true};
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err.message[0] = '\0';
		cr_expect_not(question_parse(rows[i], &fact, &err), "row %zu", i);
		cr_expect_neq(err.message[0], '\0');
		cr_expect(fact.timeline == 3 && fact.lsn == 4 && fact.in_recovery, "row %zu", i);
		cr_expect_str_eq(fact.system_identifier, "", "row %zu", i);
	}
}

Test(server, every_class_has_a_name)
{
	for (int class = SERVER_UNASKED; class < SERVER_CLASSES; class ++)
		cr_expect_str_neq(server_class_name((enum server_class) class), "?");
}

Test(classify, some_errors_pass_and_some_ask_for_less)
{
	static const char *const passing[] = {"55000", "40001", "57014"};
	static const char *const refused[] = {"42501", "42P01", "42703", "3F000"};

	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		cr_assert(classify_may_pass(passing[i]), "%s", passing[i]);
		cr_assert_not(classify_is_refused(passing[i]), "%s", passing[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		cr_assert(classify_is_refused(refused[i]), "%s", refused[i]);
		cr_assert_not(classify_may_pass(refused[i]), "%s", refused[i]);
	}
	cr_assert_not(classify_may_pass("53300"));
	cr_assert_not(classify_is_refused("57P03"));
}
