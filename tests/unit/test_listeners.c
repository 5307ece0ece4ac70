/* Which primaries are a proxy of the cluster itself, by the addresses of this machine. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "base/machine.h"
#include "cluster/listeners.h"
#include "pgbouncer/model/databases.h"
#include "topology/topology.h"

static char one[] = "/run/segue-no-such/one.sock", two[] = "/run/segue-no-such/two.sock";

/* Clusters 0 and 1 in one HAProxy, 2 in another, 3 without one. */
static const struct config_target targets[] = {
    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"a", .socket = one, .cluster_index = 0},
    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"b", .socket = one, .cluster_index = 1},
    {.kind = CONFIG_TARGET_HAPROXY, .name = (char *)"c", .socket = two, .cluster_index = 2},
    {.kind = CONFIG_TARGET_FILE, .name = (char *)"d", .cluster_index = 3}};
static const char *const texts[] = {
    "frontend a\n bind 127.0.0.1:6500\n bind [::1]:6500\n bind localhost:6503-6504\n"
    " bind ipv6@LOCALHOST:6506\n",
    "frontend b\n bind *:6501\n bind 10.9.8.7:6502\n",
    "frontend c\n bind :::6500\n bind *:6504 interface eth7\n",
    "frontend d\n bind 127.0.0.1:6505\n"};

/* The name of the target; "" for none. */
static const char *find(size_t cluster, const char *address, uint16_t port)
{
	const struct config config = {.targets = (struct config_target *)targets,
	                              .target_count = ARRAY_LEN(targets)};
	struct strbuf buffers[ARRAY_LEN(targets)];
	const struct config_target *found;
	struct listeners *listeners;

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		strbuf_init(&buffers[i]);
		strbuf_append_str(&buffers[i], texts[i]);
	}
	listeners = listeners_create(&config, buffers);
	found = listeners_find(listeners, cluster, address, port);
	listeners_destroy(listeners);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		strbuf_fini(&buffers[i]);
	return found != NULL ? found->name : "";
}

Test(listeners, every_target_of_the_same_haproxy_counts_and_no_other)
{
	cr_expect_str_eq(find(0, "127.0.0.1", 6500), "a");
	cr_expect_str_eq(find(1, "127.0.0.1", 6500), "a");
	cr_expect_str_eq(find(1, "::1", 6500), "a");
	cr_expect_str_eq(find(2, "127.0.0.1", 6500), "c");
	cr_expect_str_eq(find(2, "127.0.0.1", 6501), "");
	cr_expect_str_eq(find(3, "127.0.0.1", 6500), "");
	cr_expect_str_eq(find(3, "127.0.0.1", 6505), "", "a file listens nowhere");
}

Test(listeners, another_port_or_address_is_none)
{
	cr_expect_str_eq(find(0, "127.0.0.1", 5432), "");
	cr_expect_str_eq(find(0, "127.0.0.2", 6500), "");
	cr_expect_str_eq(find(0, "10.9.8.7", 6502), "b", "whoever has that address now");
	cr_expect_str_eq(find(0, "", 6500), "");
	cr_expect_str_eq(find(2, "127.0.0.1", 6504), "", "only what comes through eth7");
}

Test(listeners, a_bind_to_all_addresses_is_one_to_those_of_this_machine)
{
	cr_expect_str_eq(find(0, "127.0.0.1", 6501), "b");
	cr_expect_str_eq(find(0, "127.8.8.8", 6501), "b");
	cr_expect_str_eq(find(0, "0.0.0.0", 6501), "b");
	cr_expect_str_eq(find(0, "192.0.2.1", 6501), "");
	cr_expect_str_eq(find(0, "::1", 6501), "", "it takes no IPv6");
	cr_expect_str_eq(find(2, "::1", 6500), "c");
	cr_expect_str_eq(find(2, "2001:db8::1", 6500), "");
	cr_expect_str_eq(find(0, "127.0.0.1", 6503), "a");
	cr_expect_str_eq(find(0, "192.0.2.1", 6503), "");
}

Test(listeners, localhost_is_this_machine_at_each_port_of_a_range_and_in_any_spelling)
{
	cr_expect_str_eq(find(0, "127.0.0.1", 6504), "a");
	cr_expect_str_eq(find(0, "::1", 6504), "a");
	cr_expect_str_eq(find(0, "127.0.0.1", 6505), "");
	cr_expect_str_eq(find(0, "::1", 6506), "a");
	cr_expect_str_eq(find(0, "127.0.0.1", 6506), "", "ipv6@ is IPv6 only");
}

/* The first one that is none of loopback, and for AF_INET6 link-local; false: this machine has
 * none. */
static bool find_interface(int family, char address[TOPOLOGY_ADDRESS_MAX])
{
	struct ifaddrs *all = NULL;
	bool found = false;

	cr_assert_eq(getifaddrs(&all), 0);
	for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)at->ifa_addr;
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)at->ifa_addr;

		found = in != NULL && in->sin_family == family &&
		        inet_ntop(family,
		                  family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr,
		                  address, TOPOLOGY_ADDRESS_MAX) != NULL &&
		        !machine_is_loopback(address) &&
		        (family == AF_INET || IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr));
	}
	freeifaddrs(all);
	return found;
}

Test(listeners, an_address_of_an_interface_is_this_machines)
{
	char address[TOPOLOGY_ADDRESS_MAX], mapped[TOPOLOGY_ADDRESS_MAX + 8];

	if (!find_interface(AF_INET, address))
		cr_skip_test("this machine has loopback only");
	snprintf(mapped, sizeof(mapped), "::ffff:%s", address);
	cr_expect(machine_has_address(address));
	cr_expect(machine_has_address(mapped));
	cr_expect_str_eq(find(0, address, 6501), "b");
	cr_expect_str_eq(find(0, address, 6500), "");
}

/* bind() refuses it without the interface. */
Test(listeners, a_link_local_address_is_this_machines)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	if (!find_interface(AF_INET6, address))
		cr_skip_test("this machine has no link-local address");
	cr_expect(machine_has_address(address), "%s", address);
}

Test(machine, loopback_is_known_without_a_look)
{
	static const char *const own[] = {"127.0.0.1", "127.255.0.1",      "0.0.0.0", "::1",
	                                  "::",        "::ffff:127.0.0.9", NULL};
	static const char *const others[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1",
	                                     "",          "localhost",   NULL};

	for (const char *const *at = own; *at != NULL; at++)
		cr_expect(machine_is_loopback(*at) && machine_has_address(*at), "%s", *at);
	for (const char *const *at = others; *at != NULL; at++)
		cr_expect(!machine_is_loopback(*at) && !machine_has_address(*at), "%s", *at);
}

Test(pgbouncer_address, listen_addr_is_a_list_of_addresses)
{
	cr_expect(pgbouncer_listens_at("127.0.0.1", "127.0.0.1"));
	cr_expect(pgbouncer_listens_at("10.0.0.1, 127.0.0.1", "127.0.0.1"));
	cr_expect(pgbouncer_listens_at("10.0.0.1", "10.0.0.1"));
	cr_expect(pgbouncer_listens_at("*", "127.0.0.1"));
	cr_expect(pgbouncer_listens_at("0.0.0.0", "127.0.0.1"));
	cr_expect(pgbouncer_listens_at("localhost", "::1"));
	cr_expect_not(pgbouncer_listens_at("*", "192.0.2.1"));
	cr_expect_not(pgbouncer_listens_at("127.0.0.1", "127.0.0.2"));
	cr_expect_not(pgbouncer_listens_at("localhost", "192.0.2.1"));
	cr_expect_not(pgbouncer_listens_at("", "127.0.0.1"));
	cr_expect_not(pgbouncer_listens_at("*", ""));
}
