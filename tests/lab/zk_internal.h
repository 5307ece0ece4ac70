/* What zk_server.c and zk_client.c share. */
#ifndef SEGUE_TESTS_LAB_ZK_INTERNAL_H
#define SEGUE_TESTS_LAB_ZK_INTERNAL_H

#include <zookeeper/zookeeper.h>

#include "lab/internal.h"

#define ZK_SERVERS_MAX 3

struct zk_server {
	struct lab_process *process;
	const char *address;
	const char *dir, *data, *config;
	uint16_t port, peer_port, election_port;
};

enum zk_verb { ZK_SET, ZK_CREATE, ZK_CREATE_EPHEMERAL, ZK_DELETE, ZK_GET, ZK_EXISTS, ZK_MULTI };

struct zk_request {
	enum zk_verb verb;
	const char *path;
	const void *data;
	size_t len;
	struct strbuf *out;       /* ZK_GET */
	const struct zoo_op *ops; /* ZK_MULTI: `len` of them */
	zoo_op_result_t *results;
	bool done;
	int rc;
	struct Stat stat;
};

struct lab_zk {
	struct lab *lab;
	int count; /* 0: the servers are not the lab's own, but shared */
	struct zk_server servers[ZK_SERVERS_MAX];
	const char *hosts;
	const char *classes;     /* an option for Java; NULL: none */
	zhandle_t *session;      /* the lab's own; NULL: not open */
	struct zk_request begun; /* between lab_zk_set_begin() and _finish() */
};

/* The client of servers that are not the lab's own. */
struct lab_zk *zk_of(struct lab *lab, const char *hosts);
void zk_must_own(const struct lab_zk *zk); /* lab_fail() with shared ones */

/* Sends a four-letter word; false when the server does not answer within 0.25 s. */
bool zk_ask(const struct lab_zk *zk, int server, const char *word, struct strbuf *reply);

/* A session with all the servers; `id`: one to take over, or NULL. */
zhandle_t *zk_open(const struct lab_zk *zk, const clientid_t *id);
bool zk_connect(zhandle_t *zh, int64_t deadline); /* pumps until connected */

#endif
