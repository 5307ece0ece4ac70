/* Host names through evdns; see the header. Refuses to wait: a query ends after QUERY_MS, whatever
 * the name servers do. Always holds: the loop calls back, never resolver_ask() itself, though evdns
 * answers from /etc/hosts at once. */
#include "watch/resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_MS 5000

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	struct resolver_query *queries; /* in flight */
};

struct resolver_query {
	struct resolver *resolver;
	struct resolver_query *next, **link;
	resolver_cb *cb; /* both NULL: given up, and only waits for evdns to let go of it */
	resolver_all_cb *all_cb;
	void *arg;
	char *host;
	struct event *timer;                       /* the deadline; then the call back */
	struct evdns_getaddrinfo_request *request; /* NULL when evdns has nothing in flight */
	bool answered;
	char addresses[RESOLVER_ADDRESSES_MAX][TOPOLOGY_ADDRESS_MAX];
	size_t count;
	char problem[TOPOLOGY_HOST_MAX + 128];
};

static void query_free(struct resolver_query *query)
{
	event_free(query->timer);
	free(query->host);
	free(query);
}

/* Off the resolver's list and without a call back from here on. evdns holds a pointer to the query
 * until it has confirmed the cancel: the memory goes then. */
static void query_end(struct resolver_query *query)
{
	*query->link = query->next;
	if (query->next != NULL)
		query->next->link = query->link;
	query->cb = NULL;
	query->all_cb = NULL;
	event_del(query->timer);
	if (query->request != NULL)
		evdns_getaddrinfo_cancel(query->request);
	else
		query_free(query);
}

/* The query is gone before its call back, which may ask again or end the resolver. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver_query *query = arg, answer = *query;
	const char *problem = answer.count > 0 ? NULL : answer.problem;

	(void)fd;
	(void)what;
	if (!answer.answered)
		snprintf(answer.problem, sizeof(answer.problem),
		         "host %s: no name server answered within %d s", query->host,
		         QUERY_MS / 1000);
	query_end(query);
	if (answer.all_cb != NULL)
		answer.all_cb(answer.addresses, answer.count, problem, answer.arg);
	else
		answer.cb(answer.count > 0 ? answer.addresses[0] : NULL, problem, answer.arg);
}

static void add_addresses(struct resolver_query *query, const struct evutil_addrinfo *answers,
                          int family)
{
	for (; answers != NULL && query->count < RESOLVER_ADDRESSES_MAX;
	     answers = answers->ai_next) {
		const void *bytes;

		if (answers->ai_family != family)
			continue;
		bytes = family == AF_INET
		            ? (const void *)&((struct sockaddr_in *)answers->ai_addr)->sin_addr
		            : (const void *)&((struct sockaddr_in6 *)answers->ai_addr)->sin6_addr;
		if (inet_ntop(family, bytes, query->addresses[query->count],
		              TOPOLOGY_ADDRESS_MAX) != NULL)
			query->count++;
	}
}

static void on_answer(int result, struct evutil_addrinfo *answers, void *arg)
{
	struct resolver_query *query = arg;

	query->request = NULL;
	query->answered = true;
	if (result != 0)
		snprintf(query->problem, sizeof(query->problem), "host %s does not resolve: %s",
		         query->host, evutil_gai_strerror(result));
	add_addresses(query, answers, AF_INET);
	add_addresses(query, answers, AF_INET6);
	if (result == 0 && query->count == 0)
		snprintf(query->problem, sizeof(query->problem), "host %s has no address",
		         query->host);
	if (answers != NULL)
		evutil_freeaddrinfo(answers);
	if (query->cb == NULL && query->all_cb == NULL)
		query_free(query);
	else
		event_active(query->timer, EV_TIMEOUT, 0);
}

struct resolver *resolver_create(struct event_base *base, struct err *err)
{
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));

	resolver->base = base;
	resolver->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
	                                         EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL) { /* resolv.conf is there but cannot be used */
		resolver->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (resolver->dns == NULL) {
			free(resolver);
			err_set(err, "cannot set up name resolution: evdns_base_new() failed");
			return NULL;
		}
		evdns_base_load_hosts(resolver->dns, "/etc/hosts");
	}
	/* Three tries fit into QUERY_MS; a name server that swallows AAAA costs 0.3 s, not 3 s. */
	evdns_base_set_option(resolver->dns, "timeout:", "1.5");
	evdns_base_set_option(resolver->dns, "attempts:", "3");
	evdns_base_set_option(resolver->dns, "getaddrinfo-allow-skew:", "0.3");
	return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	for (struct resolver_query *query = resolver->queries, *next; query != NULL; query = next) {
		next = query->next;
		query_end(query);
	}
	evdns_base_free(resolver->dns, 1);
	free(resolver);
}

struct event_base *resolver_base(const struct resolver *resolver)
{
	return resolver->base;
}

static struct resolver_query *start_query(struct resolver *resolver, const char *host, void *arg)
{
	const struct timeval deadline = {.tv_sec = QUERY_MS / 1000};
	struct resolver_query *query = xcalloc(1, sizeof(*query));

	query->resolver = resolver;
	query->arg = arg;
	query->host = xstrdup(host);
	query->timer = event_new(resolver->base, -1, 0, on_timer, query);
	query->next = resolver->queries;
	query->link = &resolver->queries;
	if (query->next != NULL)
		query->next->link = &query->next;
	resolver->queries = query;
	event_add(query->timer, &deadline);
	return query;
}

static void send_query(struct resolver_query *query)
{
	const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct evdns_getaddrinfo_request *request =
	    evdns_getaddrinfo(query->resolver->dns, query->host, NULL, &hints, on_answer, query);

	if (!query->answered)
		query->request = request;
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, resolver_cb *cb,
                                    void *arg)
{
	struct resolver_query *query = start_query(resolver, host, arg);

	query->cb = cb;
	send_query(query);
	return query;
}

struct resolver_query *resolver_ask_all(struct resolver *resolver, const char *host,
                                        resolver_all_cb *cb, void *arg)
{
	struct resolver_query *query = start_query(resolver, host, arg);

	query->all_cb = cb;
	send_query(query);
	return query;
}

void resolver_cancel(struct resolver_query *query)
{
	query_end(query);
}
