/* Silent connections, against a listener in the test's own process. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "sidecar/postgres/postgres_internal.h"
#include "unit/loop.h"

#define ACCEPTED_MAX 64
#define WAIT_MS      10000

static struct {
	struct event_base *base;
	struct member member;
	struct tripwire *tripwire;
	int listener;
	int accepted[ACCEPTED_MAX];
	unsigned count;
	int calls; /* of a refusal */
	int ends;
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

static void on_trip(enum tripwire_news news, void *arg)
{
	(void)arg;
	if (news == TRIPWIRE_ENDED)
		t.ends++;
	else
		t.calls++;
	if (t.destroy_it)
		tripwire_destroy(STEAL(t.tripwire));
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

/* All of them are there: they come one by one. */
static void stretch(unsigned count)
{
	int64_t until = clock_now_ms() + WAIT_MS;
	unsigned before = t.count;

	if (t.tripwire == NULL)
		t.tripwire = tripwire_create(t.base, &t.member, count, on_trip, NULL);
	while (t.count < before + count && clock_now_ms() < until) {
		tripwire_arm(t.tripwire);
		loop_for(t.base, 5);
		accept_all();
	}
	cr_assert_eq(t.count, before + count);
	cr_assert_eq(t.calls, 0);
}

static void expect_more_when_armed(void)
{
	int64_t until = clock_now_ms() + WAIT_MS;
	unsigned before = t.count;

	while (t.count == before && clock_now_ms() < until) {
		tripwire_arm(t.tripwire);
		loop_for(t.base, 5);
		accept_all();
	}
	cr_assert_eq(t.count, before + 1);
}

static bool is_closed(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&wait, 1, 0) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void expect_closed(unsigned i)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	while (!is_closed(t.accepted[i]) && clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert(is_closed(t.accepted[i]));
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
	hang_up(0);
	expect_accepted(3);
	cr_expect_eq(t.calls, 0);
	cr_expect_eq(t.ends, 1);
}

/* It comes after an end, and would make two of one. */
Test(tripwire, the_end_of_the_one_tried_after_an_end_is_not_told)
{
	stretch(1);
	hang_up(0);
	expect_accepted(2);
	hang_up(1);
	expect_accepted(3);
	loop_for(t.base, 100);
	cr_expect_eq(t.ends, 1);
	cr_expect_eq(t.calls, 0);
}

/* What ends them by their age ends them one by one. */
Test(tripwire, they_are_made_one_by_one)
{
	t.tripwire = tripwire_create(t.base, &t.member, 3, on_trip, NULL);
	for (int i = 0; i < 20; i++) {
		tripwire_arm(t.tripwire);
		loop_for(t.base, 5);
	}
	accept_all();
	cr_expect_eq(t.count, 1);
}

Test(tripwire, a_refusal_without_an_end_is_nothing)
{
	stop_listening();
	t.tripwire = tripwire_create(t.base, &t.member, 3, on_trip, NULL);
	tripwire_arm(t.tripwire);
	expect_calls(0);
	cr_expect_eq(t.ends, 0);
}

Test(tripwire, who_hangs_up_all_the_time_is_left_alone)
{
	int64_t until = clock_now_ms() + 300;

	stretch(1);
	while (clock_now_ms() < until) {
		loop_for(t.base, 1);
		tripwire_arm(t.tripwire);
		accept_all();
		for (unsigned i = 0; i < t.count; i++)
			hang_up(i);
	}
	cr_expect_geq(t.count, 2);
	cr_expect_leq(t.count, 10, "%u connections", t.count);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, none_is_made_before_the_server_takes_writes)
{
	t.tripwire = tripwire_create(t.base, &t.member, 3, on_trip, NULL);
	loop_for(t.base, 50);
	accept_all();
	cr_expect_eq(t.count, 0);
}

/* Else a server that shuts down would wait for it. */
Test(tripwire, the_one_after_an_end_does_not_stay)
{
	stretch(1);
	hang_up(0);
	expect_accepted(2);
	expect_closed(1);
	loop_for(t.base, 200);
	accept_all();
	cr_expect_eq(t.count, 2, "another one was made");
	expect_more_when_armed();
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, disarmed_none_stays_and_armed_again_all_come)
{
	stretch(2);
	tripwire_disarm(t.tripwire);
	expect_closed(0);
	expect_closed(1);
	stretch(2);
	stop_listening();
	hang_up(2);
	expect_calls(1);
}

Test(tripwire, the_oldest_is_replaced_in_turn)
{
	stretch(TRIPWIRES_MAX);
	expect_more_when_armed();
	expect_closed(0);
	cr_expect_eq(t.calls, 0);
}

Test(tripwire, destroyed_in_its_callback)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	t.destroy_it = true;
	stretch(2);
	stop_listening();
	hang_up(0);
	while (t.tripwire != NULL && clock_now_ms() < until)
		loop_for(t.base, 5);
	loop_for(t.base, 50);
	cr_expect_null(t.tripwire);
	cr_expect_eq(t.calls + t.ends, 1);
}

Test(tripwire, an_ipv6_server_is_guarded_alike)
{
	stop_listening();
	open_listener("::1");
	stretch(1);
	stop_listening();
	hang_up(0);
	expect_calls(1);
}
