/* Which bind lines of different texts take the same address, and which only look so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "haproxy/listening.h"
#include "haproxy/model/binds.h"

static void read_text(struct haproxy_binds *binds, const char *text, size_t group, size_t owner)
{
	haproxy_binds_read(binds, text, strlen(text), group, owner);
}

static void note(const struct haproxy_bind *a, const struct haproxy_bind *b, void *arg)
{
	strbuf_printf(arg, "%zu:%s %zu:%s\n", a->owner, a->spelled, b->owner, b->spelled);
}

/* What clashes among frontends, each in a text of its own, with these bind lines. */
static char *clashes(const char *const *lines, size_t count)
{
	struct haproxy_binds binds = {.items = NULL};
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		auto_free char *text = xasprintf("frontend f%zu\n\tbind %s\n", i, lines[i]);

		read_text(&binds, text, 0, i);
	}
	haproxy_binds_clashes(&binds, note, &out);
	haproxy_binds_free(&binds);
	return strbuf_detach(&out);
}

static void expect(const char *a, const char *b, const char *wanted)
{
	const char *const lines[] = {a, b};
	auto_free char *found = clashes(lines, 2);

	cr_expect_str_eq(found, wanted, "%s and %s: \"%s\"", a, b, found);
}

Test(haproxy_binds, one_address_in_two_texts_is_found_however_it_is_spelled)
{
	expect("127.0.0.1:5000", "127.0.0.1:5000", "0:127.0.0.1:5000 1:127.0.0.1:5000\n");
	expect("ipv4@127.0.0.1:5000", "tcp@127.0.0.1:5000 tfo",
	       "0:ipv4@127.0.0.1:5000 1:tcp@127.0.0.1:5000\n");
	expect("[::1]:5000", "0:0::1:5000", "0:[::1]:5000 1:0:0::1:5000\n");
	expect("\"127.0.0.1\":5000", "127.0.0.1:'5000'", "0:127.0.0.1:5000 1:127.0.0.1:5000\n");
	expect("[::ffff:127.0.0.1]:5000", "127.0.0.1:5000",
	       "0:[::ffff:127.0.0.1]:5000 1:127.0.0.1:5000\n");
	expect("localhost:5000", "localhost:5000", "0:localhost:5000 1:localhost:5000\n");
	expect("\"${ADDR}:5000\"", "\"${ADDR}:5000\"", "0:${ADDR}:5000 1:${ADDR}:5000\n");
}

Test(haproxy_binds, different_addresses_and_ports_do_not_clash)
{
	expect("127.0.0.1:5000", "127.0.0.1:5001", "");
	expect("127.0.0.1:5000", "127.0.0.2:5000", "");
	expect("127.0.0.1:5000", "[::1]:5000", "");
	expect("[::1]:5000", "[::2]:5000", "");
	expect("localhost:5000", "127.0.0.1:5001", "");
}

Test(haproxy_binds, all_addresses_hold_each_one)
{
	static const char *const all[] = {"*:5000",     ":5000",   "0.0.0.0:5000",
	                                  "ipv4@:5000", ":::5000", "[::]:5000 v4v6"};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const char *const lines[] = {"127.0.0.1:5000", all[i], "127.0.0.1:5001"};
		auto_free char *found = clashes(lines, ARRAY_LEN(lines));

		cr_expect_eq(strncmp(found, "0:127.0.0.1:5000 1:", 19), 0, "%s: %s", all[i], found);
	}
	expect(":::5000 v6only", "127.0.0.1:5000", "");
	expect(":::5000 v6only", "*:5000", "");
	expect(":::5000 v6only", "[::1]:5000", "0::::5000 1:[::1]:5000\n");
	expect("ipv6@:5000", "[::1]:5000", "0:ipv6@:5000 1:[::1]:5000\n");
	expect("*:5000", "[::1]:5000", "");
	expect("*:5000", ":::5000", "0:*:5000 1::::5000\n");
}

Test(haproxy_binds, lists_and_ranges_are_taken_apart)
{
	expect("127.0.0.1:5000,127.0.0.1:5001", "10.0.0.1:1,127.0.0.1:5001,:7",
	       "0:127.0.0.1:5001 1:127.0.0.1:5001\n");
	expect("127.0.0.1:5000-5009", "127.0.0.1:5009", "0:127.0.0.1:5000-5009 1:127.0.0.1:5009\n");
	expect("127.0.0.1:5009", "*:5000-5009", "0:127.0.0.1:5009 1:*:5000-5009\n");
	expect("127.0.0.1:5000-5009", "127.0.0.1:5010", "");
	expect("127.0.0.1:5000-5009", "127.0.0.2:5000-5009", "");
}

Test(haproxy_binds, sockets_of_the_file_system_and_abstract_ones)
{
	expect("/run/a.sock mode 660", "unix@/run/a.sock", "0:/run/a.sock 1:unix@/run/a.sock\n");
	expect("/run/a.sock", "/run/b.sock", "");
	expect("abns@a", "abns@a", "0:abns@a 1:abns@a\n");
	expect("abns@a", "unix@a", "");
}

Test(haproxy_binds, what_cannot_clash_or_cannot_be_known_is_left_out)
{
	expect("127.0.0.1:0", "127.0.0.1:0", "");
	expect("127.0.0.1", "127.0.0.1", "");
	expect("127.0.0.1:70000", "127.0.0.1:70000", "");
	expect("127.0.0.1:9-8", "127.0.0.1:9-8", "");
	expect("fd@5", "fd@5", "");
	expect("quic4@:443", "*:443", "");
	expect(",,", "", "");
	expect("*:5000 interface eth0", "*:5000 interface eth1", "");
	expect("*:5000 interface eth0", "*:5000", "0:*:5000 1:*:5000\n");
	expect("*:5000 namespace blue", "*:5000", "");
}

Test(haproxy_binds, only_live_bind_lines_of_other_owners_in_the_same_group_count)
{
	static const char text[] = "frontend f\n bind :1 # :2\n bind :3\n";
	static const char off[] = "frontend f\n bind :1\n disabled\n"
	                          "frontend g\n.if defined(X)\n bind :3\n.endif\n"
	                          "defaults d\n disabled\nfrontend h from d\n bind :1\n"
	                          "listen i from d\n bind :4\n enabled\n";
	struct haproxy_binds binds = {.items = NULL};
	struct strbuf out = STRBUF_INIT;

	read_text(&binds, text, 0, 0);
	read_text(&binds, text, 0, 0); /* one frontend may have an address twice */
	read_text(&binds, text, 1, 1); /* another HAProxy */
	read_text(&binds, off, 0, 2);
	haproxy_binds_clashes(&binds, note, &out);
	cr_expect_str_eq(out.data, "");
	read_text(&binds, "listen l\n server bind 10.0.0.1:1\n bind :3\n bind :4\n", 0, 3);
	haproxy_binds_clashes(&binds, note, &out);
	cr_expect_str_eq(out.data, "0::3 3::3\n2::4 3::4\n");
	strbuf_fini(&out);
	haproxy_binds_free(&binds);
}

static void note_sections(const struct haproxy_bind *a, const struct haproxy_bind *b, void *arg)
{
	strbuf_printf(arg, "%zu:%s:%s %zu:%s:%s\n", a->owner, a->section_name, a->spelled, b->owner,
	              b->section_name, b->spelled);
}

Test(haproxy_binds, two_sections_of_one_text_clash_and_one_section_does_not)
{
	struct haproxy_binds binds = {.items = NULL};
	struct strbuf out = STRBUF_INIT;

	read_text(&binds,
	          "listen b\n bind :7\n bind :7\nfrontend a\n bind :6\n bind 127.0.0.1:7\n"
	          "listen off\n bind :6\n disabled\n",
	          0, 0);
	haproxy_binds_clashes(&binds, note_sections, &out);
	cr_expect_str_eq(out.data, "0:listen b::7 0:frontend a:127.0.0.1:7\n");
	strbuf_reset(&out);
	read_text(&binds, "frontend a\n bind :6\n", 0, 1);
	haproxy_binds_clashes(&binds, note_sections, &out);
	cr_expect_str_eq(out.data, "0:frontend a::6 1:frontend a::6\n"
	                           "0:listen b::7 0:frontend a:127.0.0.1:7\n");
	strbuf_fini(&out);
	haproxy_binds_free(&binds);
}

static bool overlaps(const char *line, const char *address, uint16_t port)
{
	struct haproxy_binds binds = {.items = NULL};
	auto_free char *text = xasprintf("frontend f\n\tbind %s\n", line);
	struct haproxy_bind one;
	bool found;

	read_text(&binds, text, 0, 0);
	cr_assert_eq(binds.count, 1, "%s", line);
	found =
	    haproxy_bind_of(address, port, &one) && haproxy_bind_overlaps(&one, &binds.items[0]);
	haproxy_binds_free(&binds);
	return found;
}

Test(haproxy_binds, one_address_is_among_those_of_a_bind)
{
	cr_expect(overlaps("127.0.0.1:5000", "127.0.0.1", 5000));
	cr_expect(overlaps("127.0.0.1:5000", "::ffff:127.0.0.1", 5000));
	cr_expect(overlaps("127.0.0.1:5000", "0.0.0.0", 5000));
	cr_expect(overlaps("[::1]:5000-5009", "::1", 5009));
	cr_expect(overlaps("*:5000", "10.0.0.1", 5000));
	cr_expect(overlaps(":::5000", "10.0.0.1", 5000));
	cr_expect_not(overlaps("127.0.0.1:5000", "127.0.0.1", 5001));
	cr_expect_not(overlaps("127.0.0.1:5000", "127.0.0.2", 5000));
	cr_expect_not(overlaps(":::5000 v6only", "10.0.0.1", 5000));
	cr_expect_not(overlaps("*:5000 namespace blue", "10.0.0.1", 5000));
	cr_expect_not(overlaps("localhost:5000", "127.0.0.1", 5000));
	cr_expect_not(overlaps("/run/a.sock", "127.0.0.1", 5000));
	cr_expect_not(overlaps("*:5000", "", 5000));
	cr_expect_not(overlaps("*:5000", "db1", 5000));
}

Test(haproxy_binds, each_one_is_told_once_however_many_there_are)
{
	const char *lines[2000];
	auto_free char *found = NULL;
	size_t told = 0;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		lines[i] = "127.0.0.1:5000";
	found = clashes(lines, ARRAY_LEN(lines));
	for (const char *c = found; *c != '\0'; c++)
		told += *c == '\n';
	cr_expect_eq(told, ARRAY_LEN(lines) - 1);
	cr_expect_eq(strncmp(found, "0:127.0.0.1:5000 1:127.0.0.1:5000\n0:127.0.0.1:5000 2:", 53),
	             0);
}

/* As a bind of this one address is. */
static void expect_resolved(const char *spelled, const char *address)
{
	auto_free char *text = xasprintf("frontend f\n bind %s\n", spelled);
	struct haproxy_binds binds = {.items = NULL};
	struct haproxy_bind found, wanted;

	read_text(&binds, text, 0, 0);
	cr_assert_eq(binds.count, 1, "%s", spelled);
	cr_assert(haproxy_bind_of(address, 5000, &wanted));
	if (haproxy_bind_resolve(&binds.items[0], false, &found))
		cr_expect(haproxy_bind_shares(&found, &wanted), "%s", spelled);
	else
		cr_expect_fail("%s", spelled);
	haproxy_binds_free(&binds);
}

Test(haproxy_binds, a_host_name_becomes_what_haproxy_takes_it_for)
{
	expect_resolved("127.0.1:5000", "127.0.0.1");
	expect_resolved("ipv4@localhost:5000-5009", "127.0.0.1");
}

Test(haproxy_binds, names_in_etc_hosts)
{
	static const char hosts[] =
	    "# a b\n127.0.0.1\tlocalhost  db1 # db2\n\n  ::1 ip6-localhost\r\n";

	cr_expect(haproxy_names_has(hosts, "LocalHost"));
	cr_expect(haproxy_names_has(hosts, "db1"));
	cr_expect(haproxy_names_has(hosts, "ip6-localhost"));
	cr_expect_not(haproxy_names_has(hosts, "db2"));
	cr_expect_not(haproxy_names_has(hosts, "db"));
	cr_expect_not(haproxy_names_has(hosts, "127.0.0.1"), "an address");
	cr_expect_not(haproxy_names_has(hosts, "b"));
}
