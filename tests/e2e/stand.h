/* What the tests of a whole failover stand on: a ZooKeeper, PostgreSQL servers that fail over by
 * themselves (Patroni, or repmgr), a HAProxy and a PgBouncer with the templates that ship, a
 * sidecar for both, and a client behind each that writes numbered rows all the time. The rows
 * judge. */
#ifndef SEGUE_TESTS_E2E_STAND_H
#define SEGUE_TESTS_E2E_STAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/lab.h"
#include "lab/lab_ha.h"
#include "lab/ledger.h"

#define STAND_TIMEOUT_MS 60000
#define STAND_NODES      2

enum stand_kind {
	STAND_PATRONI,
	STAND_REPMGR,
	STAND_PAIR, /* a primary and its standby, which nobody promotes but the test */
};
enum stand_proxy { STAND_HAPROXY, STAND_PGBOUNCER, STAND_PROXIES };

struct stand_options {
	enum stand_kind kind;
	const char *cluster; /* more lines for [cluster orders]; NULL: none */
	const char *role;    /* whom segue asks the servers as; NULL: the superuser */
	int ttl;             /* STAND_PATRONI: s; 0: the lab's, which is short */
	bool own_zk;         /* else it shares a ZooKeeper server, but not with Patroni */
	bool publish;        /* STAND_REPMGR: a publisher beside each server writes the znode */
	bool relay; /* STAND_PAIR: the store names a relay in front of node 0 in its place */
};

struct stand {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_patroni *patroni; /* NULL: another kind */
	struct lab_repmgr *repmgr;   /* NULL: another kind */
	struct lab_pg *pg;           /* NULL: Patroni has them */
	struct lab_relay *relay;     /* NULL: none is wanted */
	struct lab_haproxy *haproxy;
	struct lab_pgbouncer *bouncer;
	struct lab_segue *segue;
	struct lab_segue *publishers[STAND_NODES]; /* NULL: none */
	struct ledger *ledgers[STAND_PROXIES];
	const char *conninfo[STAND_PROXIES];
	int64_t lost_us; /* what was acknowledged by node 0 before may be lost; see stand_judge() */
};

/* All is up, and both clients have had a row acknowledged by node 0. Without Patroni it is the test
 * that writes the master znode (stand_name), or publishers do. */
void stand_start(struct stand *stand, const struct stand_options *options);
void stand_fini(struct stand *stand);

uint16_t stand_port(const struct stand *stand, int node);
const char *stand_conninfo(const struct stand *stand, int node);

int64_t stand_name(struct stand *stand, int node); /* writes the znode; its zxid */

/* Both clients have had a row acknowledged by that node which they began after this call. */
void stand_must_serve(struct stand *stand, int node);

/* A line of segue's log with all of the strings (the last one is NULL), or the test fails. */
void stand_must_say(struct stand *stand, const char *first, ...) __attribute__((sentinel));

/* Stops the clients. Fails the test when a row was acknowledged by a server in recovery, or by node
 * 0 after the first one of node 1; or when an acknowledged one is not on `node`, unless node 0
 * acknowledged it before lost_us + 1 s, which asynchronous replication may lose. */
void stand_judge(struct stand *stand, int node);

#endif
