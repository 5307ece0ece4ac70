/* The publisher's question to a server: what the row becomes, and what it refuses. */
#include <criterion/criterion.h>
#include <string.h>

#include "publisher/node_query.h"

static const char nodes[] =
    "[{\"name\":\"db1\",\"type\":\"primary\",\"active\":true,\"conninfo\":\"host=a\"},"
    "{\"name\":\"db 2\",\"type\":\"standby\",\"active\":false,\"conninfo\":\"host=b\"},"
    "{\"name\":\"w\",\"type\":\"witness\",\"active\":true,\"conninfo\":\"host=c\"},"
    "{\"name\":\"x\",\"type\":\"bdr\",\"active\":true,\"conninfo\":null}]";

static const char *const full_row[NODE_QUERY_COLUMNS] = {"t",        "0000000A",
                                                         "1024",     "7711",
                                                         "t",        "start 5432",
                                                         "readable", nodes,
                                                         "db1",      "2026-11-23T11:07:25.123456Z",
                                                         ""};

static void parse(const char *const *row, struct node_query_answer *answer)
{
	struct err err = {0};

	*answer = (struct node_query_answer){.receiving = false};
	cr_assert(node_query_parse(row, answer, &err), "%s", err.message);
}

Test(node_query, a_standby_with_repmgr)
{
	struct node_query_answer answer;

	parse(full_row, &answer);
	cr_assert(answer.fact.in_recovery);
	cr_assert_eq(answer.fact.timeline, 10);
	cr_assert_eq(answer.fact.lsn, 1024);
	cr_assert(answer.receiving);
	cr_assert_str_eq(answer.instance, "start 5432");
	cr_assert_eq(answer.repmgr, NODE_QUERY_REPMGR_READABLE);
	cr_assert_eq(answer.node_count, 4);
	cr_assert_str_eq(answer.nodes[0].name, "db1");
	cr_assert_eq(answer.nodes[0].role, NODE_PRIMARY);
	cr_assert_not(answer.nodes[0].inactive);
	cr_assert_str_eq(answer.nodes[1].name, "", "a blank is in no name");
	cr_assert_eq(answer.nodes[1].role, NODE_STANDBY);
	cr_assert(answer.nodes[1].inactive);
	cr_assert_eq(answer.nodes[2].role, NODE_WITNESS);
	cr_assert_eq(answer.nodes[3].role, NODE_ROLE_UNKNOWN);
	cr_assert_str_eq(answer.nodes[3].conninfo, "");
	cr_assert_str_eq(answer.promoted_name, "db1");
	cr_assert_str_eq(answer.promoted_at, "2026-11-23T11:07:25.123456Z");
	cr_assert_str_eq(answer.refused, "");
	node_query_answer_fini(&answer);
}

Test(node_query, a_primary_that_takes_no_row_and_has_no_repmgr)
{
	static const char *const row[NODE_QUERY_COLUMNS] = {
	    "f", "00000002", "1", NULL, "f", "s 1", NULL, NULL, NULL, NULL, "disk full"};
	struct node_query_answer answer;

	parse(row, &answer);
	cr_assert_not(answer.fact.in_recovery);
	cr_assert_eq(answer.repmgr, NODE_QUERY_REPMGR_ABSENT);
	cr_assert_eq(answer.node_count, 0);
	cr_assert_str_eq(answer.promoted_at, "");
	cr_assert_str_eq(answer.refused, "disk full");
	node_query_answer_fini(&answer);
}

Test(node_query, tables_that_may_not_be_read_and_times_that_are_none)
{
	const char *row[NODE_QUERY_COLUMNS];
	struct node_query_answer answer;

	memcpy(row, full_row, sizeof(row));
	row[6] = "denied";
	row[9] = "yesterday";
	parse(row, &answer);
	cr_assert_eq(answer.repmgr, NODE_QUERY_REPMGR_DENIED);
	cr_assert_str_eq(answer.promoted_name, "");
	cr_assert_str_eq(answer.promoted_at, "");
	node_query_answer_fini(&answer);
}

Test(node_query, nonsense_leaves_the_answer_as_it_was)
{
	struct node_query_answer answer;
	const char *row[NODE_QUERY_COLUMNS];
	struct err err;

	parse(full_row, &answer);
	memcpy(row, full_row, sizeof(row));
	row[7] = "{\"name\":1}";
	cr_assert_not(node_query_parse(row, &answer, &err));
	row[7] = "[{";
	cr_assert_not(node_query_parse(row, &answer, &err));
	memcpy(row, full_row, sizeof(row));
	row[0] = "maybe";
	cr_assert_not(node_query_parse(row, &answer, &err));
	cr_assert_eq(answer.node_count, 4);
	cr_assert_str_eq(answer.nodes[0].name, "db1");
	node_query_answer_fini(&answer);
}

Test(node_query, only_the_question_with_repmgr_names_its_tables)
{
	char schema[] = "my-schema";
	struct config_publisher config = {
	    .repmgr_schema = schema, .interval_ms = 1000, .write_check = CONFIG_WRITE_CHECK_TABLE};
	struct node_query node_query;

	node_query_init(&node_query, &config);
	cr_assert_null(strstr(node_query.plain, "\"my-schema\""));
	cr_assert_null(strstr(node_query.reduced, "\"my-schema\""));
	cr_assert_null(strstr(node_query.reduced, "pg_control_system"));
	cr_assert_not_null(strstr(node_query.plain, "segue_write_check"));
	cr_assert_not_null(strstr(node_query.with_repmgr, "INSERT INTO \"my-schema\".events"));
	cr_assert_not_null(strstr(node_query.with_repmgr, "FROM \"my-schema\".nodes"));
	node_query_fini(&node_query);
}

Test(node_query, a_witness_knows_less_than_anybody_whatever_its_timeline)
{
	static const struct {
		int64_t timeline;
		bool in_recovery;
		enum node_role role;
	} best_first[] = {{3, false, NODE_PRIMARY},      {3, true, NODE_STANDBY},
	                  {2, false, NODE_ROLE_UNKNOWN}, {2, true, NODE_ROLE_UNKNOWN},
	                  {3, false, NODE_WITNESS},      {2, false, NODE_WITNESS}};
	struct node_query_answer answers[ARRAY_LEN(best_first)] = {0};

	for (size_t i = 0; i < ARRAY_LEN(best_first); i++) {
		answers[i].fact.timeline = best_first[i].timeline;
		answers[i].fact.in_recovery = best_first[i].in_recovery;
	}
	for (size_t i = 0; i < ARRAY_LEN(best_first); i++)
		for (size_t j = 0; j < ARRAY_LEN(best_first); j++)
			cr_expect_eq(node_query_knows_better(&answers[i], best_first[i].role,
			                                     &answers[j], best_first[j].role),
			             i < j, "%zu, %zu", i, j);
}
