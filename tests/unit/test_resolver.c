/* Host names: the loop calls back, once, and a cancelled query is silent. Only names of /etc/hosts,
 * so that no name server is needed. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <string.h>

#include "zookeeper/resolver.h"

struct answer {
	int calls;
	char address[TOPOLOGY_ADDRESS_MAX];
	char problem[300];
};

static struct event_base *base;
static struct resolver *resolver;

static void setup(void)
{
	struct err err;

	base = event_base_new();
	resolver = resolver_create(base, &err);
	cr_assert_not_null(resolver);
}

static void teardown(void)
{
	resolver_destroy(resolver);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
}

TestSuite(resolver, .init = setup, .fini = teardown, .timeout = 20);

static void on_answer(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                      void *arg)
{
	const char *address = count > 0 ? addresses[0] : NULL;
	struct answer *answer = arg;

	answer->calls++;
	cr_assert_neq(address == NULL, problem == NULL);
	strncpy(answer->address, address != NULL ? address : "", sizeof(answer->address) - 1);
	strncpy(answer->problem, problem != NULL ? problem : "", sizeof(answer->problem) - 1);
}

static void turn(long ms)
{
	const struct timeval tv = {.tv_usec = ms * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static void wait_answer(const struct answer *answer)
{
	while (answer->calls == 0) /* the suite's timeout is the deadline */
		event_base_loop(base, EVLOOP_ONCE);
	turn(20);
	cr_assert_eq(answer->calls, 1);
}

Test(resolver, a_name_of_the_hosts_file_comes_from_the_loop_as_ipv4)
{
	struct answer answer = {.calls = 0};

	cr_assert_not_null(resolver_ask(resolver, "localhost", on_answer, &answer));
	cr_assert_eq(answer.calls, 0);
	wait_answer(&answer);
	cr_assert_str_eq(answer.address, "127.0.0.1");
}

Test(resolver, a_cancelled_query_is_silent)
{
	struct answer answer = {.calls = 0};

	resolver_cancel(resolver_ask(resolver, "localhost", on_answer, &answer));
	resolver_cancel(resolver_ask(resolver, "no-such-host.invalid", on_answer, &answer));
	turn(100);
	cr_assert_eq(answer.calls, 0);
}

Test(resolver, a_name_that_nobody_knows_is_a_problem_that_names_it)
{
	struct answer answer = {.calls = 0};

	cr_assert_not_null(resolver_ask(resolver, "no-such-host.invalid", on_answer, &answer));
	wait_answer(&answer);
	cr_assert_not_null(strstr(answer.problem, "no-such-host.invalid"), "%s", answer.problem);
}

Test(resolver, destroyed_with_queries_in_flight)
{
	struct answer answer = {.calls = 0};

	cr_assert_not_null(resolver_ask(resolver, "localhost", on_answer, &answer));
	cr_assert_not_null(resolver_ask(resolver, "no-such-host.invalid", on_answer, &answer));
	resolver_destroy(resolver);
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_eq(answer.calls, 0);
	resolver = NULL;
}
