/* The children of a znode that may be a scope of Patroni's, and the members that are followed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "watch/patroni_keys.h"
#include "zk_case.h"

Test(patroni_keys, one_of_three_keys_tells_it)
{
	cr_expect(patroni_keys_has_keys(NAMES("config", "leader")));
	cr_expect(patroni_keys_has_keys(NAMES("initialize")));
	cr_expect(patroni_keys_has_keys(NAMES("x", "members")));
	cr_expect_not(patroni_keys_has_keys(NAMES("0", "1", "config", "member", "Leader")));
	cr_expect_not(patroni_keys_has_keys(NULL, 0));
}

Test(patroni_keys, names_are_shown_in_order_escaped_and_not_too_many)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;

	patroni_keys_append_names(&out, NULL, 0);
	cr_expect_str_empty(out.data);
	patroni_keys_append_names(&out, NAMES("1", "M\xc3\xbc", "0"));
	cr_expect_str_eq(out.data, "0, 1, M\\xc3\\xbc");
	strbuf_reset(&out);
	patroni_keys_append_names(&out, NAMES("h", "g", "f", "e", "d", "c", "b", "a", "i", "j"));
	cr_expect_str_eq(out.data, "a, b, c, d, e, f, g, h and 2 more");
}

#define MEMBERS 70

static struct {
	int calls;
	enum patroni_keys_state state;
	size_t members, not_fetched;
	char last[8]; /* name of the last member */
} told;

static void on_keys(const struct patroni_keys_fact *fact, void *arg)
{
	(void)arg;
	told.calls++;
	told.state = fact->state;
	if (fact->state != PATRONI_KEYS_READ)
		return;
	told.members = fact->keys->member_count;
	told.not_fetched = fact->keys->not_fetched_count;
	snprintf(told.last, sizeof(told.last), "%s", fact->keys->members[told.members - 1].name);
}

static void tell_member(int number)
{
	auto_free char *path = xasprintf("/s/members/m%02d", number);

	zk_case_data(path, "{}");
}

Test(patroni_keys, the_leader_stays_among_the_members_that_are_followed, .init = zk_case_open,
     .fini = zk_case_close)
{
	struct patroni_keys *scope = patroni_keys_watch(zk_case, zk_case_base, "/s", on_keys, NULL);
	char text[MEMBERS][8];
	char *names[MEMBERS];

	for (int i = 0; i < MEMBERS; i++) {
		snprintf(text[i], sizeof(text[i]), "m%02d", i);
		names[i] = text[i];
	}
	zk_case_names("/s", NAMES("leader", "members"));
	zk_case_data("/s/initialize", NULL);
	zk_case_data("/s/config", NULL);
	zk_case_data("/s/leader", "m69");
	zk_case_names("/s/members", names, MEMBERS);
	cr_expect_not(zk_case_is_watched("/s/members/m64"));
	for (int i = 0; i < TOPOLOGY_STANDBYS_MAX; i++)
		tell_member(i);
	cr_expect_eq(told.calls, 0, "told before the leader's member was read");
	tell_member(69);
	cr_assert_eq(told.calls, 1);
	cr_expect_eq(told.state, PATRONI_KEYS_READ);
	cr_expect_eq(told.members, TOPOLOGY_STANDBYS_MAX + 1);
	cr_expect_eq(told.not_fetched, MEMBERS - TOPOLOGY_STANDBYS_MAX - 1);
	cr_expect_str_eq(told.last, "m69");
	zk_case_data("/s/leader", "m68");
	cr_expect_eq(told.calls, 1);
	cr_expect_not(zk_case_is_watched("/s/members/m69"));
	tell_member(68);
	cr_expect_eq(told.calls, 2);
	cr_expect_str_eq(told.last, "m68");
	zk_case_disconnect();
	cr_expect_eq(told.state, PATRONI_KEYS_UNREACHABLE);
	patroni_keys_unwatch(scope);
}
