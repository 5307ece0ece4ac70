/* The last good text with the servers of another one: what HAProxy would start with while that
 * other one cannot be installed. */
#include <criterion/criterion.h>
#include <string.h>

#include "haproxy/model/config.h"

#define HEAD "defaults d\n  mode tcp\nbackend rw from d # it writes\n"

static void patch(const char *text, const char *desired, struct strbuf *out)
{
	struct haproxy_config config;
	struct err err;

	cr_assert(haproxy_config_parse(desired, strlen(desired), &config, &err), "%s", err.message);
	cr_assert(haproxy_config_patch(text, strlen(text), &config, out, &err), "%s: %s", text,
	          err.message);
	haproxy_config_free(&config);
}

Test(haproxy_patch, servers_are_those_of_the_other_text_and_all_else_stays)
{
	static const struct {
		const char *text, *desired, *patched;
	} cases[] = {
	    {HEAD "  server p 10.0.0.1:1 maxconn 9 # old\n", "backend rw\n server p 10.0.0.2:2\n",
	     HEAD "  server p 10.0.0.2:2 maxconn 9 # old\n"},
	    {HEAD "  server p  ipv4@10.0.0.1:1\n\n#x\n", "backend rw\n server p [::1]:2\n",
	     HEAD "  server p  [::1]:2\n\n#x\n"},
	    {HEAD " server p ipv4@10.0.0.1:01\n", "global\nbackend rw\n server p 10.0.0.1:1\n",
	     HEAD " server p ipv4@10.0.0.1:01\n"},
	    {HEAD " server p 10.0.0.1:1#c\n",
	     "backend rw\n server p 10.0.0.1:1 disabled weight 7\n",
	     HEAD " server p 10.0.0.1:1 weight 7 disabled#c\n"},
	    {HEAD " server p 10.0.0.1:1 weight 7 disabled\n", "backend rw\n server p 10.0.0.2:1\n",
	     HEAD " server p 10.0.0.2:1 weight 1 enabled\n"},
	    {HEAD " server p 10.0.0.1:1\n server q 10.0.0.1:2\n",
	     "backend rw\n server q 10.0.0.3:2\n",
	     HEAD " server p 10.0.0.1:1 weight 1 disabled\n server q 10.0.0.3:2\n"},
	    {HEAD " server p 10.0.0.1:1\n", "backend other\n server p 10.0.0.2:1\n",
	     HEAD " server p 10.0.0.1:1\n"},
	    {HEAD " server p 10.0.0.1:1\n", "backend rw\n server p /run/s\n",
	     HEAD " server p 10.0.0.1:1\n"},
	    {HEAD " default-server disabled\n server p 10.0.0.1:1 check\n",
	     "backend rw\n server p 10.0.0.2:1\n",
	     HEAD " default-server disabled\n server p 10.0.0.2:1 check weight 1 enabled\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf out = STRBUF_INIT;

		patch(cases[i].text, cases[i].desired, &out);
		cr_expect_str_eq(out.data, cases[i].patched, "case %zu: %s", i, out.data);
		strbuf_fini(&out);
	}
}

Test(haproxy_patch, patched_again_and_again_a_line_does_not_grow)
{
	static const char *const desired[] = {"backend rw\n server p 10.0.0.1:1 disabled\n",
	                                      "backend rw\n server p 10.0.0.1:1 weight 9\n"};
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;

	strbuf_append_str(&text, HEAD " server p 10.0.0.1:1 inter 1s\n");
	for (int i = 0; i < 100; i++) {
		strbuf_reset(&out);
		patch(text.data, desired[i % 2], &out);
		strbuf_reset(&text);
		strbuf_append(&text, out.data, out.len);
	}
	cr_assert_str_eq(text.data, HEAD " server p 10.0.0.1:1 inter 1s weight 9 enabled\n");
	strbuf_fini(&text);
	strbuf_fini(&out);
}

/* The last word is the value of the one before, whatever it says. */
Test(haproxy_patch, a_line_that_would_come_to_say_something_else_is_refused)
{
	static const char text[] = HEAD " server p 10.0.0.1:1 cookie disabled\n";
	static const char desired[] = "backend rw\n server p 10.0.0.1:1 weight 2\n";
	struct strbuf out = STRBUF_INIT;
	struct haproxy_config config;
	struct err err;

	cr_assert(haproxy_config_parse(desired, strlen(desired), &config, &err));
	cr_assert_not(haproxy_config_patch(text, strlen(text), &config, &out, &err));
	cr_assert_not_null(strstr(err.message, "server rw/p"), "%s", err.message);
	haproxy_config_free(&config);
	strbuf_fini(&out);
}
