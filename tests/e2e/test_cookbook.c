/* What the recipes of templates/cookbook promise, with real proxies and a segue that runs. Servers
 * that only say their name stand for PostgreSQL where its protocol does not matter. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/cookbook_stage.h"

#define CROWD 40 /* of clients; more than HAProxy's maxconn in this test */

TestSuite(cookbook, .timeout = 90);

/* --- two clusters --- */

static void name_backend(struct cookbook *book, const char *cluster,
                         const struct lab_backend *backend)
{
	cookbook_name(book, cluster, lab_backend_port(backend));
}

static int dial(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
	                                    .sin_port = htons(port),
	                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	(void)!connect(fd, (const struct sockaddr *)&address, sizeof(address));
	return fd;
}

static char first_byte(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte = '\0';

	return poll(&wait, 1, timeout_ms) == 1 && read(fd, &byte, 1) == 1 ? byte : '\0';
}

static const char *two_clusters(struct cookbook *book, const uint16_t ports[2])
{
	static const char *const clusters[] = {"orders", "billing"};
	const char *text = "";

	for (int i = 0; i < 2; i++)
		text = lab_printf(book->lab,
		                  "%s[cluster %s]\npath = /segue/%s\nverify = disable\n%s"
		                  "var.bind = 127.0.0.1:%u\nvar.share = 8\n",
		                  text, clusters[i], clusters[i],
		                  cookbook_haproxy(book, clusters[i], "two-clusters"), ports[i]);
	return text;
}

Test(cookbook, clients_that_wait_for_one_cluster_leave_room_for_the_other)
{
	struct cookbook book;
	struct lab_backend *orders[2], *billing;
	uint16_t ports[2];
	int repmgr_stage[CROWD];
	auto_strbuf struct strbuf reply = STRBUF_INIT;

	cookbook_init(&book);
	orders[0] = lab_backend_start(book.lab, "o0");
	orders[1] = lab_backend_start(book.lab, "o1");
	billing = lab_backend_start(book.lab, "b");
	ports[0] = lab_port(book.lab);
	ports[1] = lab_port(book.lab);
	name_backend(&book, "orders", orders[0]);
	name_backend(&book, "billing", billing);
	cookbook_run(&book, two_clusters(&book, ports));
	cookbook_must_reach(ports[0], "o0");
	cookbook_must_reach(ports[1], "b");
	cr_assert(lab_haproxy_command(book.haproxy, "set maxconn global 24", &reply));

	cookbook_name(&book, "orders", 0);
	cr_assert_not_null(lab_segue_wait_log(book.segue, COOKBOOK_TIMEOUT_MS, "event=hold ",
	                                      "cluster=orders", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(book.segue)));
	cookbook_must_reach(ports[0], "");
	for (int i = 0; i < CROWD; i++)
		repmgr_stage[i] = dial(ports[0]);
	cr_expect_eq(first_byte(repmgr_stage[0], 200), '\0', "there is nobody to answer");
	cookbook_must_reach(ports[1], "b");
	name_backend(&book, "orders", orders[1]);
	cr_expect_eq(first_byte(repmgr_stage[0], COOKBOOK_TIMEOUT_MS), 'o', "who waits goes on");
	cookbook_must_reach(ports[1], "b");
	for (int i = 0; i < CROWD; i++)
		close(repmgr_stage[i]);
	cookbook_must_reach(ports[0], "o1");
	lab_destroy(book.lab);
}

/* --- Patroni with tags --- */

struct place {
	const char *name, *tags;
	const struct lab_backend *backend;
};

/* The member's key, as Patroni writes it. */
static void set_place(struct cookbook *book, const struct place *place, const char *role)
{
	const char *json =
	    lab_printf(book->lab,
	               "{\"conn_url\":\"postgres://127.0.0.1:%u/postgres\",\"state\":\"running\","
	               "\"role\":\"%s\",\"tags\":%s,\"xlog_location\":1000,\"timeline\":1}",
	               lab_backend_port(place->backend), role, place->tags);

	lab_zk_set(book->zk, lab_printf(book->lab, "/service/orders/members/%s", place->name), json,
	           strlen(json));
}

Test(cookbook, a_tag_moves_readers_from_one_pool_to_the_other_without_a_reload)
{
	struct cookbook book;
	struct place places[] = {
	    {"pg1", "{}", NULL}, {"pg2", "{}", NULL}, {"pg3", "{\"reporting\":true}", NULL}};
	uint16_t rw, ro, reporting;
	pid_t worker;

	cookbook_init(&book);
	rw = lab_port(book.lab);
	ro = lab_port(book.lab);
	reporting = lab_port(book.lab);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		places[i].backend = lab_backend_start(book.lab, places[i].name);
		set_place(&book, &places[i], i == 0 ? "master" : "replica");
	}
	lab_zk_set(book.zk, "/service/orders/leader", "pg1", 3);
	cookbook_run(&book,
	             lab_printf(book.lab,
	                        "[cluster orders]\nlayout = patroni\npath = /service/orders\n"
	                        "verify = disable\n%svar.rw_bind = 127.0.0.1:%u\n"
	                        "var.ro_bind = 127.0.0.1:%u\nvar.reporting_bind = 127.0.0.1:%u\n",
	                        cookbook_haproxy(&book, "orders", "patroni-tags"), rw, ro,
	                        reporting));
	cookbook_must_reach(rw, "pg1");
	cookbook_must_reach(ro, "pg2");
	cookbook_must_reach(reporting, "pg3");
	worker = lab_haproxy_worker(book.haproxy);

	places[1].tags = "{\"reporting\":true}";
	places[2].tags = "{}";
	set_place(&book, &places[1], "replica");
	set_place(&book, &places[2], "replica");
	cookbook_must_reach(ro, "pg3");
	cookbook_must_reach(reporting, "pg2");

	places[2].tags = "{\"noloadbalance\":true}";
	set_place(&book, &places[2], "replica");
	cookbook_must_reach(ro, "pg1");
	places[1].tags = "{}";
	set_place(&book, &places[1], "replica");
	cookbook_must_reach(ro, "pg2");
	cookbook_must_reach(reporting, "");
	cr_expect_eq(lab_haproxy_worker(book.haproxy), worker, "HAProxy was reloaded");
	lab_destroy(book.lab);
}
