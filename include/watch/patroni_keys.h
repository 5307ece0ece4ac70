/* A Patroni scope in the store, as one value: leader, members, initialize and config are watched
 * each for itself, and told of together when no read of them is under way. */
#ifndef SEGUE_WATCH_PATRONI_KEYS_H
#define SEGUE_WATCH_PATRONI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "base/util.h"
#include "topology/layout.h"

struct event_base;
struct patroni_keys;
struct zk;

enum patroni_keys_state {
	PATRONI_KEYS_UNREACHABLE, /* there is no connection to the store now */
	PATRONI_KEYS_ABSENT,      /* there is no such znode */
	PATRONI_KEYS_DENIED,      /* what has to be read may not be; `problem` says it */
	PATRONI_KEYS_READ,        /* `keys` are what the store says; it may be none */
};

/* Borrowed until the callback returns. */
struct patroni_keys_fact {
	enum patroni_keys_state state;
	const struct layout_patroni *keys;
	int64_t zxid; /* READ: of the newest change; never goes back while the store does not */
	int64_t notified_us; /* of the first change that this tells of */
	int64_t read_us;
	const char *problem; /* DENIED; READ: why there can be no key of Patroni's, or NULL */
};

/* Of the children of a znode: is one of them a key that every scope of Patroni's has? */
bool patroni_keys_has_keys(char *const *names, size_t count);

/* Appends them sorted and escaped, ", " between them, as many as a person would read. */
void patroni_keys_append_names(struct strbuf *out, char *const *names, size_t count);

/* Never called inside patroni_keys_watch(), nor for a change that leaves everything as it was. */
typedef void patroni_keys_cb(const struct patroni_keys_fact *fact, void *arg);
struct patroni_keys *patroni_keys_watch(struct zk *zk, struct event_base *base, const char *path,
                                        patroni_keys_cb *cb, void *arg) MUST_CHECK;
void patroni_keys_unwatch(struct patroni_keys *scope);

#endif
