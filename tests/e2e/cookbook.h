/* What the tests of the cookbook stand on: a ZooKeeper, a HAProxy and perhaps a PgBouncer, and a
 * sidecar with the recipe's template in place. */
#ifndef SEGUE_TESTS_E2E_COOKBOOK_H
#define SEGUE_TESTS_E2E_COOKBOOK_H

#include <stdint.h>

#include "lab/lab.h"

#define COOKBOOK_TIMEOUT_MS 20000

struct cookbook {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_pgbouncer *bouncer; /* where the recipe has one */
	struct lab_segue *segue;
};

/* ZooKeeper and HAProxy are up. */
void cookbook_init(struct cookbook *book);
void cookbook_add_pgbouncer(struct cookbook *book, const char *settings); /* of pgbouncer.ini */

/* [haproxy CLUSTER] and [pgbouncer CLUSTER] with that recipe, to which var. lines can be added. */
const char *cookbook_haproxy(struct cookbook *book, const char *cluster, const char *recipe);
const char *cookbook_pgbouncer(struct cookbook *book, const char *cluster, const char *recipe);

/* Runs segue with these clusters and targets. */
void cookbook_run(struct cookbook *book, const char *sections);

/* The znode of a cluster with layout segue: 127.0.0.1 and this port is the primary; 0: nobody. */
void cookbook_name(struct cookbook *book, const char *cluster, uint16_t port);

/* New connections get to the server of that name; "": to none. At once, or soon. */
void cookbook_must_reach(uint16_t port, const char *name);

#endif
