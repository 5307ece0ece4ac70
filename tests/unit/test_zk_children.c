/* The children of a znode: when all of them are known. */
#include <criterion/criterion.h>
#include <string.h>

#include "zk_case.h"
#include "zookeeper/children.h"

static struct zk_children *children;

static void on_change(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	zk_case_open();
	children = zk_children_create(zk_case, "/p", 100, on_change, NULL);
}

static void teardown(void)
{
	zk_children_destroy(children);
	zk_case_close();
}

TestSuite(zk_children, .init = setup, .fini = teardown, .timeout = 20);

static void expect_followed(const char *want)
{
	auto_strbuf struct strbuf names = STRBUF_INIT;
	size_t count;
	const struct zk_child *const *list = zk_children_list(children, &count);

	for (size_t i = 0; i < count; i++)
		strbuf_append_str(&names, list[i]->name);
	cr_expect_str_eq(names.data, want);
}

Test(zk_children, known_when_the_names_and_all_data_are_read)
{
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
