/* Host names -> numeric addresses without stalling the loop (libevent's evdns). As libc does it:
 * what /etc/hosts has, else what the first name server of /etc/resolv.conf says that answers; both
 * files are read anew when they have changed. Numeric addresses never come here. */
#ifndef SEGUE_ZOOKEEPER_RESOLVER_H
#define SEGUE_ZOOKEEPER_RESOLVER_H

#include "base/err.h"
#include "topology/topology.h"

struct event_base;
struct resolver;
struct resolver_query;

struct resolver *resolver_create(struct event_base *base, struct err *err) MUST_CHECK;

struct resolver_files { /* borrowed */
	const char *resolv_conf, *hosts;
};
struct resolver *resolver_create_from(struct event_base *base, const struct resolver_files *files,
                                      struct err *err) MUST_CHECK;
void resolver_destroy(struct resolver *resolver); /* cancels what is in flight */
struct event_base *resolver_base(const struct resolver *resolver);

/* `address` is numeric, or NULL with `problem` set. Called once, never inside resolver_ask(), never
 * after resolver_cancel(). IPv4 is preferred where a name has both. */
typedef void resolver_cb(const char *address, const char *problem, void *arg);
struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, resolver_cb *cb,
                                    void *arg) MUST_CHECK;

/* The same for names that stand for several servers: all addresses, the IPv4 ones first, at most
 * RESOLVER_ADDRESSES_MAX. `count` 0: `problem` is set. */
#define RESOLVER_ADDRESSES_MAX 16
typedef void resolver_all_cb(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count,
                             const char *problem, void *arg);
struct resolver_query *resolver_ask_all(struct resolver *resolver, const char *host,
                                        resolver_all_cb *cb, void *arg) MUST_CHECK;

void resolver_cancel(struct resolver_query *query);

#endif
