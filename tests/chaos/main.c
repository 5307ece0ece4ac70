/* chaos SEED MINUTES [FAULT...]: rounds of faults until the time is over, then the summary. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define MINUTES_MAX 1440
#define WAIT_NAP_MS 25
#define TOLD_MAX    12 /* violations of a round that are told; all are counted */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	if (stopped++ > 0)
		_exit(130); /* the janitor cleans up */
}

bool chaos_stopped(void)
{
	return stopped > 0;
}

/* A generator of its own, so that a seed means the same everywhere. */
unsigned chaos_pick(struct chaos *chaos, unsigned below)
{
	chaos->random = chaos->random * 1664525U + 1013904223U;
	return (unsigned)(((uint64_t)(chaos->random >> 4) * below) >> 28);
}

void chaos_nap(const struct chaos *chaos, int64_t ms)
{
	int64_t until = clock_now_ms() + ms;

	(void)chaos;
	for (int64_t left = ms; left > 0 && !chaos_stopped(); left = until - clock_now_ms())
		poll(NULL, 0, (int)(left < 100 ? left : 100));
}

bool chaos_wait(bool (*cond)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t deadline = clock_now_ms() + timeout_ms;

	while (!cond(arg)) {
		if (clock_now_ms() >= deadline)
			return false;
		poll(NULL, 0, WAIT_NAP_MS);
	}
	return true;
}

const char *proxy_name(enum proxy proxy)
{
	return proxy == PROXY_HAPROXY ? "HAProxy" : "PgBouncer";
}

static void print_line(const struct chaos *chaos, const char *mark, const char *fmt, va_list args)
{
	char wall[CLOCK_WALL_MAX];

	clock_wall(wall, sizeof(wall));
	printf("%8.3f %.15s %s", (double)(clock_now_us() - chaos->started_us) / 1e6,
	       wall + strlen("2026-01-01T"), mark);
	vprintf(fmt, args);
	putchar('\n');
	fflush(stdout);
}

void chaos_say(const struct chaos *chaos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line(chaos, "", fmt, args);
	va_end(args);
}

void chaos_violation(struct chaos *chaos, const char *fmt, ...)
{
	va_list args;

	chaos->violations++;
	if (chaos->told++ >= TOLD_MAX)
		return;
	va_start(args, fmt);
	print_line(chaos, "VIOLATION: ", fmt, args);
	va_end(args);
}

static void summarize(const struct chaos *chaos)
{
	uint64_t acks = 0, errors = 0;

	for (int i = 0; i < CLIENTS; i++) {
		acks += client_acks(chaos, i);
		errors += client_errors(chaos, i);
	}
	printf("\nseed %u: %u rounds, %u faults, %zu promotions, %" PRIu64
	       " acknowledged writes, %" PRIu64 " errors of clients, of which %u are excused\n",
	       chaos->seed, chaos->rounds, chaos->faults, chaos->promotion_count, acks, errors,
	       chaos->excused);
	printf("both proxies were right at most %.3f s after a heal\n",
	       (double)chaos->slowest_us / 1e6);
	printf("violations: %u\n", chaos->violations);
	if (chaos->violations > 0)
		printf("the logs are in %s; again: make chaos SEED=%u MINUTES=%ld\n", chaos->kept,
		       chaos->seed, chaos->minutes);
}

static int usage(const char *program)
{
	fprintf(stderr,
	        "usage: %s [SEED] [MINUTES (1 to %d)]; CHAOS_FAULTS=\"NAME ...\" takes these "
	        "faults only, of:\n",
	        program, MINUTES_MAX);
	nemesis_list();
	return 2;
}

int main(int argc, char **argv)
{
	static struct chaos chaos;
	long minutes = argc > 2 ? strtol(argv[2], NULL, 10) : 5;

	if (argc > 3 || minutes < 1 || minutes > MINUTES_MAX ||
	    (argc > 1 && strspn(argv[1], "0123456789") != strlen(argv[1])))
		return usage(argv[0]);
	if (geteuid() != 0) {
		fprintf(stderr, "%s: makes network namespaces, which takes root\n", argv[0]);
		return 2;
	}
	chaos.seed = argc > 1 && argv[1][0] != '\0' ? (unsigned)strtoul(argv[1], NULL, 10)
	                                            : (unsigned)clock_now_us() % 1000000;
	chaos.random = chaos.seed * 2654435761U + 1;
	chaos.started_us = clock_now_us();
	chaos.minutes = minutes;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	printf("seed %u, %ld minutes\n", chaos.seed, minutes);
	stage_start(&chaos);
	for (enum proxy proxy = 0; proxy < PROXIES; proxy++)
		window_open(&chaos, proxy, false, "the proxies have just started");
	clients_start(&chaos);
	manager_settle(&chaos);
	judge_rest(&chaos);
	windows_close_all(&chaos);
	judge_round(&chaos);
	chaos.ends_us = clock_now_us() + minutes * 60000000;
	while (clock_now_us() < chaos.ends_us && !chaos_stopped())
		nemesis_round(&chaos);
	judge_end(&chaos);
	if (chaos.violations > 0)
		stage_keep_logs(&chaos);
	summarize(&chaos);
	lab_destroy(chaos.lab);
	return chaos.violations > 0;
}
