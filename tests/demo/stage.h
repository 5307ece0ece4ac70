/* The demo's stage: a ZooKeeper, two PostgreSQL servers, a HAProxy and a PgBouncer in front of
 * them, segue beside both, and a crowd of clients that writes through each. */
#ifndef SEGUE_TESTS_DEMO_STAGE_H
#define SEGUE_TESTS_DEMO_STAGE_H

#include "lab/lab.h"
#include "lab/traffic.h"

#define STAGE_MASTER     "/segue/demo/master"
#define STAGE_TIMEOUT_MS 20000
#define STAGE_CLIENTS    4 /* of a crowd */

enum { STAGE_HAPROXY, STAGE_PGBOUNCER, STAGE_CROWDS };

struct crowd {
	const char *proxy;            /* as people call it */
	const char *target;           /* as the log does */
	uint16_t port;                /* where it lets clients in */
	const char *conninfo;         /* to write there */
	struct traffic *traffic;      /* NULL: not started */
	struct traffic_client before; /* at the last look */
};

struct stage {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg;
	struct lab_haproxy *haproxy;
	struct lab_pgbouncer *bouncer;
	struct lab_segue *segue;
	const char *templates; /* the folder */
	struct crowd crowds[STAGE_CROWDS];
};

void stage_start_servers(struct stage *stage);
void stage_start_segue(struct stage *stage); /* both proxies lead to db1 when it returns */
void stage_start_crowds(struct stage *stage);

const char *stage_describe(struct stage *stage, int primary); /* the znode's text */

/* Ends the demo, with segue's log. */
void stage_give_up(struct stage *stage, const char *what) __attribute__((noreturn));

#endif
