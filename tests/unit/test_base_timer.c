/* One-shot timers: each fires once, when it was asked to, and may be freed in its callback. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/timer.h"
#include "unit/loop.h"

static struct {
	struct event_base *base;
	struct timer *timer;
	int calls;
	char order[8]; /* one letter for each call */
	bool set;      /* what timer_is_set() says in the callback */
	bool called;
} t;

static void init(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	event_base_priority_init(t.base, 3);
}

static void fini(void)
{
	timer_free(t.timer);
	event_base_free(t.base);
}

TestSuite(timer, .init = init, .fini = fini, .timeout = 60);

static void on_timer(void *arg)
{
	(void)arg;
	t.calls++;
	t.called = true;
	t.set = timer_is_set(t.timer);
}

static void note(void *arg)
{
	t.order[t.calls++] = *(const char *)arg;
}

static void create(void)
{
	t.timer = timer_new(t.base, on_timer, NULL);
}

static void turn(void)
{
	event_base_loop(t.base, EVLOOP_NONBLOCK);
}

/* libevent reads a clock that may be 4 ms behind. */
static int64_t ms_until_called(void)
{
	int64_t begin_ms = clock_now_ms();

	t.called = false;
	cr_assert(loop_until(t.base, &t.called, 10000), "it has not fired");
	return clock_now_ms() - begin_ms;
}

Test(timer, fires_once_after_its_time)
{
	create();
	cr_assert_not(timer_is_set(t.timer));
	timer_start(t.timer, 30);
	cr_assert(timer_is_set(t.timer));
	cr_assert_eq(t.calls, 0, "called back inside timer_start()");
	cr_assert_geq(ms_until_called(), 25);
	cr_assert_not(t.set, "it is set in its callback");
	loop_for(t.base, 60);
	cr_assert_eq(t.calls, 1);
}

Test(timer, started_again_fires_at_the_later_time)
{
	create();
	timer_start(t.timer, 10);
	timer_start(t.timer, 100);
	cr_assert_geq(ms_until_called(), 95);
	loop_for(t.base, 30);
	cr_assert_eq(t.calls, 1);
}

Test(timer, less_than_0_ms_is_0)
{
	create();
	timer_start(t.timer, -1500);
	turn();
	cr_assert_eq(t.calls, 1);
}

Test(timer, fires_at_once_before_those_with_0_ms)
{
	char names[] = "ab";
	struct timer *a = timer_new(t.base, note, &names[0]);
	struct timer *b = timer_new(t.base, note, &names[1]);

	timer_start(a, 0);
	timer_fire(b);
	cr_assert(timer_is_set(b));
	cr_assert_eq(t.calls, 0, "called back inside timer_fire()");
	turn();
	cr_assert_str_eq(t.order, "ba");
	timer_free(a);
	timer_free(b);
}

Test(timer, fired_before_its_time_does_not_fire_again)
{
	create();
	timer_start(t.timer, 20);
	timer_fire(t.timer);
	loop_for(t.base, 60);
	cr_assert_eq(t.calls, 1);
}

Test(timer, started_after_it_was_fired_waits)
{
	create();
	timer_fire(t.timer);
	timer_start(t.timer, 60000);
	turn();
	cr_assert_eq(t.calls, 0);
	cr_assert(timer_is_set(t.timer));
}

Test(timer, stopped_does_not_fire)
{
	create();
	timer_start(t.timer, 10);
	timer_stop(t.timer);
	cr_assert_not(timer_is_set(t.timer));
	loop_for(t.base, 30);
	timer_fire(t.timer);
	timer_stop(t.timer);
	turn();
	cr_assert_eq(t.calls, 0);
}

static void start_both_once(void *arg)
{
	struct timer *witness = arg;

	t.order[t.calls++] = 't';
	if (t.calls > 1)
		return;
	timer_start(t.timer, 200);
	timer_start(witness, 300);
}

/* An EV_PERSIST event of libevent that was made active would wait for two intervals. */
Test(timer, fired_and_started_again_in_its_callback_waits_once)
{
	char name = 'w';
	struct timer *witness = timer_new(t.base, note, &name);

	t.timer = timer_new(t.base, start_both_once, witness);
	timer_start(t.timer, 200);
	timer_fire(t.timer);
	while (strchr(t.order, 'w') == NULL)
		event_base_loop(t.base, EVLOOP_ONCE);
	cr_assert_str_eq(t.order, "ttw");
	timer_free(witness);
}

Test(timer, less_urgent_one_fires_later)
{
	char names[] = "ln";
	struct timer *later = timer_new(t.base, note, &names[0]);
	struct timer *normal = timer_new(t.base, note, &names[1]);

	timer_set_priority(later, 2);
	timer_fire(later);
	timer_fire(normal);
	while (t.calls < 2)
		turn();
	cr_assert_str_eq(t.order, "nl");
	timer_free(later);
	timer_free(normal);
}

static void free_itself(void *arg)
{
	struct timer **timer = arg;

	timer_free(*timer);
	*timer = NULL;
	t.calls++;
}

Test(timer, may_be_freed_in_its_callback)
{
	t.timer = timer_new(t.base, free_itself, &t.timer);
	timer_start(t.timer, 0);
	loop_for(t.base, 20);
	cr_assert_eq(t.calls, 1);
	cr_assert_null(t.timer);
}

Test(timer, freed_before_its_time_does_not_fire)
{
	create();
	timer_start(t.timer, 10);
	timer_free(t.timer);
	t.timer = NULL;
	loop_for(t.base, 30);
	cr_assert_eq(t.calls, 0);
}
