/* What the test_watch_ files share: a loop with a ZooKeeper session in it, turned until a condition
 * holds or a deadline passes, and probes that remember what a node or a cluster was told. */
#ifndef SEGUE_TESTS_WATCH_LOOP_H
#define SEGUE_TESTS_WATCH_LOOP_H

#include <event2/event.h>

#include "base/strbuf.h"
#include "lab/lab.h"
#include "zookeeper/resolver.h"
#include "zookeeper/session.h"

#define WAIT_MS 20000

struct watch_loop {
	struct event_base *base;
	struct resolver *resolver;
	struct zk *zk;
};

/* One watched node and the last fact about it. */
struct probe {
	struct zk_node *node;
	struct zk_node_fact fact; /* data and problem are in the buffers below */
	struct strbuf data, problem;
	int calls, losses; /* losses: calls with `connected` gone */
};

/* Fails the test when the options are refused. `auth` may be "". */
void watch_loop_open(struct watch_loop *loop, const char *hosts, int session_timeout_ms,
                     const char *auth);
void watch_loop_close(struct watch_loop *loop);

/* Turns the loop until `cond`; false after `timeout_ms`. */
bool watch_loop_until(struct watch_loop *loop, bool (*cond)(void *arg), void *arg,
                      int64_t timeout_ms);
void watch_loop_turn(struct watch_loop *loop, int64_t ms); /* for that long */

void probe_start(struct probe *probe, struct watch_loop *loop, const char *path,
                 enum zk_watch_flags flags, size_t max_size);
void probe_fini(struct probe *probe);

/* Turns the loop until the probe holds this; fails the test, saying what it holds, in WAIT_MS. */
void probe_wait_data(struct probe *probe, struct watch_loop *loop, const char *data);
void probe_wait_state(struct probe *probe, struct watch_loop *loop, enum zk_node_state state);
void probe_wait_ephemerals(struct probe *probe, struct watch_loop *loop, int count);
void probe_wait_connected(struct probe *probe, struct watch_loop *loop, bool connected);

#endif
