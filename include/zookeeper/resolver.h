/* Resolves host names to numeric addresses without blocking the event loop (libevent's evdns). It
 * looks where libc looks: in /etc/hosts, then at the first name server of /etc/resolv.conf that
 * answers. Both files are read again after they have changed. Callers pass no numeric addresses. */
#ifndef SEGUE_ZOOKEEPER_RESOLVER_H
#define SEGUE_ZOOKEEPER_RESOLVER_H

#include "base/err.h"
#include "topology/topology.h"

struct event_base;
struct resolver;
struct resolver_query;

struct resolver *resolver_create(struct event_base *base, struct err *err) MUST_CHECK;

struct resolver_files { /* paths, borrowed for the life of the resolver */
	const char *resolv_conf, *hosts;
};
struct resolver *resolver_create_from(struct event_base *base, const struct resolver_files *files,
                                      struct err *err) MUST_CHECK;
void resolver_destroy(struct resolver *resolver); /* cancels the queries in flight */
struct event_base *resolver_base(const struct resolver *resolver);

/* All numeric addresses of the name, IPv4 first, at most RESOLVER_ADDRESSES_MAX, borrowed until the
 * callback returns. If `count` is 0, `problem` is set; else it is NULL. Called exactly once, never
 * inside resolver_ask(), never after resolver_cancel(). */
#define RESOLVER_ADDRESSES_MAX 16
typedef void resolver_cb(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                         void *arg);
struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, resolver_cb *cb,
                                    void *arg) MUST_CHECK;
void resolver_cancel(struct resolver_query *query);

#endif
