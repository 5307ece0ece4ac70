/* What zk_write.c (the requests) and zk_write_send.c (the library) share. Nobody else includes it.
 */
#ifndef SEGUE_WATCH_ZK_WRITE_INTERNAL_H
#define SEGUE_WATCH_ZK_WRITE_INTERNAL_H

#include "watch/zk_write.h"
#include "zk_internal.h"

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
	zk_write_cb *cb; /* NULL: nobody waits for it */
	void *arg;
	int64_t deadline_ms;
	bool sent; /* the library has it */
	uint64_t epoch;
	size_t parent_len; /* create: bytes of the parent that is being made; 0: the node itself */
	bool parent_denied;
};

/* zk_write.c: ends the request, and frees it unless the library still has it. The callback may make
 * and cancel others. */
void zk_write_tell(struct zk_write *write, const struct zk_answer *answer);

/* zk_write_send.c: hands it to the library; what that does not take is answered at once, so never
 * inside a call of the caller. */
void zk_write_send(struct zk_write *write);

#endif
