/* What a publisher shows of the servers, and what another one reads in it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publisher/decide_internal.h"

TestSuite(seen_nodes, .timeout = 30);

static const struct node_state seen[] = {
    {.name = "db1", .host = "10.0.0.1", .port = 5432, .class = SERVER_ANSWERED, .timeline = 7},
    {.name = "db2",
     .host = "10.0.0.2",
     .port = 5432,
     .class = SERVER_ANSWERED,
     .in_recovery = true,
     .timeline = 7},
    {.host = "10.0.0.3", .port = 5432, .class = SERVER_TIMED_OUT, .timeline = 7},
    {.name = "w",
     .host = "10.0.0.4",
     .port = 5432,
     .class = SERVER_ANSWERED,
     .role = NODE_WITNESS,
     .timeline = 9},
};

static bool shows(const char *name, const char *host, int64_t timeline)
{
	auto_free char *text = seen_nodes_encode("pub1", seen, sizeof(seen) / sizeof(*seen));
	struct topology topology = {
	    .has_primary = true, .primary.port = 5432, .timeline = timeline};

	snprintf(topology.primary.name, sizeof(topology.primary.name), "%s", name);
	snprintf(topology.primary.host, sizeof(topology.primary.host), "%s", host);
	return seen_nodes_has_primary(text, strlen(text), &topology);
}

Test(seen_nodes, a_primary_is_known_by_its_name_or_where_there_is_none_by_its_address)
{
	cr_expect(shows("db1", "10.0.0.1", 7));
	cr_expect(shows("db1", "db1.example.org", 7));
	cr_expect(shows("", "10.0.0.1", 7));
	cr_expect_not(shows("", "10.0.0.9", 7));
	cr_expect_not(shows("db9", "10.0.0.1", 7));
}

Test(seen_nodes, only_who_takes_writes_on_that_timeline_or_a_later_one_is_the_primary)
{
	cr_expect(shows("db1", "10.0.0.1", 6));
	cr_expect_not(shows("db1", "10.0.0.1", 8));
	cr_expect_not(shows("db2", "10.0.0.2", 7));
	cr_expect_not(shows("", "10.0.0.3", 7));
	cr_expect_not(shows("w", "10.0.0.4", 7));
}

Test(seen_nodes, bytes_that_are_no_view_show_nothing)
{
	static const char host_is_a_number[] =
	    "{\"nodes\":[{\"name\":\"db1\",\"host\":7,\"port\":5432,\"says\":\"primary\","
	    "\"timeline\":1}]}";
	const char *const bytes[] = {
	    "", "{", "[]", "{\"nodes\":7}", "{\"nodes\":[7,null,{}]}", host_is_a_number};
	struct topology topology = {.has_primary = true, .primary = {.name = "db1", .port = 5432}};

	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++)
		cr_expect_not(seen_nodes_has_primary(bytes[i], strlen(bytes[i]), &topology), "%s",
		              bytes[i]);
}

Test(seen_nodes, the_store_names_nobody)
{
	auto_free char *text = seen_nodes_encode("pub1", seen, 1);
	struct topology topology = {.has_primary = false};

	cr_expect_not(seen_nodes_has_primary(text, strlen(text), &topology));
}
