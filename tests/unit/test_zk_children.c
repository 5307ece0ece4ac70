/* The children of a znode: which are followed, and when all of them are known. */
#include <criterion/criterion.h>
#include <string.h>

#include "zk_case.h"
#include "zookeeper/children.h"

static struct zk_children *children;
static struct {
	int calls;
	bool changed;
} told;

static void on_copy(const struct zk_copy *copy, const struct zk_node_fact *fact, void *arg)
{
	(void)arg;
	cr_assert_eq(copy->state, fact->state);
	told.calls++;
	told.changed = copy->changed;
}

static void open_children(size_t max_count)
{
	children = zk_children_create(zk_case, "/p", 100, max_count, on_copy, NULL);
	cr_assert_eq(told.calls, 0);
}

static void teardown(void)
{
	zk_children_destroy(children);
	zk_case_close();
}

TestSuite(zk_children, .init = zk_case_open, .fini = teardown, .timeout = 20);

static void expect_followed(const char *want)
{
	auto_strbuf struct strbuf names = STRBUF_INIT;
	size_t count;
	const struct zk_copy *const *list = zk_children_list(children, &count);

	for (size_t i = 0; i < count; i++)
		strbuf_append_str(&names, list[i]->name);
	cr_expect_str_eq(names.data, want);
}

Test(zk_children, known_when_the_names_and_all_data_are_read)
{
	open_children(SIZE_MAX);
	cr_expect_not(zk_children_known(children));
	zk_case_names("/p", NAMES("b", "a"));
	expect_followed("ab");
	cr_expect_not(zk_children_known(children));
	zk_case_data("/p/a", "one");
	cr_expect_not(zk_children_known(children));
	zk_case_data("/p/b", NULL); /* deleted meanwhile; the names follow */
	cr_expect(zk_children_known(children));
	zk_case_data("/p", NULL);
	expect_followed("");
	cr_expect(zk_children_known(children));
	cr_expect_not(zk_case_is_watched("/p/a"));
}

Test(zk_children, after_a_reconnect_known_only_when_all_data_is_read_again)
{
	size_t count;

	open_children(SIZE_MAX);
	zk_case_names("/p", NAMES("a", "b"));
	zk_case_data("/p/a", "one");
	zk_case_data("/p/b", "two");
	cr_assert(zk_children_known(children));
	zk_case_disconnect();
	cr_expect_not(zk_children_known(children));
	zk_case_names("/p", NAMES("a", "b"));
	cr_expect_not(zk_children_known(children), "the data is of the old connection");
	cr_expect_str_eq(zk_children_list(children, &count)[0]->data.data, "one");
	zk_case_data("/p/a", "new");
	cr_expect_not(zk_children_known(children));
	zk_case_data("/p/b", "two");
	cr_expect(zk_children_known(children));
	cr_expect_str_eq(zk_children_list(children, &count)[0]->data.data, "new");
}

Test(zk_children, a_refusal_of_the_names_keeps_the_children_and_they_are_not_known)
{
	open_children(SIZE_MAX);
	zk_case_names("/p", NAMES("a"));
	zk_case_denied("/p/a", "no permission");
	cr_expect(zk_children_known(children));
	zk_case_denied("/p", "no permission either");
	cr_expect_not(zk_children_known(children));
	cr_expect_str_eq(zk_children_parent(children)->problem.data, "no permission either");
	expect_followed("a");
}

Test(zk_children, of_too_many_the_first_by_name_are_followed)
{
	open_children(3);
	zk_case_names("/p", NAMES("e", "d", "c", "b", "a"));
	expect_followed("abc");
	cr_expect_eq(zk_children_left_out(children), 2);
	zk_case_names("/p", NAMES("e", "d", "b"));
	expect_followed("bde");
	cr_expect_eq(zk_children_left_out(children), 0);
	cr_expect_not(zk_case_is_watched("/p/a"));
}

Test(zk_children, the_preferred_one_is_among_those_that_are_followed)
{
	open_children(3);
	zk_children_prefer(children, "d");
	zk_case_names("/p", NAMES("e", "d", "c", "b", "a"));
	expect_followed("abd");
	zk_case_data("/p/a", "one");
	zk_children_prefer(children, "e");
	expect_followed("abe");
	cr_expect_not(zk_case_is_watched("/p/d"));
	zk_children_prefer(children, "b");
	expect_followed("abc");
	zk_children_prefer(children, "nobody");
	expect_followed("abc");
	zk_children_prefer(children, NULL);
	expect_followed("abc");
	cr_expect_eq(zk_children_left_out(children), 2);
	cr_expect_eq(told.calls, 2, "a choice opened a watch anew");
}

Test(zk_children, a_read_that_shows_nothing_new_is_no_change)
{
	struct zk_node_fact fact = {
	    .state = ZK_NODE_PRESENT, .connected = true, .mzxid = 7, .data = "x", .size = 1};
	struct zk_copy *copy = zk_copy_watch(zk_case, "/z", ZK_WATCH_DATA, 100, on_copy, NULL);

	zk_case_tell("/z", fact);
	cr_expect(told.changed);
	zk_case_tell("/z", fact);
	cr_expect_not(told.changed);
	fact.mzxid++;
	zk_case_tell("/z", fact);
	cr_expect(told.changed);
	zk_case_disconnect();
	cr_expect(told.changed);
	cr_expect_str_eq(copy->data.data, "x");
	cr_expect(copy->has_data);
	zk_case_denied("/z", "why");
	cr_expect(told.changed);
	cr_expect_not(copy->has_data);
	zk_case_denied("/z", "why else");
	cr_expect(told.changed);
	cr_expect_eq(told.calls, 6);
	zk_copy_unwatch(copy);
}
