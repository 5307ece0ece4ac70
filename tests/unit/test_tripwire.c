/* Silent connections, against a listener in the test's own process. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/loop.h"
#include "verify/tripwire.h"
#include "verify/verifier.h"

#define ACCEPTED_MAX 64
#define WAIT_MS      10000

static struct {
	struct event_base *base;
	struct member member;
	struct tripwire *tripwire;
	int listener;
	int accepted[ACCEPTED_MAX];
	unsigned count;
	int calls;
	bool destroy_it;
} t;

static void open_listener(const char *address)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool is_v6 = strchr(address, ':') != NULL;
	socklen_t len = is_v6 ? sizeof(any) : sizeof(v4);

	if (!is_v6)
		memcpy(&any, &v4, sizeof(v4));
	t.listener = socket(any.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(t.listener, (struct sockaddr *)&any, len), 0);
	cr_assert_eq(listen(t.listener, 128), 0);
	cr_assert_eq(getsockname(t.listener, (struct sockaddr *)&any, &len), 0);
	t.member.port = ntohs(any.sin6_port); /* at the same place in both */
	snprintf(t.member.address, sizeof(t.member.address), "%s", address);
}

static void init(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	open_listener("127.0.0.1");
}

static void hang_up(unsigned i)
{
	if (t.accepted[i] >= 0)
		close(t.accepted[i]);
	t.accepted[i] = -1;
}

static void fini(void)
{
	tripwire_destroy(t.tripwire);
	for (unsigned i = 0; i < t.count; i++)
		hang_up(i);
	if (t.listener >= 0)
		close(t.listener);
	event_base_free(t.base);
}

TestSuite(tripwire, .init = init, .fini = fini, .timeout = 60);

static void stop_listening(void)
{
	close(t.listener);
	t.listener = -1;
}

static void on_trip(void *arg)
{
	(void)arg;
	t.calls++;
	if (t.destroy_it)
		tripwire_destroy(STEAL(t.tripwire));
}

static void stretch(unsigned count)
{
	t.tripwire = tripwire_create(t.base, &t.member, count, on_trip, NULL);
	cr_assert_eq(t.calls, 0);
}

static void accept_all(void)
{
	for (int fd; t.count < ACCEPTED_MAX; t.accepted[t.count++] = fd) {
		fd = accept(t.listener, NULL, NULL);
		if (fd < 0)
			return;
	}
}

static void expect_accepted(unsigned count)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	while (t.count < count && clock_now_ms() < until) {
		loop_for(t.base, 5);
		accept_all();
	}
	cr_assert_eq(t.count, count);
}

static void expect_calls(int calls)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	while (t.calls < calls && clock_now_ms() < until)
		loop_for(t.base, 5);
	loop_for(t.base, 50);
	cr_expect_eq(t.calls, calls, "%d", t.calls);
}

Test(tripwire, so_many_connections_say_nothing)
{
	char byte;

	stretch(3);
	expect_accepted(3);
	loop_for(t.base, 50);
	accept_all();
	cr_expect_eq(t.count, 3);
	for (unsigned i = 0; i < t.count; i++)
		cr_expect_eq(recv(t.accepted[i], &byte, 1, MSG_DONTWAIT), -1);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, an_end_and_the_refusal_after_it_are_told_once)
{
	stretch(3);
	expect_accepted(3);
	stop_listening();
	hang_up(1);
	expect_calls(1);
	hang_up(0);
	hang_up(2);
	expect_calls(1);
}

Test(tripwire, last_words_and_a_reset_are_ends)
{
	const struct linger linger = {.l_onoff = 1};

	stretch(1);
	expect_accepted(1);
	setsockopt(t.accepted[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	hang_up(0);
	expect_accepted(2);
	stop_listening();
	cr_assert_eq(write(t.accepted[1], "E", 1), 1);
	expect_calls(1);
}

Test(tripwire, who_ends_one_and_lets_the_next_one_in_is_not_lost)
{
	stretch(2);
	expect_accepted(2);
	hang_up(0);
	expect_accepted(3);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, a_refusal_without_an_end_is_nothing)
{
	stop_listening();
	stretch(3);
	expect_calls(0);
}

Test(tripwire, who_hangs_up_all_the_time_is_left_alone)
{
	int64_t until = clock_now_ms() + 300;

	stretch(1);
	while (clock_now_ms() < until) {
		loop_for(t.base, 1);
		accept_all();
		for (unsigned i = 0; i < t.count; i++)
			hang_up(i);
	}
	cr_expect_geq(t.count, 2);
	cr_expect_leq(t.count, 10, "%u connections", t.count);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, the_oldest_is_replaced_in_turn)
{
	struct pollfd first;

	stretch(TRIPWIRES_MAX);
	expect_accepted(TRIPWIRES_MAX);
	first = (struct pollfd){.fd = t.accepted[0], .events = POLLIN};
	expect_accepted(TRIPWIRES_MAX + 1);
	cr_expect_eq(poll(&first, 1, 1000), 1);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, destroyed_in_its_callback)
{
	t.destroy_it = true;
	stretch(2);
	expect_accepted(2);
	stop_listening();
	hang_up(0);
	expect_calls(1);
	cr_expect_null(t.tripwire);
}

Test(tripwire, an_ipv6_server_is_guarded_alike)
{
	stop_listening();
	open_listener("::1");
	stretch(1);
	expect_accepted(1);
	stop_listening();
	hang_up(0);
	expect_calls(1);
}

static void on_fact(void *arg)
{
	(void)arg;
}

static bool is_silent(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 100) == 0;
}

/* The first connection is the probe's, which speaks. */
Test(tripwire, a_guarded_server_is_lost_though_its_warm_connection_lives)
{
	char name[] = "a", conninfo[] = "user=segue sslmode=disable";
	struct config_cluster config = {.name = name,
	                                .verify = CONFIG_VERIFY_PREFER,
	                                .verify_conninfo = conninfo,
	                                .verify_timeout_ms = 60000,
	                                .tripwires = 1};
	struct verifier *verifier = verifier_create(t.base, &config, on_fact, NULL);
	int64_t until = clock_now_ms() + WAIT_MS;
	const struct server_fact *fact;
	size_t count;

	verifier_follow(verifier, (const struct member *const[]){&t.member}, 1);
	verifier_guard(verifier, &t.member);
	verifier_guard(verifier, &t.member);
	expect_accepted(2);
	stop_listening();
	hang_up(is_silent(t.accepted[0]) ? 0 : 1);
	do {
		loop_for(t.base, 1);
		fact = verifier_facts(verifier, &count);
	} while (fact->class == SERVER_UNASKED && clock_now_ms() < until);
	cr_expect_eq(fact->class, SERVER_REFUSED);
	cr_expect_geq(fact->unserved, SERVER_RUNNING_MATTERS);
	verifier_destroy(verifier);
}
