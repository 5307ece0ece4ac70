/* The operator's word: what was said survives a restart, and a bad file freezes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/override.h"

static char dir[] = "/tmp/segue-override-XXXXXX";
static char path[64];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/orders.override", dir);
}

static void teardown(void)
{
	unlink(path);
	cr_assert_eq(rmdir(dir), 0, "something was left in %s", dir);
}

TestSuite(override, .init = setup, .fini = teardown);

static void write_text(const char *text, size_t len)
{
	static const struct file_owner owner = {.mode = 0600};
	struct err err;

	cr_assert(file_replace(path, text, len, &owner, &err), "%s", err.message);
}

static void save_and_load(const struct override *saved, struct override *out)
{
	struct err err;

	cr_assert(override_save(dir, "orders", saved, &err), "%s", err.message);
	cr_assert(override_load(dir, "orders", out, &err), "%s", err.message);
}

Test(override, without_a_file_nobody_has_said_anything)
{
	struct override out = {.kind = OVERRIDE_PIN};
	struct err err;

	cr_assert(override_load(dir, "orders", &out, &err), "%s", err.message);
	cr_assert_eq(out.kind, OVERRIDE_NONE);
	cr_assert(override_load("/nonexistent", "orders", &out, &err), "%s", err.message);
	cr_assert_eq(out.kind, OVERRIDE_NONE);
}

Test(override, a_pin_is_kept)
{
	const struct override saved = {.kind = OVERRIDE_PIN,
	                               .address = "fd00::1",
	                               .port = 5433,
	                               .by = "alice@db-proxy",
	                               .since = "2026-11-23T11:07:25Z"};
	struct override out;
	struct stat st;

	save_and_load(&saved, &out);
	cr_assert_eq(out.kind, OVERRIDE_PIN);
	cr_assert_str_eq(out.address, "fd00::1");
	cr_assert_eq(out.port, 5433);
	cr_assert_str_eq(out.by, "alice@db-proxy");
	cr_assert_str_eq(out.since, "2026-11-23T11:07:25Z");
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0640);
}

Test(override, a_freeze_is_kept_and_released)
{
	const struct override freeze = {.kind = OVERRIDE_FREEZE}, none = {.kind = OVERRIDE_NONE};
	struct override out;

	save_and_load(&freeze, &out);
	cr_assert_eq(out.kind, OVERRIDE_FREEZE);
	cr_assert_str_eq(out.by, "");
	save_and_load(&none, &out);
	cr_assert_eq(out.kind, OVERRIDE_NONE);
	cr_assert_neq(access(path, F_OK), 0);
	save_and_load(&none, &out);
	cr_assert_eq(out.kind, OVERRIDE_NONE, "a second release is fine");
}

static void refuse(const char *text, const char *message_part)
{
	struct override out = {.kind = OVERRIDE_NONE};
	struct err err = {0};

	write_text(text, strlen(text));
	cr_assert_not(override_load(dir, "orders", &out, &err), "accepted: %s", text);
	cr_assert_not_null(strstr(err.message, message_part), "%s", err.message);
	cr_assert_not_null(strstr(err.message, path), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "frozen until"), "%s", err.message);
	cr_assert_eq(out.kind, OVERRIDE_FREEZE, "a bad file does not freeze: %s", text);
	cr_assert_eq(out.port, 0);
}

#define PIN(more) "{\"kind\":\"pin\"" more "}"

Test(override, a_file_that_cannot_be_understood_freezes)
{
	refuse("", "not JSON, or cut off");
	refuse("{\"kind\":\"free", "not JSON, or cut off");
	refuse("{\"kind\":\"none\",\"kind\":\"none\"}", "not JSON, or cut off");
	refuse("[]", "it must be a JSON object");
	refuse("{}", "kind is missing: it must be \"pin\", \"freeze\" or \"none\"");
	refuse("{\"kind\":7}", "kind is 7");
	refuse("{\"kind\":\"Pin\"}", "kind is \"Pin\"");
	refuse(PIN(""), "address is missing");
	refuse(PIN(",\"address\":\"db1\",\"port\":1"), "one server's IP address");
	refuse(PIN(",\"address\":\"0.0.0.0\",\"port\":1"), "one server's IP address");
	refuse(PIN(",\"address\":\"[::1]\",\"port\":1"), "one server's IP address");
	refuse(PIN(",\"address\":\"::1\""), "port is missing");
	refuse(PIN(",\"address\":\"::1\",\"port\":\"1\""), "a number from 1 to 65535");
	refuse(PIN(",\"address\":\"::1\",\"port\":0"), "a number from 1 to 65535");
	refuse(PIN(",\"address\":\"::1\",\"port\":65536"), "a number from 1 to 65535");
	refuse("{\"kind\":\"freeze\",\"by\":1}", "by is 1");
	refuse("{\"kind\":\"freeze\",\"by\":\"a\\nb\"}", "control characters");
	refuse("{\"kind\":\"freeze\",\"since\":\"2026-11-23T11:07:25.000000Z and a bit\"}",
	       "since is ");
}

Test(override, a_file_of_another_version_may_say_more)
{
	const char *text = "{\"kind\":\"freeze\",\"by\":null,\"mood\":[1,2]}";
	struct override out;
	struct err err;

	write_text(text, strlen(text));
	cr_assert(override_load(dir, "orders", &out, &err), "%s", err.message);
	cr_assert_eq(out.kind, OVERRIDE_FREEZE);
}

Test(override, a_huge_file_freezes)
{
	auto_free char *huge = xcalloc(8193, 1);

	memset(huge, ' ', 8192);
	refuse(huge, "larger than 4096 bytes");
}

Test(override, what_is_no_file_freezes)
{
	struct override out;
	struct err err = {0};

	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_not(override_load(dir, "orders", &out, &err));
	cr_assert_eq(out.kind, OVERRIDE_FREEZE);
	cr_assert_not_null(strstr(err.message, "not a regular file"), "%s", err.message);
	cr_assert_not(
	    override_save(dir, "orders", &(struct override){.kind = OVERRIDE_NONE}, &err));
	cr_assert_not_null(strstr(err.message, "cannot remove "), "%s", err.message);
	cr_assert_eq(rmdir(path), 0);
}

Test(override, a_missing_folder_is_an_error_when_saving)
{
	const struct override freeze = {.kind = OVERRIDE_FREEZE};
	struct err err = {0};

	cr_assert_not(override_save("/nonexistent/segue", "orders", &freeze, &err));
	cr_assert_not_null(strstr(err.message, "cannot write the override file"), "%s",
	                   err.message);
}

Test(override, a_name_that_is_no_utf8_does_not_cost_the_word)
{
	const struct override freeze = {.kind = OVERRIDE_FREEZE, .by = "\xff"};
	struct override out;

	save_and_load(&freeze, &out);
	cr_assert_eq(out.kind, OVERRIDE_FREEZE);
	cr_assert_str_eq(out.by, "");
}

Test(override, as_json_none_is_null)
{
	const struct override none = {.kind = OVERRIDE_NONE}, freeze = {.kind = OVERRIDE_FREEZE};
	json_auto_t *document = override_to_json(&none), *frozen = override_to_json(&freeze);

	cr_assert(json_is_null(document));
	cr_assert_str_eq(json_string_value(json_object_get(frozen, "kind")), "freeze");
}
