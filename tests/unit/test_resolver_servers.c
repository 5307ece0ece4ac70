/* Whom the resolver asks: name servers of the test's own, which answer in its loop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "unit/loop.h"
#include "zookeeper/resolver.h"

#define SERVERS 3
#define NAME    "db1.test"
#define WAIT_MS 10000
#define SILENT  (-1)

struct name_server {
	struct evdns_server_port *dns;
	uint16_t port;
	int result;     /* DNS_ERR_..., or SILENT */
	const char *is; /* whose address NAME has */
	int asked;
};

static struct {
	struct event_base *base;
	struct name_server servers[SERVERS];
	char dir[64], resolv_conf[96], hosts[96];
	struct resolver_files files;
	struct resolver *resolver;
	int calls;
	char address[TOPOLOGY_ADDRESS_MAX];
} t;

static void on_question(struct evdns_server_request *request, void *arg)
{
	struct name_server *server = arg;
	const char *name = request->questions[0]->name;
	struct in_addr address;

	server->asked++;
	if (server->result == SILENT) {
		evdns_server_request_drop(request);
		return;
	}
	cr_assert_eq(inet_pton(AF_INET, server->is, &address), 1);
	if (server->result == DNS_ERR_NONE && request->questions[0]->type == EVDNS_TYPE_A)
		evdns_server_request_add_a_reply(request, name, 1, &address, 1);
	evdns_server_request_respond(request, server->result);
}

static void start_server(struct name_server *server, int result, const char *is)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*server = (struct name_server){.port = ntohs(address.sin_port), .result = result, .is = is};
	server->dns = evdns_add_server_port_with_base(t.base, fd, 0, on_question, server);
	cr_assert_not_null(server->dns);
}

static void write_text(const char *path, const char *text)
{
	const struct file_owner owner = {.mode = 0644};
	struct err err;

	cr_assert(file_replace(path, text, strlen(text), &owner, &err), "%s", err.message);
}

/* In this order. */
static void write_resolv_conf(int first, int second, int third)
{
	auto_free char *text =
	    xasprintf("# nameserver 127.0.0.9\nnameserver 127.0.0.1:%u\n"
	              "options ndots:1\nnameserver\t 127.0.0.1:%u # two\n"
	              "nameserver 127.0.0.1:%u",
	              t.servers[first].port, t.servers[second].port, t.servers[third].port);

	write_text(t.resolv_conf, text);
}

/* Three name servers: what the first one says, the second one, whose address is 127.0.0.2, and the
 * third one. */
static void start(int first, int second, int third)
{
	struct err err;

	start_server(&t.servers[0], first, "127.0.0.1");
	start_server(&t.servers[1], second, "127.0.0.2");
	start_server(&t.servers[2], third, "127.0.0.3");
	write_resolv_conf(0, 1, 2);
	t.resolver = resolver_create_from(t.base, &t.files, &err);
	cr_assert_not_null(t.resolver, "%s", err.message);
}

static void init(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-resolver-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.resolv_conf, sizeof(t.resolv_conf), "%s/resolv.conf", t.dir);
	snprintf(t.hosts, sizeof(t.hosts), "%s/hosts", t.dir);
	t.files = (struct resolver_files){t.resolv_conf, t.hosts};
	write_text(t.hosts, "");
}

static void fini(void)
{
	resolver_destroy(t.resolver);
	for (int i = 0; i < SERVERS; i++)
		if (t.servers[i].dns != NULL)
			evdns_close_server_port(t.servers[i].dns);
	event_base_loop(t.base, EVLOOP_NONBLOCK);
	event_base_free(t.base);
	unlink(t.resolv_conf);
	unlink(t.hosts);
	rmdir(t.dir);
}

TestSuite(resolver_servers, .init = init, .fini = fini, .timeout = 60);

static void on_answer(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                      void *arg)
{
	const char *address = count > 0 ? addresses[0] : NULL;

	(void)arg;
	cr_assert_neq(address == NULL, problem == NULL);
	snprintf(t.address, sizeof(t.address), "%s", address != NULL ? address : "");
	t.calls++;
}

/* "" for none. */
static const char *ask(const char *host)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	t.calls = 0;
	cr_assert_not_null(resolver_ask(t.resolver, host, on_answer, NULL));
	cr_assert_eq(t.calls, 0);
	while (t.calls == 0 && clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert_eq(t.calls, 1);
	return t.address;
}

Test(resolver_servers, while_the_first_answers_nobody_else_is_asked)
{
	start(DNS_ERR_NONE, DNS_ERR_NONE, DNS_ERR_NONE);
	for (int i = 0; i < 10; i++)
		cr_expect_str_eq(ask(NAME), "127.0.0.1");
	cr_expect_geq(t.servers[0].asked, 10);
	cr_expect_eq(t.servers[1].asked + t.servers[2].asked, 0);
}

Test(resolver_servers, that_it_knows_no_such_name_is_an_answer)
{
	start(DNS_ERR_NOTEXIST, DNS_ERR_NONE, DNS_ERR_NONE);
	cr_expect_str_eq(ask(NAME), "");
	cr_expect_eq(t.servers[1].asked + t.servers[2].asked, 0);
}

Test(resolver_servers, one_that_is_silent_or_fails_is_passed_over_in_their_order)
{
	start(SILENT, DNS_ERR_NONE, DNS_ERR_NONE);
	cr_expect_str_eq(ask(NAME), "127.0.0.2");
	t.servers[0].result = DNS_ERR_SERVERFAILED;
	cr_expect_str_eq(ask(NAME), "127.0.0.2");
	t.servers[1].result = DNS_ERR_REFUSED;
	cr_expect_str_eq(ask(NAME), "127.0.0.3");
	t.servers[0].result = SILENT;
	t.servers[1].result = SILENT;
	cr_expect_str_eq(ask(NAME), "127.0.0.3");
	t.servers[0].result = DNS_ERR_NONE;
	cr_expect_str_eq(ask(NAME), "127.0.0.1");
}

Test(resolver_servers, all_silent_is_a_problem_in_time)
{
	start(SILENT, SILENT, SILENT);
	cr_expect_str_eq(ask(NAME), "");
	for (int i = 0; i < SERVERS; i++)
		cr_expect_gt(t.servers[i].asked, 0, "%d", i);
}

Test(resolver_servers, both_files_are_read_anew_when_they_change)
{
	start(DNS_ERR_NONE, DNS_ERR_NONE, DNS_ERR_NONE);
	cr_expect_str_eq(ask(NAME), "127.0.0.1");
	write_resolv_conf(1, 2, 0);
	cr_expect_str_eq(ask(NAME), "127.0.0.2");
	write_text(t.hosts, "127.0.0.4 " NAME "\n");
	cr_expect_str_eq(ask(NAME), "127.0.0.4");
	unlink(t.hosts);
	cr_expect_str_eq(ask(NAME), "127.0.0.2");
}

/* In flight: the first name server, then the second one has the question. */
static void wait_for_second(void)
{
	int64_t until = clock_now_ms() + WAIT_MS;

	while (t.servers[1].asked == 0 && clock_now_ms() < until)
		loop_for(t.base, 5);
	cr_assert_gt(t.servers[1].asked, 0);
}

Test(resolver_servers, cancelled_while_the_first_and_while_the_second_is_asked)
{
	struct resolver_query *query;

	start(SILENT, SILENT, SILENT);
	resolver_cancel(resolver_ask(t.resolver, NAME, on_answer, NULL));
	query = resolver_ask(t.resolver, NAME, on_answer, NULL);
	wait_for_second();
	resolver_cancel(query);
	loop_for(t.base, 50);
	cr_expect_eq(t.calls, 0);
}

Test(resolver_servers, destroyed_while_the_second_is_asked)
{
	start(SILENT, SILENT, SILENT);
	cr_assert_not_null(resolver_ask(t.resolver, NAME, on_answer, NULL));
	wait_for_second();
	resolver_destroy(STEAL(t.resolver));
	loop_for(t.base, 50);
	cr_expect_eq(t.calls, 0);
}
