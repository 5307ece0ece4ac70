/* The status page in a real browser: a Chromium looks at a sidecar that runs, clicks and types as a
 * person does, and its console tells what the page's own policy has refused. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fixtures/run_stage.h"
#include "lab/browser.h"

#define PAGE_BYTES_MAX 50000
#define SHOT_BYTES_MIN 20000 /* deflate makes one colour of this size 5 kB, not more */
#define SHOT_WIDTH     1600
#define SHOT_HEIGHT    1000
#define HOSTILE        "<script>document.title='owned'</script>\\\"><img src=x onerror=alert(1)>"

TestSuite(page, .timeout = 120);

static struct {
	struct lab *lab; /* what has to be there before the run */
	struct run run;
	struct lab_browser *browser;
	const char *url;
} t;

static void fini(void)
{
	if (t.browser != NULL)
		lab_browser_stop(t.browser);
	run_fini(&t.run);
	lab_destroy(t.lab);
}

/* A cluster that nothing has named a primary of yet, for a second line on the page. */
static const char *billing(struct lab *lab)
{
	const char *template_file = lab_path(lab, "billing.mustache");

	lab_write_file(template_file, "{{#primary}}{{endpoint}}{{/primary}}\n");
	return lab_printf(lab,
	                  "[cluster billing]\npath = /segue/billing\nverify = disable\n"
	                  "[file app]\ncluster = billing\ntemplate = %s\noutput = %s\n"
	                  "reload_command = true\n",
	                  template_file, lab_path(lab, "billing.conf"));
}

static void name_billing(const char *name)
{
	const char *json = lab_printf(
	    t.run.lab,
	    "{\"version\":1,\"primary\":{\"name\":\"%s\",\"host\":\"127.0.0.1\",\"port\":%u}}",
	    name, lab_backend_port(t.run.backends[2]));

	lab_zk_set(t.run.zk, "/segue/billing/master", json, strlen(json));
}

static void must_see(const char *script)
{
	if (!lab_browser_wait(t.browser, script, RUN_TIMEOUT_MS)) {
		json_t *seen = lab_browser_eval(t.browser, "return document.body.innerText");

		cr_assert_fail("not seen: %s\n%s", script, json_string_value(seen));
	}
}

/* The text of the first element that `css` finds holds `text`. */
static void must_read(const char *css, const char *text)
{
	must_see(lab_printf(t.run.lab,
	                    "const e = document.querySelector('%s'); return e !== null && "
	                    "e.textContent.includes(\"%s\")",
	                    css, text));
}

static int64_t eval_integer(const char *script)
{
	json_t *value = lab_browser_eval(t.browser, script);
	int64_t number = json_integer_value(value);

	cr_assert(json_is_integer(value), "%s", script);
	json_decref(value);
	return number;
}

static const char *endpoint(int backend)
{
	return lab_printf(t.run.lab, "127.0.0.1:%u", lab_backend_port(t.run.backends[backend]));
}

static void start(void)
{
	struct run_options options = {0};
	const char *listen;

	t.lab = lab_create("page");
	listen = lab_printf(t.lab, "127.0.0.1:%u", lab_port(t.lab));
	options.segue = lab_printf(t.lab, "listen = %s\n", listen);
	options.sections = billing(t.lab);
	run_init(&t.run, &options);
	t.url = lab_printf(t.run.lab, "http://%s/", listen);
	run_set_primary(&t.run, 0);
	name_billing("db9");
	lab_segue_start(t.run.segue);
	t.browser = lab_browser_start(t.run.lab);
	cr_assert(run_wait_reaches(&t.run, 0));
	cr_assert(run_wait_settled(&t.run));
	lab_browser_resize(t.browser, SHOT_WIDTH, SHOT_HEIGHT);
	lab_browser_prefer(t.browser, "dark");
	lab_browser_open(t.browser, t.url);
	must_see("return document.querySelectorAll('.cluster').length === 2");
}

#define ORDERS "article[data-name=orders]"

static void primary_and_moves_are_followed(void)
{
	int64_t zxid;

	must_read(ORDERS " .who", endpoint(0));
	cr_expect_eq(eval_integer("return document.querySelectorAll('.body').length"), 0,
	             "what nobody opened is built");
	lab_browser_click(t.browser, ORDERS " .head");
	must_read(ORDERS " .body", "haproxy/local");
	zxid = run_set_primary(&t.run, 1);
	must_read(ORDERS " .who", endpoint(1));
	must_read(ORDERS " .target", lab_printf(t.run.lab, "zxid %" PRId64, zxid));
	must_read(ORDERS " .steps", "confirmed");
	must_see("return document.querySelectorAll('" ORDERS " .steps .track i').length >= 4 && "
	         "[...document.querySelectorAll('" ORDERS " .steps .track i')].every((bar) => "
	         "bar.getBoundingClientRect().width >= 2 && bar.title.includes(' ms'))");
	lab_browser_click(t.browser, ORDERS " .lane");
	must_see("return document.querySelector('" ORDERS " .lane').getAttribute('aria-expanded') "
	         "=== 'false' && document.activeElement.classList.contains('lane')");
}

static void filter_finds(void)
{
	lab_browser_type(t.browser, "#filter", "bill");
	must_see("return document.querySelectorAll('.cluster').length === 1");
	must_read("#shown", "1 of 2 clusters");
	lab_browser_type(t.browser, "#filter", "\xee\x80\x8c"); /* Escape */
	must_see("return document.querySelectorAll('.cluster').length === 2");
}

static void theme_toggles(void)
{
	must_see("return document.documentElement.dataset.theme === 'dark'");
	lab_browser_click(t.browser, "#theme");
	must_see("return document.documentElement.dataset.theme === 'light' && "
	         "localStorage.getItem('segue-theme') === 'light'");
	lab_browser_open(t.browser, t.url);
	must_see("return document.documentElement.dataset.theme === 'light'");
}

static void hostile_text_is_text(void)
{
	name_billing(HOSTILE);
	lab_browser_click(t.browser, "article[data-name=billing] .head");
	must_read("article[data-name=billing]", "<script>document.title=");
	must_read("article[data-name=billing]", "<img src=x onerror=alert(1)>");
	cr_expect_eq(eval_integer("return document.querySelectorAll('img, body script').length"), 1,
	             "text became elements");
}

/* The page itself, and nothing but /status after it. */
static void nothing_else_was_asked(void)
{
	json_t *console = lab_browser_console(t.browser);
	auto_free char *said = json_dumps(console, 0);

	cr_expect_eq(json_array_size(console), 0, "%s", said);
	json_decref(console);
	must_see("return performance.getEntriesByType('resource').every((one) => one.name === "
	         "location.origin + '/status')");
	cr_expect_leq(eval_integer("return performance.getEntriesByType('navigation')[0]."
	                           "transferSize"),
	              PAGE_BYTES_MAX);
}

static unsigned be32(const char *data)
{
	const unsigned char *bytes = (const unsigned char *)data;

	return (unsigned)bytes[0] << 24 | (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 |
	       bytes[3];
}

static void picture_is_taken(void)
{
	static const char signature[] = "\x89PNG\r\n\x1a\n";
	const char *file = lab_path(t.run.lab, "page.png");
	auto_strbuf struct strbuf png = STRBUF_INIT;
	struct err err = {0};

	lab_browser_shoot(t.browser, file);
	cr_assert(file_read(file, 1 << 24, &png, NULL, &err), "%s", err.message);
	cr_assert_gt(png.len, SHOT_BYTES_MIN);
	cr_assert_eq(memcmp(png.data, signature, strlen(signature)), 0);
	cr_expect_eq(be32(png.data + 16), SHOT_WIDTH);
	cr_expect_eq(be32(png.data + 20), SHOT_HEIGHT);
}

static void narrow_is_not_cut(void)
{
	lab_browser_resize(t.browser, 360, 800);
	must_see("return document.documentElement.scrollWidth <= 360");
}

static void silence_is_loud(void)
{
	cr_expect_eq(lab_process_stop(lab_segue_process(t.run.segue)), 0);
	must_read("#silence:not([hidden])", "segue does not answer since ");
	must_see("return document.body.classList.contains('stale')");
	lab_segue_start(t.run.segue);
	must_see("return document.querySelector('#silence').hidden");
}

Test(page, what_a_person_on_call_sees, .fini = fini)
{
	start();
	primary_and_moves_are_followed();
	filter_finds();
	picture_is_taken();
	theme_toggles();
	hostile_text_is_text();
	nothing_else_was_asked();
	narrow_is_not_cut();
	silence_is_loud();
}
