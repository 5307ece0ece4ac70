/* A real ZooKeeper behind a relay that spoils its replies. */
#ifndef SEGUE_TESTS_E2E_HOSTILE_ZK_H
#define SEGUE_TESTS_E2E_HOSTILE_ZK_H

#include <stdint.h>

#include "lab/lab.h"

enum hostile_zk_way {
	HOSTILE_ZK_FAITHFUL,
	HOSTILE_ZK_NEGATIVE_COUNT, /* of children */
	HOSTILE_ZK_NULL_NAME,      /* of a child */
	HOSTILE_ZK_REPLY_TWICE,    /* to a read of data: the C client does not survive it */
};

struct hostile_zk {
	uint16_t port;
	volatile enum hostile_zk_way *way; /* may be changed at any time */
};

/* In front of the first server of `zk`; lives as long as the lab. */
struct hostile_zk hostile_zk_start(struct lab *lab, struct lab_zk *zk);

#endif
