/* What zk_server.c and zk_client.c share. */
#ifndef SEGUE_TESTS_LAB_ZK_INTERNAL_H
#define SEGUE_TESTS_LAB_ZK_INTERNAL_H

#include <zookeeper/zookeeper.h>

#include "lab/internal.h"

#define ZK_SERVERS_MAX 3

struct zk_server {
	struct lab_process *process;
	const char *dir, *data, *config;
	uint16_t port, peer_port, election_port;
};

struct lab_zk {
	struct lab *lab;
	int count;
	struct zk_server servers[ZK_SERVERS_MAX];
	const char *hosts;
	zhandle_t *session; /* the lab's own; NULL: not open */
};

/* Sends a four-letter word; false when the server does not answer within 0.25 s. */
bool zk_ask(const struct lab_zk *zk, int server, const char *word, struct strbuf *reply);

#endif
