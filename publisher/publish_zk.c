/* The store of publishing: a ZooKeeper session's requests, with the ACL that is configured. */
#include "publisher/publish.h"

static struct zk_write *read_node(void *store, const char *path, zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_read(zk->zk, path, cb, arg);
}

static struct zk_write *create_node(void *store, const char *path, const void *data, size_t size,
                                    zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_create(zk->zk, path, data, size, ZK_CREATE_PARENTS, zk->acl, cb, arg);
}

static struct zk_write *set_node(void *store, const char *path, const void *data, size_t size,
                                 int32_t version, zk_write_cb *cb, void *arg)
{
	const struct publish_zk *zk = store;

	return zk_write_set(zk->zk, path, data, size, version, cb, arg);
}

struct publish_store publish_store_of(struct publish_zk *zk)
{
	return (struct publish_store){.store = zk,
	                              .read = read_node,
	                              .create = create_node,
	                              .set = set_node,
	                              .cancel = zk_write_cancel};
}
