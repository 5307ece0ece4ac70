/* What speaks against a server that a person names as the primary. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/cli/cli_internal.h"

static const struct member member = {.host = "fd00::1", .port = 5432, .name = "db1"};

static void expect(const struct node_query_answer *answer, const char *identifier,
                   const char *wanted)
{
	auto_strbuf struct strbuf said = STRBUF_INIT;

	ask_server_object_answer(&member, answer, identifier, &said);
	cr_expect_str_eq(said.data, wanted);
}

Test(ask_server, a_primary_of_the_cluster_is_fine)
{
	struct node_query_answer answer = {
	    .fact = {.class = SERVER_ANSWERED, .system_identifier = "77", .timeline = 3}};

	expect(&answer, "77", "");
	expect(&answer, "", "");
	answer.fact.system_identifier[0] = '\0'; /* the role may not read it */
	expect(&answer, "77", "");
}

Test(ask_server, what_is_none_is_said)
{
	struct node_query_answer standby = {
	    .fact = {.class = SERVER_ANSWERED, .in_recovery = true, .system_identifier = "77"}};
	struct node_query_answer silent = {
	    .fact = {.class = SERVER_REFUSED, .problem = "Connection refused"}};
	struct node_query_answer full = {.fact = {.class = SERVER_ANSWERED}};

	snprintf(full.refused, sizeof(full.refused), "no space left");
	expect(&standby, "77", "[fd00::1]:5432 (db1) is a standby: promote it first");
	expect(&standby, "78",
	       "[fd00::1]:5432 (db1) has system identifier 77, and the cluster has 78");
	expect(&silent, "77", "[fd00::1]:5432 (db1) cannot be asked: refused: Connection refused");
	expect(&full, "77", "[fd00::1]:5432 (db1) accepts no test row: no space left");
}
