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
	resolver_cb *cb; /* NULL: given up, and only waits for evdns to let go of it */
	void *arg;
	char *host;
	struct event *timer;                       /* the deadline; then the call back */
	struct evdns_getaddrinfo_request *request; /* NULL when evdns has nothing in flight */
	bool answered;
	char address[TOPOLOGY_ADDRESS_MAX];
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
	event_del(query->timer);
	if (query->request != NULL)
		evdns_getaddrinfo_cancel(query->request);
	else
		query_free(query);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver_query *query = arg;
	resolver_cb *cb = query->cb;
	char address[TOPOLOGY_ADDRESS_MAX], problem[sizeof(query->problem)];
	void *cb_arg = query->arg;

	(void)fd;
	(void)what;
	memcpy(address, query->address, sizeof(address));
	memcpy(problem, query->problem, sizeof(problem));
	if (!query->answered)
		snprintf(problem, sizeof(problem), "host %s: no name server answered within %d s",
		         query->host, QUERY_MS / 1000);
	query_end(query);
	cb(address[0] != '\0' ? address : NULL, address[0] != '\0' ? NULL : problem, cb_arg);
}

static bool pick_address(const struct evutil_addrinfo *answers, int family, char *out)
{
	for (; answers != NULL; answers = answers->ai_next) {
		const void *bytes;

		if (answers->ai_family != family)
			continue;
		bytes = family == AF_INET
		            ? (const void *)&((struct sockaddr_in *)answers->ai_addr)->sin_addr
		            : (const void *)&((struct sockaddr_in6 *)answers->ai_addr)->sin6_addr;
		return inet_ntop(family, bytes, out, TOPOLOGY_ADDRESS_MAX) != NULL;
	}
	return false;
}

static void on_answer(int result, struct evutil_addrinfo *answers, void *arg)
{
	struct resolver_query *query = arg;

	query->request = NULL;
	query->answered = true;
	if (result != 0)
		snprintf(query->problem, sizeof(query->problem), "host %s does not resolve: %s",
		         query->host, evutil_gai_strerror(result));
	else if (!pick_address(answers, AF_INET, query->address) &&
	         !pick_address(answers, AF_INET6, query->address))
		snprintf(query->problem, sizeof(query->problem), "host %s has no address",
		         query->host);
	if (answers != NULL)
		evutil_freeaddrinfo(answers);
	if (query->cb == NULL)
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

struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, resolver_cb *cb,
                                    void *arg)
{
	const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const struct timeval deadline = {.tv_sec = QUERY_MS / 1000};
	struct resolver_query *query = xcalloc(1, sizeof(*query));
	struct evdns_getaddrinfo_request *request;

	query->resolver = resolver;
	query->cb = cb;
	query->arg = arg;
	query->host = xstrdup(host);
	query->timer = event_new(resolver->base, -1, 0, on_timer, query);
	query->next = resolver->queries;
	query->link = &resolver->queries;
	if (query->next != NULL)
		query->next->link = &query->next;
	resolver->queries = query;
	event_add(query->timer, &deadline);
	request = evdns_getaddrinfo(resolver->dns, host, NULL, &hints, on_answer, query);
	if (!query->answered)
		query->request = request;
	return query;
}

void resolver_cancel(struct resolver_query *query)
{
	query_end(query);
}
