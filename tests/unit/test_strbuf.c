/* The growing byte string. */
#include <criterion/criterion.h>

#include "base/strbuf.h"

Test(strbuf, escaped_bytes_stay_on_one_line_and_are_bounded)
{
	struct strbuf buf = STRBUF_INIT;

	strbuf_append_escaped(&buf, "a\n\"\\\x01\xff", 6, 100);
	cr_assert_str_eq(buf.data, "a\\n\\\"\\\\\\x01\\xff");
	strbuf_reset(&buf);
	strbuf_append_escaped(&buf, "abcdef", 6, 3);
	cr_assert_str_eq(buf.data, "abc...(6 bytes)");
	strbuf_fini(&buf);
}

Test(strbuf, grows_and_stays_terminated)
{
	struct strbuf buf = STRBUF_INIT;
	char *detached;

	for (int i = 0; i < 1000; i++)
		strbuf_printf(&buf, "%d,", i);
	cr_assert_eq(buf.len, 3890);
	cr_assert_eq(buf.data[buf.len], '\0');
	detached = strbuf_detach(&buf);
	cr_assert_eq(strlen(detached), 3890);
	cr_assert_eq(buf.len, 0);
	free(detached);
}
