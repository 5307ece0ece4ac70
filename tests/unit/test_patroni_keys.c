/* The children of a znode that may be a scope of Patroni's. */
#include <criterion/criterion.h>
#include <string.h>

#include "watch/patroni_keys.h"

#define LIST(...)  ((const char *const[]){__VA_ARGS__})
#define NAMES(...) (char *const *)LIST(__VA_ARGS__), ARRAY_LEN(LIST(__VA_ARGS__))

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
