/* Layout plain: what znodes of other tools may hold. */
#include "layout_helper.h"
#include "topology/layout_fields.h"

static void expect_text(const char *text, const char *what, const char *got, const char *expected)
{
	cr_assert_str_eq(got, expected, "%s: %s is \"%s\"", text, what, got);
}

static void accept(const char *text, const char *name, const char *host, const char *address,
                   int port)
{
	struct topology t = helper_accept_bytes(CONFIG_LAYOUT_PLAIN, text, strlen(text));

	cr_assert(t.has_primary, "%s", text);
	expect_text(text, "name", t.primary.name, name);
	expect_text(text, "host", t.primary.host, host);
	expect_text(text, "address", t.primary.address, address);
	cr_assert_eq(t.primary.port, port, "%s: port %u", text, t.primary.port);
	cr_assert_eq(t.zxid, 0);
	topology_fini(&t);
}

static void refuse(const char *text, const char *message_part)
{
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, text, strlen(text), message_part);
}

Test(layout_plain, addresses)
{
	accept("db1.example.com", "", "db1.example.com", "", 5432);
	accept("db_1", "", "db_1", "", 5432);
	accept("db1:6432", "", "db1", "", 6432);
	accept("10.0.0.1", "", "10.0.0.1", "10.0.0.1", 5432);
	accept("10.0.0.1:65535\n", "", "10.0.0.1", "10.0.0.1", 65535);
	accept(" \t10.0.0.1:1 \r\n", "", "10.0.0.1", "10.0.0.1", 1);
	accept("2001:DB8:0:0::1", "", "2001:DB8:0:0::1", "2001:db8::1", 5432);
	accept("[2001:db8::1]", "", "2001:db8::1", "2001:db8::1", 5432);
	accept("[::ffff:10.0.0.1]:5433", "", "::ffff:10.0.0.1", "::ffff:10.0.0.1", 5433);
	accept("::1", "", "::1", "::1", 5432);
}

Test(layout_plain, nothing_is_no_primary)
{
	refuse("", "the znode is empty");
	refuse(" \r\n\t", "the znode is empty");
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, NULL, 0, "the znode is empty");
}

Test(layout_plain, too_large_is_refused_unread)
{
	auto_free char *big = xcalloc(LAYOUT_VALUE_MAX + 1, 1);

	memset(big, 'a', LAYOUT_VALUE_MAX + 1);
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, big, LAYOUT_VALUE_MAX + 1,
	                    "65537 bytes: at most 65536");
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, big, LAYOUT_VALUE_MAX, "no host name");
}

Test(layout_plain, port_out_of_range_is_refused)
{
	static const char *const ports[] = {"",   "0",  "65536", "99999", "123456",
	                                    "-1", "+1", "0x10",  "5432x", "4294972728"};

	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		auto_free char *text = xasprintf("db1:%s", ports[i]);
		auto_free char *bracketed = xasprintf("[::1]:%s", ports[i]);

		refuse(text, "1 to 65535 is allowed");
		refuse(bracketed, "1 to 65535 is allowed");
	}
}

Test(layout_plain, what_a_resolver_takes_for_an_address_is_refused)
{
	static const char *const hosts[] = {"10.0.0.256", "1.2.3",      "0x7f.1",     "010.0.0.1",
	                                    "2130706433", "0x7f000001", "10.0.0.1.5", "127.0x1",
	                                    "127.0X1",    "db.1",       "0x"};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		refuse(hosts[i], "looks like an IPv4 address but is none");
}

Test(layout_plain, addresses_of_no_single_server_are_refused)
{
	static const char *const hosts[] = {
	    "0.0.0.0", "0.1.2.3", "224.0.0.1",      "255.255.255.255",
	    "::",      "ff02::1", "::ffff:0.0.0.0", "[::ffff:224.0.0.1]:1"};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		refuse(hosts[i], "not the address of one server");
}

Test(layout_plain, what_is_no_host_name_is_refused)
{
	char label[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234"; /* 64 */
	auto_free char *longest = xasprintf("%.63s.%.63s.%.63s.%.61s", label, label, label, label);
	auto_free char *too_long = xasprintf("%s1", longest);

	accept(longest, "", longest, "", 5432);
	refuse(too_long, "no host name");
	refuse(label, "no host name");
	refuse("-db1", "no host name");
	refuse("db1-", "no host name");
	refuse("db1..example", "no host name");
	refuse("db1.", "no host name");
	refuse(".db1", "no host name");
	refuse("d\xc3\xa4", "host \"d\\xc3\\xa4\": no host name");
	refuse("db1;reload", "no host name");
	refuse("db1,db2", "more than one host");
	refuse("fe80::1%eth0", "zone ids");
	refuse("[fe80::1%eth0]:1", "zone ids");
	refuse("1:2:3", "no IPv6 address");
	refuse("/var/run/postgresql", "a unix socket");
	refuse("@abstract", "a unix socket");
	refuse(":5432", "empty");
	refuse("[]:5432", "brackets");
	refuse("[db1]:5432", "an IPv6 address is expected in brackets");
	refuse("[::1", "byte 0: this bracket is never closed");
	refuse(" [::1]5432", "byte 6:");
}

Test(layout_plain, trailing_garbage_is_named_by_its_byte)
{
	refuse("db1 db2", "byte 3: nothing is allowed after the address");
	refuse("  10.0.0.1:5432\nx", "byte 15: nothing is allowed after the address");
}

Test(layout_plain, control_characters_are_refused_everywhere)
{
	helper_refuse_bytes(CONFIG_LAYOUT_PLAIN, "db1\0", 4, "byte 3: control character \\x00");
	refuse("db1\x1b[2J", "byte 3: control character \\x1b");
	refuse("host=a dbname='\x7f'", "byte 15: control character \\x7f");
}

Test(layout_plain, node_names_come_before_host_names)
{
	accept("node1", "node1", "10.0.0.1", "10.0.0.1", 5432);
	accept("node2\n", "node2", "db2.example.com", "", 6432);
	accept("v6", "v6", "2001:DB8::1", "2001:db8::1", 5433);
	accept("node1:1", "", "node1", "", 1);
	accept("Node1", "", "Node1", "", 5432);
}

Test(layout_plain, connection_strings)
{
	accept("host=db1", "", "db1", "", 5432);
	accept("host = 'db1' port\n=\t6432", "", "db1", "", 6432);
	accept("port=6432 user=app password='a b\\'c' host=10.0.0.1", "", "10.0.0.1", "10.0.0.1",
	       6432);
	accept("host='db1'port=1", "", "db1", "", 1);
	accept("host=d\\b1", "", "db1", "", 5432);
	accept("host=db1 host=db2", "", "db2", "", 5432);
	accept("host=db1 port=''", "", "db1", "", 5432);
	accept("hostaddr=10.0.0.2 host=db1", "", "db1", "10.0.0.2", 5432);
	accept("hostaddr=10.0.0.2", "", "10.0.0.2", "10.0.0.2", 5432);
	accept("hostaddr=10.0.0.2 host=10.0.0.1", "", "10.0.0.2", "10.0.0.2", 5432);
	accept("host=::1", "", "::1", "::1", 5432);
	accept("conninfo_of_tomorrow=1 host=db1", "", "db1", "", 5432);
}

Test(layout_plain, connection_strings_without_one_server_are_refused)
{
	refuse("host=", "has no host");
	refuse("user=app", "has no host");
	refuse("=db1", "byte 0: a keyword");
	refuse("host=db1 port", "byte 13: \"=\" is expected");
	refuse("host=db1 port 1 x=y", "byte 14: \"=\" is expected");
	refuse("host='db1", "byte 5: this quote is never closed");
	refuse("host='db1\\'", "byte 5: this quote is never closed");
	refuse("host=a,b", "more than one host");
	refuse("host=a port=1,2", "port \"1,2\"");
	refuse("host=/var/run", "a unix socket");
	refuse("hostaddr=db1", "no IP address");
	refuse("host=a hostaddr=0.0.0.0", "not the address of one server");
	refuse("host='a b'", "no host name");
}

Test(layout_plain, uris)
{
	accept("postgres://db1", "", "db1", "", 5432);
	accept("postgresql://db1:6432/app", "", "db1", "", 6432);
	accept("postgres://app:s%40cret@db1:6432/app?sslmode=require", "", "db1", "", 6432);
	accept("postgres://app@10.0.0.1/", "", "10.0.0.1", "10.0.0.1", 5432);
	accept("postgres://[2001:db8::1]:1/x", "", "2001:db8::1", "2001:db8::1", 1);
	accept("postgres:///app?host=db1&port=1", "", "db1", "", 1);
	accept("postgres://db1?hostaddr=10.0.0.2", "", "db1", "10.0.0.2", 5432);
	accept("postgres://d%62%31", "", "db1", "", 5432);
	accept("postgres://db1:/?", "", "db1", "", 5432);
}

Test(layout_plain, broken_uris_are_refused)
{
	refuse("postgres://", "has no host");
	refuse("postgres://%2Fvar%2Frun/app", "a unix socket");
	refuse("postgres:///app?host=/var/run", "a unix socket");
	refuse("postgres://a,b", "byte 12: more than one host");
	refuse("postgres://a:1,b:2", "byte 14: more than one host");
	refuse("postgres://a?host=b,c", "more than one host");
	refuse("postgres://[::1", "byte 11: this bracket");
	refuse("postgres://[db1]", "byte 11: an IPv6 address");
	refuse("postgres://[::1]x", "byte 16:");
	refuse("postgres://a%", "byte 12:");
	refuse("postgres://a%4", "byte 12:");
	refuse("postgres://a%00", "byte 12:");
	refuse("postgres://a%0a", "host \"a\\n\": no host name");
	refuse("postgres://a%zz", "byte 12:");
	refuse("postgres://a?host", "byte 13: a parameter without");
	refuse("postgres://a?host=b=c", "byte 19: a second");
	refuse("postgres://a:0", "1 to 65535");
	refuse("mysql://a", "no port");
}

Test(layout_plain, errors_never_show_a_password)
{
	static const char *const texts[] = {
	    "postgres://app:hunter2@db1:x",        "postgres://app:hunter2/@db1",
	    "postgres://app:hunter2@a,b",          "host=a,b password=hunter2",
	    "password=hunter2 host='hunter2'/a",   "host=db1 password='hunter2",
	    "password=a hunter2 host=db1",         "postgres://db1:hunter2?p%61ssword=x",
	    "host=db1 port=hunter2 sslpassword=x", "PGPASSWORD=x\nhost=hunter2,",
	    "{:name \"hunter2\" :password 1}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config_cluster cluster = helper_cluster(CONFIG_LAYOUT_PLAIN);
		struct topology out;
		struct err err;

		cr_assert(layout_secret(texts[i], strlen(texts[i])), "%s", texts[i]);
		cr_assert_not(layout_decode(&cluster, texts[i], strlen(texts[i]), &out, &err));
		cr_assert_null(strstr(err.message, "hunter2"), "%s", err.message);
	}
	cr_assert_not(layout_secret("host=db1 port=1", 15));
	cr_assert_not(layout_secret("postgres://app@db1:1/x", 22));
	cr_assert_not(layout_secret(NULL, 0));
}
