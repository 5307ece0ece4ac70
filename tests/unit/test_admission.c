/* admission_decide(): the table of decide/admission.c, row by row; the evidence of a loss. */
#include <criterion/criterion.h>
#include <string.h>

#include "decide/admission.h"

static const struct server_fact writer = {.class = SERVER_ANSWERED,
                                          .running = 1,
                                          .known = true,
                                          .timeline = 3,
                                          .system_identifier = "77"};

static void expect(struct admission_input question, enum admission_kind kind,
                   const char *reason_part)
{
	struct admission got = admission_decide(&question);

	cr_assert_eq(got.kind, kind, "kind %d: %s", (int)got.kind, got.reason);
	cr_assert_not_null(strstr(got.reason, reason_part), "\"%s\" is not in \"%s\"", reason_part,
	                   got.reason);
}

#define ASK(...) ((struct admission_input){.verify = CONFIG_VERIFY_PREFER, __VA_ARGS__})

static struct server_fact of_class(enum server_class class)
{
	return (struct server_fact){.class = class, .running = 1};
}

Test(admission, verify_disable_believes_the_store)
{
	struct server_fact refused = of_class(SERVER_REFUSED);

	expect((struct admission_input){.verify = CONFIG_VERIFY_DISABLE, .server = &refused},
	       ADMIT_YES, "");
	expect((struct admission_input){.verify = CONFIG_VERIFY_DISABLE}, ADMIT_YES, "");
}

Test(admission, a_server_that_takes_writes_is_admitted)
{
	expect(ASK(.server = &writer), ADMIT_YES, "");
	expect(ASK(.server = &writer, .system_identifier = "77", .floor = {3, "77"}), ADMIT_YES,
	       "");
	expect(ASK(.server = &writer, .floor = {2}), ADMIT_YES, "");
}

Test(admission, another_system_is_refused)
{
	expect(ASK(.server = &writer, .system_identifier = "78"), ADMIT_NO, "system identifier");
}

Test(admission, another_system_is_refused_even_in_recovery)
{
	struct server_fact standby = writer;

	standby.in_recovery = true;
	expect(ASK(.server = &standby, .system_identifier = "78"), ADMIT_NO, "system identifier");
}

Test(admission, a_lower_timeline_is_refused)
{
	expect(ASK(.server = &writer, .system_identifier = "77", .floor = {4, "77"}), ADMIT_NO,
	       "timeline is lower");
	expect(ASK(.server = &writer, .floor = {4}), ADMIT_NO, "timeline is lower");
}

Test(admission, a_cluster_made_anew_begins_with_timeline_1)
{
	expect(ASK(.server = &writer, .system_identifier = "77", .floor = {9, "12"}), ADMIT_YES,
	       "");
}

Test(admission, a_server_in_recovery_is_waited_for)
{
	struct server_fact standby = writer;

	standby.in_recovery = true;
	expect(ASK(.server = &standby), ADMIT_LATER, "in recovery");
}

Test(admission, who_cannot_be_reached_is_waited_for)
{
	struct server_fact unasked = of_class(SERVER_UNASKED);
	struct server_fact refused = of_class(SERVER_REFUSED);
	struct server_fact silent = of_class(SERVER_TIMED_OUT);
	struct server_fact starting = of_class(SERVER_STARTING);

	expect(ASK(.server = NULL), ADMIT_LATER, "not been asked");
	expect(ASK(.server = &unasked), ADMIT_LATER, "not been asked");
	expect(ASK(.server = &refused), ADMIT_LATER, "refuses");
	expect(ASK(.server = &silent), ADMIT_LATER, "does not answer");
	expect(ASK(.server = &starting), ADMIT_LATER, "starting");
	expect(ASK(.server = &refused, .is_applied = true), ADMIT_LATER, "refuses");
}

Test(admission, who_lives_and_does_not_let_us_in_is_unverified_or_refused)
{
	static const enum server_class alive[] = {SERVER_FULL, SERVER_DENIED, SERVER_OTHER};

	for (size_t i = 0; i < ARRAY_LEN(alive); i++) {
		struct server_fact server = of_class(alive[i]);

		expect(ASK(.server = &server), ADMIT_UNVERIFIED, "is running but rejects");
		expect((struct admission_input){.verify = CONFIG_VERIFY_REQUIRE, .server = &server},
		       ADMIT_NO, "require");
		expect((struct admission_input){.verify = CONFIG_VERIFY_REQUIRE,
		                                .server = &server,
		                                .is_applied = true},
		       ADMIT_YES, "");
	}
}

Test(admission, who_lets_nobody_in_is_waited_for)
{
	struct server_fact server = of_class(SERVER_FAULTY);

	expect(ASK(.server = &server), ADMIT_LATER, "rejects all logins");
	expect((struct admission_input){.verify = CONFIG_VERIFY_REQUIRE, .server = &server},
	       ADMIT_LATER, "rejects all logins");
	expect(ASK(.server = &server, .is_applied = true), ADMIT_YES, "");
}

Test(admission, who_lets_segue_in_no_more_and_was_in_recovery_is_waited_for)
{
	struct server_fact server = of_class(SERVER_DENIED);

	server.known = server.in_recovery = true;
	expect(ASK(.server = &server), ADMIT_LATER, "was in recovery");
}

/* The store may be early or wrong, and nobody can tell. */
Test(admission, nobody_leaves_a_primary_that_lives_for_one_that_cannot_be_asked)
{
	struct server_fact server = of_class(SERVER_DENIED);

	expect(ASK(.server = &server, .last_lives = true), ADMIT_LATER, "still running");
	expect((struct admission_input){.verify = CONFIG_VERIFY_REQUIRE,
	                                .server = &server,
	                                .last_lives = true},
	       ADMIT_NO, "require");
	server.known = server.in_recovery = true;
	expect(ASK(.server = &server, .is_old_news = true), ADMIT_UNVERIFIED,
	       "is running but rejects");
}

Test(admission, nobody_lets_segue_in_when_none_answers_and_one_denies)
{
	struct server_fact servers[] = {of_class(SERVER_DENIED), of_class(SERVER_REFUSED)};

	cr_expect_eq(find_denial(servers, 2), &servers[0]);
	cr_expect_null(find_denial(&servers[1], 1));
	servers[1].class = SERVER_UNASKED;
	cr_expect_null(find_denial(servers, 2));
	servers[1].class = SERVER_ANSWERED;
	cr_expect_null(find_denial(servers, 2));
	cr_expect_null(find_denial(servers, 0));
}

/* --- loss --- */

Test(loss, takes_three_in_a_row_that_say_so)
{
	cr_expect(loss_is_proven(&(struct server_fact){.unserved = 3}));
	cr_expect(loss_is_proven(&(struct server_fact){.unserved = 4}));
	cr_expect_not(loss_is_proven(&(struct server_fact){.unserved = 2}));
	cr_expect_not(loss_is_proven(NULL));
}
