/* The request of write.c. No other file includes it. */
#ifndef SEGUE_ZOOKEEPER_WRITE_INTERNAL_H
#define SEGUE_ZOOKEEPER_WRITE_INTERNAL_H

#include "session_internal.h"
#include "zookeeper/write.h"

enum verb { VERB_CREATE, VERB_SET, VERB_DELETE, VERB_READ };

struct zk_write {
	struct zk *zk;
	struct zk_write *next;
	enum verb verb;
	char *path;
	char *data;
	size_t size;
	int32_t version;
	unsigned flags;
	enum zk_acl acl;
	zk_write_cb *cb; /* NULL: nobody waits for the answer */
	void *arg;
	int64_t deadline_ms;
	bool sent; /* the library has it */
	uint64_t epoch;
	size_t parent_len; /* create: path length of the parent being created; 0: the znode */
	bool parent_denied;
};

#endif
