/* What the tests of segue publish stand on: a ZooKeeper, three PostgreSQL servers and a witness
 * under repmgr, and a publisher beside each of the three. */
#ifndef SEGUE_TESTS_E2E_CROWD_H
#define SEGUE_TESTS_E2E_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "lab/lab.h"
#include "lab/lab_ha.h"
#include "topology/topology.h"

#define CROWD_NODES      3
#define CROWD_TIMEOUT_MS 30000
#define CROWD_PATH       "/segue/orders"

struct crowd_options {
	bool alone;           /* no repmgr: a primary and its standbys, promoted by hand */
	bool quiet;           /* no publisher is started */
	const char *settings; /* more lines for [publisher orders]; NULL: none */
	bool own_zk;          /* else it shares a ZooKeeper server */
	bool events;          /* repmgr's event_notification_command is segue notify */
};

struct crowd {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_repmgr *repmgr; /* NULL: alone */
	struct lab_pg *pg;
	struct lab_segue *publishers[CROWD_NODES];
};

/* Ready: the znode names node 0, and all publishers are present. */
void crowd_start(struct crowd *crowd, const struct crowd_options *options);
void crowd_fini(struct crowd *crowd);

/* Alone: for this publisher a node is at another port, from its next start on. */
void crowd_move_node(struct crowd *crowd, int publisher, int node, uint16_t port);

/* segue.ini of a publisher beside that node. */
const char *crowd_ini(struct crowd *crowd, int node, const char *settings);

/* The node that the znode names; -1: none, or there is no znode. */
int crowd_primary(struct crowd *crowd, struct topology *out); /* `out` may be NULL, else to end */
void crowd_must_name(struct crowd *crowd, int node, int64_t timeline);
void crowd_must_name_nobody(struct crowd *crowd);
bool crowd_wait_present(struct crowd *crowd, int publisher, bool there);

const char *crowd_logs(struct crowd *crowd);

#endif
