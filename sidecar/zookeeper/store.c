/* The ZooKeeper session of a configuration; see the header. Two configurations share it while a
 * reload replaces one by the other. */
#include "zookeeper/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "session_internal.h"

#define AUTH_FILE_MAX 4096

/* Appends the line "digest user:password" of auth_file, without the line end. Appends nothing if
 * auth_file is not set. */
static bool read_auth(const char *file, struct strbuf *out, struct err *err)
{
	if (*file == '\0')
		return true;
	if (!file_read(file, AUTH_FILE_MAX, out, NULL, err))
		return err_wrap(err, "[zookeeper] auth_file");
	while (out->len > 0 && strchr("\r\n", out->data[out->len - 1]) != NULL)
		out->data[--out->len] = '\0';
	return zk_auth_check(out->data, err) || err_wrap(err, "[zookeeper] auth_file: %s", file);
}

static bool same_settings(const struct store *a, const struct store *b)
{
	return strcmp(a->hosts, b->hosts) == 0 && a->session_timeout_ms == b->session_timeout_ms &&
	       strcmp(a->auth, b->auth) == 0;
}

struct store *store_prepare(struct event_base *base, const struct config *config, struct store *old,
                            struct err *err)
{
	auto_strbuf struct strbuf auth = STRBUF_INIT;
	struct store *store;

	if (!read_auth(config->auth_file, &auth, err))
		return NULL;
	store = xcalloc(1, sizeof(*store));
	*store = (struct store){.base = base,
	                        .hosts = xstrdup(config->zookeeper_hosts),
	                        .auth = strbuf_detach(&auth),
	                        .session_timeout_ms = (int)config->session_timeout_ms,
	                        .users = 1};
	if (old == NULL || !same_settings(store, old))
		return store;
	store_close(store);
	old->users++;
	return old;
}

bool store_open(struct store *store, struct err *err)
{
	const struct zk_options options = {.hosts = store->hosts,
	                                   .session_timeout_ms = store->session_timeout_ms,
	                                   .auth = store->auth};

	if (store->zk != NULL)
		return true;
	store->resolver = resolver_create(store->base, err);
	if (store->resolver == NULL)
		return false;
	store->zk = zk_create(store->base, store->resolver, &options, err);
	return store->zk != NULL || err_wrap(err, "[zookeeper]");
}

static void leave(struct store *store, void (*close)(struct zk *zk))
{
	if (store == NULL || --store->users > 0)
		return;
	close(store->zk);
	resolver_destroy(store->resolver);
	free(store->hosts);
	free(store->auth);
	free(store);
}

void store_close(struct store *store)
{
	leave(store, zk_destroy);
}

void store_end(struct store *store)
{
	leave(store, zk_end);
}
