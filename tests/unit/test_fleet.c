/* The fleet: what a sidecar says of itself as JSON and back, who is marked and why, the table, and
 * whom segue wait still waits for. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/fleet.h"

#define NOW 1794997600 /* 2026-11-18T10:26:40Z */

static struct fleet_note make_note(int64_t zxid, const char *primary)
{
	struct fleet_note note;

	fleet_note_init(&note, 1);
	note.pid = 77;
	note.zxid = zxid;
	note.seen_zxid = zxid;
	note.ready = true;
	fleet_copy(note.segue, sizeof(note.segue), "0.1.0");
	fleet_copy(note.host, sizeof(note.host), "proxy1");
	fleet_copy(note.started, sizeof(note.started), "2026-11-18T09:00:00Z");
	fleet_copy(note.at, sizeof(note.at), "2026-11-18T10:26:30.123456Z");
	fleet_copy(note.primary, sizeof(note.primary), primary);
	fleet_copy(note.state, sizeof(note.state), "current");
	note.targets[0] = (struct fleet_target){
	    .name = "local", .kind = "haproxy", .zxid = zxid, .in_sync = true, .old_sessions = 2};
	fleet_copy(note.targets[0].primary, sizeof(note.targets[0].primary), primary);
	return note;
}

static char *encode(const struct fleet_note *note)
{
	struct strbuf text = STRBUF_INIT;

	fleet_encode(note, &text);
	return strbuf_detach(&text);
}

Test(fleet, the_json_is_the_documented_one)
{
	struct fleet_note note = make_note(7, "10.0.0.2:5432");
	auto_free char *text = encode(&note);

	cr_assert_str_eq(
	    text, "{\"version\":1,\"segue\":\"0.1.0\",\"host\":\"proxy1\",\"pid\":77,\"started\":"
	          "\"2026-11-18T09:00:00Z\",\"zxid\":7,\"seen_zxid\":7,\"at\":"
	          "\"2026-11-18T10:26:30.123456Z\",\"primary\":\"10.0.0.2:5432\",\"state\":"
	          "\"current\",\"reason\":null,\"about\":null,\"why\":null,\"alarm\":null,"
	          "\"holding\":false,\"ready\":true,\"targets_total\":1,\"targets\":[{\"name\":"
	          "\"local\",\"kind\":\"haproxy\",\"zxid\":7,\"in_sync\":true,\"primary\":"
	          "\"10.0.0.2:5432\",\"problem\":null,\"old_sessions\":2}]}");
	fleet_note_fini(&note);
}

Test(fleet, what_was_written_is_read_again)
{
	struct fleet_note note = make_note(INT64_C(0x1a00000023), "[fd00::2]:5432"), read;
	auto_free char *text = NULL, *again = NULL;
	struct err err;

	note.holding = true;
	fleet_copy(note.alarm, sizeof(note.alarm), "two \"servers\" take writes");
	fleet_copy(note.targets[0].problem, sizeof(note.targets[0].problem), "a\\b");
	text = encode(&note);
	cr_assert(fleet_decode(text, strlen(text), &read, &err), "%s", err.message);
	again = encode(&read);
	cr_assert_str_eq(again, text);
	fleet_note_fini(&note);
	fleet_note_fini(&read);
}

Test(fleet, however_long_the_texts_it_fits_into_a_znode)
{
	struct fleet_note note;
	char longest[2 * FLEET_TEXT_MAX];
	auto_free char *text = NULL;

	memset(longest, '"', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	fleet_note_init(&note, 1000);
	cr_assert_eq(note.target_count, FLEET_TARGETS_MAX);
	fleet_copy(note.reason, sizeof(note.reason), longest);
	fleet_copy(note.why, sizeof(note.why), longest);
	fleet_copy(note.alarm, sizeof(note.alarm), longest);
	for (size_t i = 0; i < note.target_count; i++) {
		struct fleet_target *target = &note.targets[i];

		target->zxid = INT64_MAX;
		target->old_sessions = INT64_MAX;
		fleet_copy(target->name, sizeof(target->name), longest);
		fleet_copy(target->kind, sizeof(target->kind), longest);
		fleet_copy(target->primary, sizeof(target->primary), longest);
		fleet_copy(target->problem, sizeof(target->problem), longest);
	}
	text = encode(&note);
	cr_assert_lt(strlen(text), (size_t)64 * 1024, "%zu", strlen(text));
	cr_assert_not_null(strstr(text, "\"targets_total\":1000,"));
	fleet_note_fini(&note);
}

Test(fleet, bytes_that_are_not_ascii_become_question_marks)
{
	char out[8];

	fleet_copy(out, sizeof(out), "a\033\xc3\xbc\n\"");
	cr_assert_str_eq(out, "a????\"");
	fleet_copy(out, sizeof(out), "0123456789");
	cr_assert_str_eq(out, "0123456");
	fleet_copy(out, sizeof(out), NULL);
	cr_assert_str_eq(out, "");
}

static void refuse(const char *text, const char *reason)
{
	struct fleet_note note;
	struct err err;

	cr_assert_not(fleet_decode(text, strlen(text), &note, &err), "%s", text);
	cr_assert_not_null(strstr(err.message, reason), "%s: %s", text, err.message);
}

Test(fleet, what_is_no_sidecar_s_is_refused)
{
	refuse("", "not JSON");
	refuse("{\"version\":1", "not JSON");
	refuse("[1]", "not an object");
	refuse("{}", "only version 1");
	refuse("{\"version\":2,\"zxid\":1}", "only version 1");
	refuse("{\"version\":1}", "zxid");
	refuse("{\"version\":1,\"zxid\":-1}", "zxid");
	refuse("{\"version\":1,\"zxid\":\"7\"}", "zxid");
	refuse("{\"version\":1,\"zxid\":1,\"zxid\":2}", "not JSON");
}

Test(fleet, all_but_version_and_zxid_may_be_missing_or_of_another_type)
{
	static const char *const texts[] = {
	    "{\"version\":1,\"zxid\":0}",
	    "{\"version\":1,\"zxid\":5,\"targets\":7,\"host\":[],\"pid\":\"x\",\"primary\":{},"
	    "\"targets_total\":-3,\"holding\":1}",
	    "{\"version\":1,\"zxid\":5,\"targets\":[1,null,{},{\"name\":2,\"zxid\":-4}]}"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct fleet_note note;
		struct err err;

		cr_assert(fleet_decode(texts[i], strlen(texts[i]), &note, &err), "%s", err.message);
		cr_assert_str_eq(note.host, "");
		cr_assert_eq(note.pid, 0);
		cr_assert_eq(note.target_total, i == 2 ? 4 : 0);
		cr_assert_not(note.holding);
		fleet_note_fini(&note);
	}
}

/* -- marks -- */

static enum fleet_mark judge(const struct fleet_note *note, bool alive)
{
	const struct fleet_entry entry = {
	    .name = "proxy1", .path = "/p", .alive = alive, .note = note, .problem = "bad"};
	const struct fleet_view view = {.cluster = "orders",
	                                .zxid = 7,
	                                .primary = "10.0.0.2:5432",
	                                .entries = &entry,
	                                .count = 1};

	return fleet_judge(&view, &entry);
}

Test(fleet, the_worst_that_is_true_is_the_mark)
{
	struct fleet_note note = make_note(7, "10.0.0.2:5432");

	cr_assert_eq(judge(&note, true), FLEET_OK);
	cr_assert_eq(judge(&note, false), FLEET_UNREADABLE, "of no session");
	cr_assert_eq(judge(NULL, true), FLEET_UNREADABLE);
	note.targets[0].in_sync = false;
	cr_assert_eq(judge(&note, true), FLEET_OUT_OF_SYNC);
	note.zxid = 6;
	cr_assert_eq(judge(&note, true), FLEET_BEHIND);
	fleet_copy(note.primary, sizeof(note.primary), "10.0.0.1:5432");
	cr_assert_eq(judge(&note, true), FLEET_ELSEWHERE);
	fleet_copy(note.primary, sizeof(note.primary), "");
	cr_assert_eq(judge(&note, true), FLEET_BEHIND);
	fleet_note_fini(&note);
}

Test(fleet, all_is_well_only_where_somebody_is_on_a_primary)
{
	struct fleet_note note = make_note(7, "10.0.0.2:5432");
	const struct fleet_entry entry = {
	    .name = "proxy1", .path = "/p", .alive = true, .note = &note};
	struct fleet_view view = {.cluster = "orders",
	                          .zxid = 7,
	                          .primary = "10.0.0.2:5432",
	                          .entries = &entry,
	                          .count = 1};

	cr_assert(fleet_is_well(&view));
	view.count = 0;
	cr_assert_not(fleet_is_well(&view), "nobody");
	view.count = 1;
	view.primary[0] = '\0';
	cr_assert_eq(fleet_judge(&view, &entry), FLEET_UNKNOWN);
	cr_assert_not(fleet_is_well(&view), "no primary");
	fleet_note_fini(&note);
}

/* -- the table -- */

static char *print(const struct fleet_view *view, bool colour)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fleet_table_print(view, colour, out);
	fclose(out);
	return text;
}

Test(fleet, the_table_shows_who_is_where_in_80_columns)
{
	struct fleet_note good = make_note(INT64_C(111669149731), "10.0.0.12:5432");
	struct fleet_note bad = make_note(INT64_C(111669149700), "10.0.0.11:5432");
	const struct fleet_entry entries[] = {{.name = "haproxy-01",
	                                       .path = "/segue/orders/sidecars/haproxy-01",
	                                       .alive = true,
	                                       .note = &good},
	                                      {.name = "haproxy-02",
	                                       .path = "/segue/orders/sidecars/haproxy-02",
	                                       .alive = true,
	                                       .note = &bad},
	                                      {.name = "x",
	                                       .path = "/segue/orders/sidecars/x",
	                                       .alive = true,
	                                       .problem = "znode x: no JSON"}};
	const struct fleet_view view = {.cluster = "orders",
	                                .zxid = INT64_C(111669149731),
	                                .primary = "10.0.0.12:5432",
	                                .entries = entries,
	                                .count = ARRAY_LEN(entries),
	                                .now = NOW};
	auto_free char *text = NULL;

	fleet_copy(good.host, sizeof(good.host), "haproxy-01");
	fleet_copy(bad.host, sizeof(bad.host), "haproxy-02");
	fleet_copy(bad.state, sizeof(bad.state), "refused");
	fleet_copy(bad.reason, sizeof(bad.reason), "the server is in recovery");
	bad.targets[0].old_sessions = -1;
	text = print(&view, false);
	cr_assert_str_eq(
	    text, "cluster orders: the store names 10.0.0.12:5432, zxid 111669149731; sidecars: 3\n"
	          "\n"
	          "SIDECAR     STATE    PRIMARY         ZXID          AGE  SYNC  OLD\n"
	          "haproxy-01  current  10.0.0.12:5432  111669149731  10s  1/1   2    ok\n"
	          "haproxy-02  refused  10.0.0.11:5432  111669149700  10s  1/1   -    ELSEWHERE\n"
	          "x           -        -               -             -    -     -    UNREADABLE\n"
	          "\n"
	          "haproxy-02 (host haproxy-02, pid 77): refused, has confirmed zxid 111669149700 "
	          "(10.0.0.11:5432) and seen 111669149700: the server is in recovery\n"
	          "x: znode x: no JSON\n");
	fleet_note_fini(&good);
	fleet_note_fini(&bad);
}

Test(fleet, host_and_version_are_shown_where_they_tell_sidecars_apart)
{
	struct fleet_note one = make_note(7, "10.0.0.2:5432"), two = make_note(7, "10.0.0.2:5432");
	const struct fleet_entry entries[] = {
	    {.name = "proxy1", .path = "/1", .alive = true, .note = &one},
	    {.name = "proxy2", .path = "/2", .alive = true, .note = &two}};
	const struct fleet_view view = {.cluster = "orders",
	                                .zxid = 7,
	                                .primary = "10.0.0.2:5432",
	                                .entries = entries,
	                                .count = ARRAY_LEN(entries),
	                                .now = NOW + 3 * 86400};
	auto_free char *text = NULL;

	fleet_copy(two.segue, sizeof(two.segue), "0.2.0");
	text = print(&view, false);
	cr_assert_str_eq(
	    text, "cluster orders: the store names 10.0.0.2:5432, zxid 7; sidecars: 2\n"
	          "\n"
	          "SIDECAR  HOST    VERSION  STATE    PRIMARY        ZXID  AGE  SYNC  OLD\n"
	          "proxy1   proxy1  0.1.0    current  10.0.0.2:5432  7     3d   1/1   2    ok\n"
	          "proxy2   proxy1  0.2.0    current  10.0.0.2:5432  7     3d   1/1   2    ok\n");
	fleet_note_fini(&one);
	fleet_note_fini(&two);
}

Test(fleet, colours_mark_whom_to_look_at_and_no_name_gets_the_terminal)
{
	struct fleet_note note = make_note(6, "10.0.0.2:5432");
	const struct fleet_entry entries[] = {
	    {.name = "a\033[2J", .path = "/\033", .alive = true, .note = &note},
	    {.name = "b", .path = "/b", .alive = false, .note = &note}};
	const struct fleet_view view = {.cluster = "orders",
	                                .zxid = 7,
	                                .primary = "10.0.0.2:5432",
	                                .store_problem = "\033",
	                                .entries = entries,
	                                .count = ARRAY_LEN(entries),
	                                .now = NOW};
	auto_free char *plain = print(&view, false), *coloured = print(&view, true);

	cr_assert_null(strchr(plain, '\033'), "%s", plain);
	cr_assert_not_null(strstr(plain, "/b: a persistent znode that no live sidecar owns"), "%s",
	                   plain);
	cr_assert_not_null(strstr(coloured, "\n\033[33ma?[2J"), "%s", coloured);
	cr_assert_not_null(strstr(coloured, "\n\033[1;31mb "), "%s", coloured);
	fleet_note_fini(&note);
}

Test(fleet, the_document_holds_what_each_says)
{
	struct fleet_note note = make_note(7, "10.0.0.2:5432");
	const struct fleet_entry entries[] = {
	    {.name = "proxy1", .path = "/1", .mzxid = 9, .alive = true, .note = &note},
	    {.name = "\xff", .path = "/2", .alive = true, .problem = "no JSON"}};
	const struct fleet_view view = {.cluster = "orders",
	                                .zxid = 7,
	                                .primary = "10.0.0.2:5432",
	                                .entries = entries,
	                                .count = ARRAY_LEN(entries),
	                                .now = NOW};
	json_t *document = fleet_view_json(&view),
	       *sidecars = json_object_get(document, "sidecars");
	json_t *one = json_array_get(sidecars, 0), *two = json_array_get(sidecars, 1);

	cr_assert(json_is_false(json_object_get(document, "well")));
	cr_assert_str_eq(json_string_value(json_object_get(one, "mark")), "ok");
	cr_assert_eq(json_integer_value(json_object_get(one, "mzxid")), 9);
	cr_assert_eq(json_integer_value(json_object_get(json_object_get(one, "says"), "pid")), 77);
	cr_assert_str_eq(json_string_value(json_object_get(two, "mark")), "unreadable");
	cr_assert(json_is_null(json_object_get(two, "says")));
	cr_assert_str_eq(json_string_value(json_object_get(two, "name")), "\\xff");
	json_decref(document);
	fleet_note_fini(&note);
}

/* -- segue wait -- */

static bool is_over(const struct fleet_entry *entries, size_t count, bool empty_is_fine)
{
	const struct fleet_view view = {.cluster = "orders", .entries = entries, .count = count};

	return fleet_all_confirmed(&view, 7, empty_is_fine);
}

Test(fleet, wait_is_over_when_every_live_one_has_confirmed)
{
	struct fleet_note at = make_note(7, "p"), newer = make_note(8, "p"),
	                  older = make_note(6, "p");
	const struct fleet_entry done[] = {{.name = "a", .alive = true, .note = &at},
	                                   {.name = "b", .alive = true, .note = &newer},
	                                   {.name = "dead", .alive = false, .note = &older}};
	const struct fleet_entry late[] = {{.name = "a", .alive = true, .note = &at},
	                                   {.name = "b", .alive = true, .note = &older}};
	const struct fleet_entry bad[] = {{.name = "a", .alive = true, .problem = "no JSON"}};

	cr_assert(is_over(done, ARRAY_LEN(done), false));
	cr_assert_not(is_over(late, ARRAY_LEN(late), true));
	cr_assert_not(is_over(bad, ARRAY_LEN(bad), true));
	cr_assert_not(is_over(&done[2], 1, false), "nobody lives");
	cr_assert_not(is_over(done, 0, false));
	cr_assert(is_over(done, 0, true));
	fleet_note_fini(&at);
	fleet_note_fini(&newer);
	fleet_note_fini(&older);
}

Test(fleet, who_is_missing_tells_what_it_waits_for)
{
	struct fleet_note note = make_note(6, "10.0.0.1:5432");
	const struct fleet_entry entry = {.name = "proxy1", .alive = true, .note = &note};
	auto_strbuf struct strbuf line = STRBUF_INIT;

	note.seen_zxid = 7;
	fleet_copy(note.state, sizeof(note.state), "refused");
	fleet_copy(note.reason, sizeof(note.reason), "the server named is not admitted");
	fleet_copy(note.about, sizeof(note.about), "10.0.0.2:5432");
	fleet_copy(note.why, sizeof(note.why), "in recovery");
	note.targets[0].in_sync = false;
	fleet_copy(note.targets[0].problem, sizeof(note.targets[0].problem), "no answer");
	fleet_say_missing(&entry, &line);
	cr_assert_str_eq(line.data,
	                 "proxy1 (host proxy1, pid 77): refused, has confirmed zxid 6 "
	                 "(10.0.0.1:5432) and seen 7: the server named is not admitted: "
	                 "10.0.0.2:5432: in recovery; haproxy/local is not in sync: no answer");
	fleet_note_fini(&note);
}
