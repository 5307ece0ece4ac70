/* Resolves host names with evdns; see the header. evdns asks the name servers in turn and repeats
 * the query to a silent one; libc asks the first one that answers. If their answers differ, only
 * libc's order finds a name that only the first one knows. So each name server has its own
 * evdns_base, and a query goes from one to the next. A query ends after QUERY_MS, whatever the name
 * servers do. Callbacks always come from the loop, never from inside resolver_ask(), although evdns
 * answers from /etc/hosts at once. */
#include "zookeeper/resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"

#define QUERY_MS    5000
#define TRIES       3 /* each of TRY_S seconds; all fit into QUERY_MS */
#define TRY_S       "1.3"
#define SERVERS_MAX 3 /* resolv.conf(5), MAXNS */
#define FILE_MAX    ((size_t)64 * 1024)

struct resolver {
	struct event_base *base;
	struct resolver_files files;
	struct stat read[2];                     /* stat() of the files, as they were read */
	struct evdns_base *servers[SERVERS_MAX]; /* one per name server, in their order */
	size_t count;
	struct resolver_query *queries; /* in flight */
};

struct resolver_query {
	struct resolver *resolver;
	struct resolver_query *next, **link;
	resolver_cb *cb; /* NULL: cancelled, and only waits until evdns has confirmed it */
	void *arg;
	char *host;
	struct timer *timer;                       /* the deadline; then triggers the callback */
	struct evdns_getaddrinfo_request *request; /* NULL when evdns has nothing in flight */
	size_t tries;
	bool answered;
	char addresses[RESOLVER_ADDRESSES_MAX][TOPOLOGY_ADDRESS_MAX];
	size_t count;
	char problem[TOPOLOGY_HOST_MAX + 128];
};

static void query_free(struct resolver_query *query)
{
	timer_free(query->timer);
	free(query->host);
	free(query);
}

/* Removes the query from the resolver's list and ends its callbacks. evdns holds a pointer to the
 * query until it has confirmed the cancel, so the memory is freed then. */
void resolver_cancel(struct resolver_query *query)
{
	*query->link = query->next;
	if (query->next != NULL)
		query->next->link = query->link;
	query->cb = NULL;
	timer_stop(query->timer);
	if (query->request != NULL)
		evdns_getaddrinfo_cancel(query->request);
	else
		query_free(query);
}

/* The query ends before its callback, which may start another one or destroy the resolver. */
static void on_timer(void *arg)
{
	struct resolver_query *query = arg, answer = *query;
	const char *problem = answer.count > 0 ? NULL : answer.problem;

	if (!answer.answered)
		snprintf(answer.problem, sizeof(answer.problem),
		         "host %s: no name server answered within %d s", query->host,
		         QUERY_MS / 1000);
	resolver_cancel(query);
	answer.cb(answer.addresses, answer.count, problem, answer.arg);
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

static void take_answer(struct resolver_query *query, int result,
                        const struct evutil_addrinfo *answers)
{
	query->answered = true;
	if (result != 0)
		snprintf(query->problem, sizeof(query->problem), "host %s does not resolve: %s",
		         query->host, evutil_gai_strerror(result));
	add_addresses(query, answers, AF_INET);
	add_addresses(query, answers, AF_INET6);
	if (result == 0 && query->count == 0)
		snprintf(query->problem, sizeof(query->problem), "host %s has no address",
		         query->host);
	timer_fire(query->timer);
}

static void send_query(struct resolver_query *query);

static void on_answer(int result, struct evutil_addrinfo *answers, void *arg)
{
	struct resolver_query *query = arg;
	const bool failed = result == EVUTIL_EAI_AGAIN || result == EVUTIL_EAI_FAIL;

	query->request = NULL;
	if (query->cb == NULL)
		query_free(query);
	else if (failed && query->tries < TRIES)
		send_query(query);
	else
		take_answer(query, result, answers);
	if (answers != NULL)
		evutil_freeaddrinfo(answers);
}

/* If evdns answers at once, on_answer() has run when evdns_getaddrinfo() returns, and there is no
 * request to keep. */
static void send_query(struct resolver_query *query)
{
	const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const struct resolver *resolver = query->resolver;
	struct evdns_getaddrinfo_request *request;

	if (resolver->count == 0) {
		take_answer(query, EVUTIL_EAI_SYSTEM, NULL);
		return;
	}
	request = evdns_getaddrinfo(resolver->servers[query->tries++ % resolver->count],
	                            query->host, NULL, &hints, on_answer, query);
	if (request != NULL && !query->answered)
		query->request = request;
}

/* ---- the files ---- */

/* evdns itself reads "options" and "search". A name server that swallows the AAAA query costs 0.3
 * s. One that has failed is still asked, so it need not be probed (evdns would probe it with
 * google.com). Nothing is added if `address` is not an address. */
static void add_server(struct resolver *resolver, const char *address)
{
	struct evdns_base *dns = NULL;

	if (resolver->count < SERVERS_MAX)
		dns = evdns_base_new(resolver->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns == NULL)
		return;
	(void)evdns_base_resolv_conf_parse(dns, DNS_OPTION_SEARCH | DNS_OPTION_MISC,
	                                   resolver->files.resolv_conf);
	(void)evdns_base_load_hosts(dns, resolver->files.hosts);
	evdns_base_set_option(dns, "timeout:", TRY_S);
	evdns_base_set_option(dns, "attempts:", "1");
	evdns_base_set_option(dns, "getaddrinfo-allow-skew:", "0.3");
	evdns_base_set_option(dns, "initial-probe-timeout:", "3600");
	if (evdns_base_nameserver_ip_add(dns, address) == 0)
		resolver->servers[resolver->count++] = dns;
	else
		evdns_base_free(dns, 1);
}

/* As in libc, a file that cannot be read counts as empty, and without a name server it is
 * 127.0.0.1. */
static void read_servers(struct resolver *resolver)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	char address[64];
	struct err ignored;

	if (!file_read(resolver->files.resolv_conf, FILE_MAX, &text, NULL, &ignored))
		strbuf_reset(&text);
	for (const char *line = text.data; *line != '\0'; line += strspn(line, "\n")) {
		if (sscanf(line, "nameserver%*[ \t]%63[^ \t\r\n]", address) == 1)
			add_server(resolver, address);
		line += strcspn(line, "\n");
	}
	if (resolver->count == 0)
		add_server(resolver, "127.0.0.1");
}

static void drop_servers(struct resolver *resolver)
{
	while (resolver->count > 0)
		evdns_base_free(resolver->servers[--resolver->count], 1);
}

/* evdns reports that all name servers have failed whenever one has, because each of ours is alone
 * in its evdns_base. */
static void on_library_log(int severity, const char *message)
{
	LOG_EMIT(severity >= EVENT_LOG_WARN ? LOG_WARNING : LOG_DEBUG, "libevent",
	         KV_STR("message", message));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads the files again if they have changed. No query may be in flight. Without free descriptors
 * there may be no server; then the next query tries again. */
static void read_files(struct resolver *resolver)
{
	const char *const paths[] = {resolver->files.resolv_conf, resolver->files.hosts};
	bool same = resolver->count > 0;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct stat now;

		if (stat(paths[i], &now) != 0)
			now = (struct stat){0};
		same = same && is_same(&now, &resolver->read[i]);
		resolver->read[i] = now;
	}
	if (same)
		return;
	drop_servers(resolver);
	read_servers(resolver);
}

struct resolver *resolver_create_from(struct event_base *base, const struct resolver_files *files,
                                      struct err *err)
{
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));

	event_set_log_callback(on_library_log);
	resolver->base = base;
	resolver->files = *files;
	read_files(resolver);
	if (resolver->count > 0)
		return resolver;
	free(resolver);
	err_set(err, "cannot set up name resolution: evdns has no name server");
	return NULL;
}

struct resolver *resolver_create(struct event_base *base, struct err *err)
{
	static const struct resolver_files files = {"/etc/resolv.conf", "/etc/hosts"};

	return resolver_create_from(base, &files, err);
}

void resolver_destroy(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	for (struct resolver_query *query = resolver->queries, *next; query != NULL; query = next) {
		next = query->next;
		resolver_cancel(query);
	}
	drop_servers(resolver);
	free(resolver);
}

struct event_base *resolver_base(const struct resolver *resolver)
{
	return resolver->base;
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, resolver_cb *cb,
                                    void *arg)
{
	struct resolver_query *query = xcalloc(1, sizeof(*query));

	if (resolver->queries == NULL)
		read_files(resolver);
	query->resolver = resolver;
	query->cb = cb;
	query->arg = arg;
	query->host = xstrdup(host);
	query->timer = timer_new(resolver->base, on_timer, query);
	query->next = resolver->queries;
	query->link = &resolver->queries;
	if (query->next != NULL)
		query->next->link = &query->next;
	resolver->queries = query;
	timer_start(query->timer, QUERY_MS);
	send_query(query);
	return query;
}
