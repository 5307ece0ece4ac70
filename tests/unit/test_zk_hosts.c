/* The `hosts` setting: what is taken, what is refused, and what libzookeeper is given. */
#include <criterion/criterion.h>
#include <string.h>

#include "sidecar/zookeeper/session_internal.h"

static struct zk_hosts parsed(const char *text)
{
	struct zk_hosts hosts;
	struct err err = {0};

	cr_assert(zk_hosts_parse(text, &hosts, &err), "%s: %s", text, err.message);
	return hosts;
}

static void assert_host(const struct zk_host *host, const char *name, unsigned port, bool numeric)
{
	cr_assert_str_eq(host->host, name);
	cr_assert_eq(host->port, port);
	cr_assert_eq(host->numeric, numeric);
	cr_assert_eq(host->address_count, numeric ? 1 : 0);
	cr_assert_str_eq(host->addresses[0], numeric ? name : "");
}

static void assert_refused(const char *text, const char *reason)
{
	struct zk_hosts hosts;
	struct err err = {0};

	cr_assert_not(zk_hosts_parse(text, &hosts, &err), "'%s' was taken", text);
	cr_assert_not_null(strstr(err.message, reason), "'%s': %s", text, err.message);
}

static void assert_connect_string(struct zk_hosts *hosts, size_t count, const char *want)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;

	cr_assert_eq(zk_hosts_connect_string(hosts, &out), count);
	cr_assert_str_eq(out.data, want);
	zk_hosts_free(hosts);
}

Test(zk_hosts, a_list_with_a_chroot)
{
	struct zk_hosts hosts = parsed("zk1.example:2181, 10.0.0.2:2182,[::1]:2183/segue/x");

	cr_assert_eq(hosts.count, 3);
	assert_host(&hosts.hosts[0], "zk1.example", 2181, false);
	assert_host(&hosts.hosts[1], "10.0.0.2", 2182, true);
	assert_host(&hosts.hosts[2], "::1", 2183, true);
	cr_assert_str_eq(hosts.chroot, "/segue/x");
	zk_hosts_free(&hosts);
}

Test(zk_hosts, the_port_may_be_left_out)
{
	struct zk_hosts hosts = parsed("zk_1,[fe80::2]/");

	assert_host(&hosts.hosts[0], "zk_1", 2181, false);
	assert_host(&hosts.hosts[1], "fe80::2", 2181, true);
	cr_assert_str_eq(hosts.chroot, "");
	zk_hosts_free(&hosts);
}

Test(zk_hosts, what_is_wrong_is_named)
{
	assert_refused("", "the host is missing");
	assert_refused("a,,b", "the host is missing");
	assert_refused("a:2181,", "the host is missing");
	assert_refused(":2181", "the host is missing");
	assert_refused("a:", "port must be a number from 1 to 65535");
	assert_refused("a:0", "port must be a number from 1 to 65535");
	assert_refused("a:65536", "port must be a number from 1 to 65535");
	assert_refused("a:0002181", "port must be a number from 1 to 65535");
	assert_refused("a:21x", "port must be a number from 1 to 65535");
	assert_refused("::1:2181", "must be in brackets");
	assert_refused("[::1", "']' is missing");
	assert_refused("[::1]2181", "only :port may follow");
	assert_refused("[10.0.0.1]:1", "only an IPv6 address is written in brackets");
	assert_refused("a b:1", "neither a host name nor an address");
	assert_refused("a..b", "neither a host name nor an address");
	assert_refused("-a", "neither a host name nor an address");
}

Test(zk_hosts, a_hostile_chroot_is_refused)
{
	assert_refused("a/x//y", "no empty part");
	assert_refused("a/x/", "no empty part");
	assert_refused("a/../y", "'..'");
	assert_refused("a/./y", "'.'");
	assert_refused("a/x,b:2181", "follows the last host only");
	assert_refused("a/x\ty", "byte 0x09");
}

Test(zk_hosts, too_many_and_too_long_are_refused)
{
	auto_strbuf struct strbuf many = STRBUF_INIT;
	char longest[300] = "";

	for (int i = 0; i <= ZK_HOSTS_MAX; i++)
		strbuf_append_str(&many, i > 0 ? ",a:1" : "a:1");
	assert_refused(many.data, "more than 64 hosts");
	memset(longest, 'a', sizeof(longest) - 1);
	assert_refused(longest, "longer than 253 bytes");
}

Test(zk_hosts, the_library_gets_an_odd_number_of_addresses)
{
	struct zk_hosts one = parsed("10.0.0.1:1"), two = parsed("10.0.0.1:1,[::1]:2/c");
	struct zk_hosts three = parsed("10.0.0.1:1,10.0.0.2:2,10.0.0.3:3");

	assert_connect_string(&one, 1, "10.0.0.1:1");
	assert_connect_string(&two, 3, "10.0.0.1:1,::1:2,10.0.0.1:1/c");
	assert_connect_string(&three, 3, "10.0.0.1:1,10.0.0.2:2,10.0.0.3:3");
}

Test(zk_hosts, every_address_of_a_name_is_used)
{
	struct zk_hosts hosts = parsed("zk:2182,10.0.0.9/c");

	memcpy(hosts.hosts[0].addresses[0], "10.0.0.1", sizeof("10.0.0.1"));
	memcpy(hosts.hosts[0].addresses[1], "10.0.0.2", sizeof("10.0.0.2"));
	hosts.hosts[0].address_count = 2;
	assert_connect_string(&hosts, 3, "10.0.0.1:2182,10.0.0.2:2182,10.0.0.9:2181/c");
}

Test(zk_hosts, hosts_without_an_address_are_left_out)
{
	struct zk_hosts none = parsed("zk1,zk2"), some = parsed("zk1,10.0.0.2/c");

	assert_connect_string(&none, 0, "");
	assert_connect_string(&some, 1, "10.0.0.2:2181/c");
}
