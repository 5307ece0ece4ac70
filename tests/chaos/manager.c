/* The cluster manager, at its smallest: promotes, lets the others follow, and makes an old primary
 * a standby again. What it did is the truth that the judge knows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define SETTLE_MS 60000
#define STREAM_MS 10000

const char *node_conninfo(const struct chaos *chaos, int node)
{
	return lab_pg_conninfo(chaos->pg, node);
}

int node_of_address(const struct chaos *chaos, const char *address)
{
	size_t len = strspn(address, "0123456789.");

	for (int i = 0; i < NODES; i++) {
		const char *own = lab_host_address(chaos->nodes[i].host);

		if (strlen(own) == len && strncmp(own, address, len) == 0)
			return i;
	}
	return -1;
}

static bool is_up(const struct chaos *chaos, int node)
{
	return !chaos->nodes[node].down && !chaos->nodes[node].frozen;
}

/* Bytes of WAL that a standby has; -1: it does not answer, or is none. */
static int64_t received(const struct chaos *chaos, int node)
{
	auto_free char *value =
	    lab_pg_query(node_conninfo(chaos, node),
	                 "select (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - "
	                 "'0/0')::bigint where pg_is_in_recovery()");

	return value != NULL && value[0] != '\0' ? strtoll(value, NULL, 10) : -1;
}

int manager_standby(struct chaos *chaos)
{
	int best = -1;
	int64_t most = -1;

	for (int i = 0; i < NODES; i++) {
		int64_t has = i != chaos->primary && is_up(chaos, i) ? received(chaos, i) : -1;

		if (has > most) {
			most = has;
			best = i;
		}
	}
	return best;
}

bool manager_promote(struct chaos *chaos, int node, bool mistake)
{
	struct promotion promotion = {.node = node, .mistake = mistake, .asked_us = clock_now_us()};
	auto_free char *promoted =
	    lab_pg_query(node_conninfo(chaos, node), "select pg_promote(true, 20)");

	if (promoted == NULL || strcmp(promoted, "t") != 0)
		return false;
	promotion.done_us = clock_now_us();
	promotion.timeline = lab_timeline(node_conninfo(chaos, node));
	if (chaos->promotion_count == MOVES_MAX)
		lab_fail("more than %d promotions", MOVES_MAX);
	chaos->promotions[chaos->promotion_count++] = promotion;
	if (!mistake) {
		chaos->primary = node;
		chaos->timeline = promotion.timeline;
	}
	return true;
}

void manager_stop(struct chaos *chaos, int node, int signal)
{
	struct lab_process *process = lab_pg_process(chaos->pg, node);

	chaos->nodes[node].down = true;
	if (signal == SIGKILL)
		lab_process_kill(process);
	else
		lab_process_signal(process, signal);
}

void manager_start(struct chaos *chaos, int node)
{
	struct lab_process *process = lab_pg_process(chaos->pg, node);

	/* A smart shutdown that still waits for its clients is made a fast one. */
	if (chaos->nodes[node].down && lab_process_alive(process)) {
		lab_process_signal(process, SIGINT);
		if (!lab_process_wait(process, 5000))
			lab_process_kill(process);
	}
	if (!lab_process_alive(process))
		lab_pg_node_start(chaos->pg, node);
	chaos->nodes[node].down = false;
}

static void rebuild(struct chaos *chaos, int node)
{
	struct lab_process *process = lab_pg_process(chaos->pg, node);

	lab_process_signal(process, SIGINT);
	if (!lab_process_wait(process, 5000))
		lab_process_kill(process);
	for (int i = 0; !lab_pg_rebuild(chaos->pg, node, chaos->primary); i++)
		if (i == 5)
			lab_fail("cannot copy the primary to %s",
			         lab_host_name(chaos->nodes[node].host));
	lab_pg_node_start(chaos->pg, node);
	chaos->nodes[node].down = false;
}

void manager_undo(struct chaos *chaos, int node)
{
	rebuild(chaos, node);
	chaos->promotions[chaos->promotion_count - 1].undone_us = clock_now_us();
}

static bool streams_from(struct chaos *chaos, int node)
{
	auto_free char *sql = xasprintf("select 1 from pg_stat_wal_receiver where status = "
	                                "'streaming' and sender_host = '%s'",
	                                lab_host_address(chaos->nodes[chaos->primary].host));
	auto_free char *value = lab_pg_query(node_conninfo(chaos, node), sql);

	return value != NULL && value[0] == '1';
}

struct stream {
	struct chaos *chaos;
	int node;
};

static bool is_streaming(void *arg)
{
	const struct stream *stream = arg;

	return streams_from(stream->chaos, stream->node);
}

static void settle_standby(struct chaos *chaos, int node)
{
	struct stream stream = {chaos, node};
	const char *conninfo = node_conninfo(chaos, node);
	bool follows = is_streaming(&stream);

	if (!follows && !lab_takes_writes(conninfo) && received(chaos, node) >= 0 &&
	    lab_pg_follow(chaos->pg, node, chaos->primary))
		follows = chaos_wait(is_streaming, &stream, STREAM_MS / 2);
	if (follows)
		return;
	chaos_say(chaos, "%s is copied anew", lab_host_name(chaos->nodes[node].host));
	rebuild(chaos, node);
	if (!chaos_wait(is_streaming, &stream, SETTLE_MS))
		lab_fail("%s does not stream from %s", lab_host_name(chaos->nodes[node].host),
		         lab_host_name(chaos->nodes[chaos->primary].host));
}

void manager_settle(struct chaos *chaos)
{
	if (!lab_wait_takes_writes(node_conninfo(chaos, chaos->primary), SETTLE_MS))
		lab_fail("the primary %s does not take writes",
		         lab_host_name(chaos->nodes[chaos->primary].host));
	for (int i = 0; i < NODES; i++)
		if (i != chaos->primary)
			settle_standby(chaos, i);
}
