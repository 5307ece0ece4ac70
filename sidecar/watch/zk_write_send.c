/* Requests that are made once: what libzookeeper is asked, and what its answers mean. Always holds:
 * every request that the library took is answered by it, at the latest by zookeeper_close(). */
#include <string.h>

#include "base/util.h"
#include "zk_write_internal.h"

static enum zk_result classify(int rc)
{
	switch (rc) {
	case ZOK:
		return ZK_RESULT_OK;
	case ZNONODE:
		return ZK_RESULT_NO_NODE;
	case ZNODEEXISTS:
		return ZK_RESULT_EXISTS;
	case ZBADVERSION:
		return ZK_RESULT_BAD_VERSION;
	case ZNOAUTH:
	case ZINVALIDACL: /* acl = creator, and nobody is authenticated */
		return ZK_RESULT_DENIED;
	case ZBADARGUMENTS:
	case ZMARSHALLINGERROR:
	case ZUNIMPLEMENTED:
	case ZNOCHILDRENFOREPHEMERALS:
	case ZNOTEMPTY:
	case ZSESSIONCLOSEDREQUIRESASLAUTH:
		return ZK_RESULT_REFUSED;
	default:
		return ZK_RESULT_LOST;
	}
}

/* -- answers: inside zookeeper_process() or zookeeper_close() -- */

static struct zk_answer answer_for(struct zk_write *write, int rc)
{
	struct zk_answer answer = {.result = classify(rc), .data = "", .version = -1};

	write->sent = false;
	zk_reply(write->zk, answer.result == ZK_RESULT_LOST ? rc : ZOK);
	answer.problem = rc != ZOK ? zerror(rc) : NULL;
	return answer;
}

static void fill_stat(const struct zk_write *write, struct zk_answer *answer,
                      const struct Stat *stat)
{
	answer->version = stat->version;
	answer->mzxid = stat->mzxid;
	answer->owner = stat->ephemeralOwner;
	answer->own = stat->ephemeralOwner != 0 &&
	              stat->ephemeralOwner == zoo_client_id(write->zk->handle)->client_id;
}

static void on_set(int rc, const struct Stat *stat, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	if (rc == ZOK)
		fill_stat(write, &answer, stat);
	zk_write_tell(write, &answer);
}

static void on_deleted(int rc, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	zk_write_tell(write, &answer);
}

static void on_read(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	if (rc == ZOK) {
		fill_stat(write, &answer, stat);
		answer.size = len > 0 ? (size_t)len : 0;
		answer.data = answer.size > 0 ? value : "";
	}
	if (write->epoch != write->zk->epoch ||
	    (rc == ZOK && (size_t)stat->dataLength != answer.size)) {
		answer.result = ZK_RESULT_LOST;
		answer.problem = "the value was read before a pause, or cut on its way";
	}
	zk_write_tell(write, &answer);
}

/* The parent after the one that ends at `from`; 0: there is no further one. */
static size_t next_parent(const char *path, size_t from)
{
	const char *slash = strchr(path + from + 1, '/');

	return slash != NULL ? (size_t)(slash - path) : 0;
}

/* True when the request goes on with a parent, or with the node itself once they are all there.
 * A parent that may not be made may be there: the node itself will tell. */
static bool goes_on(struct zk_write *write, enum zk_result result)
{
	bool fresh = write->parent_len == 0 && !write->parent_denied;

	if (result == ZK_RESULT_LOST || result == ZK_RESULT_REFUSED)
		return false;
	if (write->parent_len > 0) {
		write->parent_denied |= result == ZK_RESULT_DENIED;
		write->parent_len = next_parent(write->path, write->parent_len);
		return true;
	}
	if (result != ZK_RESULT_NO_NODE || (write->flags & ZK_CREATE_PARENTS) == 0 || !fresh)
		return false;
	write->flags &= ~(unsigned)ZK_CREATE_PARENTS; /* once */
	write->parent_len = next_parent(write->path, 0);
	return write->parent_len > 0;
}

static void on_created(int rc, const char *path, const void *data)
{
	struct zk_write *write = (struct zk_write *)data;
	struct zk_answer answer = answer_for(write, rc);

	(void)path;
	if (write->cb != NULL && goes_on(write, answer.result)) {
		zk_write_send(write);
		return;
	}
	if (answer.result == ZK_RESULT_NO_NODE && write->parent_denied) {
		answer.result = ZK_RESULT_DENIED;
		answer.problem = "no permission to make its parent";
	}
	zk_write_tell(write, &answer);
}

/* -- sending -- */

static int send_create(struct zk_write *write)
{
	char world[] = "world", anyone[] = "anyone", auth[] = "auth", none[] = "";
	struct ACL creator[] = {{ZOO_PERM_READ, {world, anyone}}, {ZOO_PERM_ALL, {auth, none}}};
	const struct ACL_vector creator_acl = {ARRAY_LEN(creator), creator};
	const struct ACL_vector *acl =
	    write->acl == ZK_ACL_CREATOR ? &creator_acl : &ZOO_OPEN_ACL_UNSAFE;
	zhandle_t *handle = write->zk->handle;
	auto_free char *parent = NULL;

	if (write->parent_len == 0)
		return zoo_acreate(handle, write->path, write->data, (int)write->size, acl,
		                   (write->flags & ZK_CREATE_EPHEMERAL) != 0 ? ZOO_EPHEMERAL
		                                                             : ZOO_PERSISTENT,
		                   on_created, write);
	parent = xstrndup(write->path, write->parent_len);
	return zoo_acreate(handle, parent, "", 0, acl, ZOO_PERSISTENT, on_created, write);
}

static int send_verb(struct zk_write *write)
{
	zhandle_t *handle = write->zk->handle;

	switch (write->verb) {
	case VERB_CREATE:
		return send_create(write);
	case VERB_SET:
		return zoo_aset(handle, write->path, write->data, (int)write->size, write->version,
		                on_set, write);
	case VERB_DELETE:
		return zoo_adelete(handle, write->path, write->version, on_deleted, write);
	case VERB_READ:
		return zoo_aget(handle, write->path, 0, on_read, write);
	}
	return ZBADARGUMENTS;
}

void zk_write_send(struct zk_write *write)
{
	struct zk_answer answer = {.data = "", .version = -1};
	int rc;

	write->epoch = write->zk->epoch;
	rc = send_verb(write);
	write->sent = zk_sent(write->zk, rc);
	if (write->sent)
		return;
	/* not in the library's hands: it has not happened */
	answer.result = classify(rc) == ZK_RESULT_REFUSED ? ZK_RESULT_REFUSED : ZK_RESULT_NOT_SENT;
	answer.problem = zerror(rc);
	zk_write_tell(write, &answer);
}
