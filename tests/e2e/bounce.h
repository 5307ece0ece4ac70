/* What the tests of `segue run` with PgBouncer stand on: a ZooKeeper, two PostgreSQL servers, one
 * or two PgBouncers with clients that write through them all the time, and a sidecar with one
 * cluster between them. The rows judge a move. */
#ifndef SEGUE_TESTS_E2E_BOUNCE_H
#define SEGUE_TESTS_E2E_BOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/lab.h"
#include "lab/traffic.h"

#define BOUNCE_MAX        2
#define BOUNCE_CLIENTS    8 /* of the first PgBouncer; they keep their connections */
#define BOUNCE_TIMEOUT_MS 30000

struct bounce_options {
	const char *settings; /* more lines for pgbouncer.ini, e.g. BOUNCE_SESSION; NULL: none */
	const char *cluster;  /* more lines for [cluster orders]; NULL: none */
	const char *target;   /* more lines for each [pgbouncer NAME]; NULL: pause_timeout = 2s */
	const char *console;  /* instead of the first one's own; NULL: that */
	int bouncers;         /* 0: 1; their targets are "local" and "other" */
	int databases;        /* 0: 1, which is "app"; more: "app", "app1", "app2", ... */
	bool standby;     /* node 1 is a standby; else both nodes are primaries from the start */
	bool synchronous; /* with standby: no commit without it */
	bool share_port;  /* of the bouncers; settings have so_reuseport then */
	bool no_traffic;
	bool own_zk; /* else it shares a ZooKeeper server */
};

#define BOUNCE_SESSION "pool_mode = session\n"

struct bounce {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_pgbouncer *bouncers[BOUNCE_MAX];
	struct lab_segue *segue;
	struct traffic *traffic;
	const char *template_file, *state_dir, *faults;
	int databases;
	bool standby;
};

/* All but segue and the traffic are up when init returns; start: segue runs, PgBouncer leads to
 * node 0, and clients write. */
void bounce_init(struct bounce *bounce, const struct bounce_options *options);
void bounce_start(struct bounce *bounce, const struct bounce_options *options);
void bounce_start_traffic(struct bounce *bounce);
void bounce_fini(struct bounce *bounce);

int64_t bounce_name(struct bounce *bounce, int node); /* the znode: -1: no primary; its zxid */
const char *bounce_target(int bouncer);               /* "local", "other" */

/* Waits until segue has said that it moved the target for this zxid. */
bool bounce_wait_moved(struct bounce *bounce, int bouncer, int64_t zxid);

/* The same, or that it found it so. */
bool bounce_wait_settled(struct bounce *bounce, int bouncer);

/* The column of "app" in SHOW DATABASES. */
bool bounce_wait_paused(struct bounce *bounce, int bouncer, bool paused);
bool bounce_is_paused(struct bounce *bounce, int bouncer);

/* Paused, and no connection to a server left: from here on nothing is written. */
bool bounce_wait_drained(struct bounce *bounce, int bouncer);

/* Waits until what segue SET for a move is put back: a quiet day. */
bool bounce_wait_restored(struct bounce *bounce, int bouncer);

/* Does it say so, and is a query answered from there? */
bool bounce_leads_to(struct bounce *bounce, int bouncer, int node);
bool bounce_wait_leads_to(struct bounce *bounce, int bouncer, int node);

/* Waits until the standby has all that the primary has, and promotes it. */
void bounce_catch_up(struct bounce *bounce);
void bounce_promote(struct bounce *bounce);

/* Stops the traffic, and fails the test when more than `failed_max` writes got an error, or an
 * acknowledged row is on neither server (with a standby: not on node 1), or a row was written on
 * node 0 after the first one on node 1. */
void bounce_judge(struct bounce *bounce, int64_t failed_max);

/* `segue resume [target]`: its exit code. */
int bounce_resume(struct bounce *bounce, const char *target);

#endif
