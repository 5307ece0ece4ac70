/* State files: what was applied survives a restart, and nothing else passes for it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/state_file.h"

#define HOSTS "zk2:2181,zk1:2181,zk3:2181/prod"
#define STORE "zk1:2181,zk2:2181,zk3:2181/prod /segue/orders"

static const struct config_cluster cluster = {.name = (char *)"orders",
                                              .path = (char *)"/segue/orders"};

static char *make_dir(void)
{
	char *dir = xstrdup("/tmp/segue-state-XXXXXX");

	cr_assert_not_null(mkdtemp(dir));
	return dir;
}

static char *file_in(const char *dir)
{
	return xasprintf("%s/orders.json", dir);
}

static void remove_dir(const char *dir)
{
	auto_free char *file = file_in(dir);

	unlink(file);
	cr_assert_eq(rmdir(dir), 0, "something was left in %s", dir);
}

static void write_state(const char *dir, const char *text)
{
	static const struct file_owner owner = {.mode = 0600};
	auto_free char *file = file_in(dir);
	struct err err;

	cr_assert(file_replace(file, text, strlen(text), &owner, &err), "%s", err.message);
}

static struct applied make_applied(void)
{
	struct applied applied;
	struct member *standby;

	applied_init(&applied);
	applied.zxid = applied.topology.zxid = 0x7fffffff00000001;
	applied.has_topology = applied.topology.has_primary = true;
	applied.topology.primary = (struct member){.name = "db1",
	                                           .host = "db1.example.com",
	                                           .address = "10.0.0.1",
	                                           .port = 5432,
	                                           .lag_bytes = -1};
	standby = topology_add_standby(&applied.topology);
	*standby = (struct member){.host = "db2", .port = 5433, .lag_bytes = 9, .slot = 2};
	applied.topology.primary.slot = 65;
	applied.topology.timeline = 3;
	snprintf(applied.topology.system_identifier, 32, "77");
	return applied;
}

Test(state_file, without_a_file_nothing_was_applied)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied out;
	struct err err;

	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err));
	cr_assert_eq(out.zxid, 0);
	cr_assert_not(out.has_topology);
	cr_assert_eq(note.len, 0);
	applied_fini(&out);
	remove_dir(dir);
}

Test(state_file, what_was_saved_is_loaded)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied saved = make_applied(), out;
	struct err err;

	saved.floor_zxid = 5;
	saved.in_this_run = true;
	saved.topology.standbys[0].no_reads = true;
	cr_assert(topology_set_tags(&saved.topology.standbys[0],
	                            "{\"reporting\":true,\"zone\":\"\\u00E9\"}"));
	cr_assert(state_save(dir, &cluster, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err), "%s", err.message);
	cr_assert_eq(out.zxid, saved.zxid);
	cr_assert_eq(out.topology.zxid, saved.zxid);
	cr_assert_eq(out.floor_zxid, 5);
	cr_assert_not(out.in_this_run);
	cr_assert(out.has_topology);
	cr_assert(topology_same_servers(&out.topology, &saved.topology));
	cr_assert_str_eq(out.topology.primary.address, "10.0.0.1");
	cr_assert_eq(out.topology.standbys[0].lag_bytes, 9);
	cr_assert_eq(out.topology.timeline, 3);
	cr_assert_eq(out.topology.primary.slot, 65);
	cr_assert_eq(out.topology.standbys[0].slot, 2);
	cr_assert_eq(note.len, 0, "%s", note.data);
	applied_fini(&out);
	applied_fini(&saved);
	remove_dir(dir);
}

Test(state_file, a_name_of_Patronis_is_kept_with_its_tags)
{
	static const struct config_cluster patroni = {.name = (char *)"orders",
	                                              .path = (char *)"/service/orders",
	                                              .layout = CONFIG_LAYOUT_PATRONI};
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied saved = make_applied(), out;
	struct member *primary = &saved.topology.primary;
	struct err err;

	memset(primary->name, 'n', TOPOLOGY_MEMBER_MAX - 1);
	memcpy(primary->name, "M\xc3\xbc \"1\":", strlen("M\xc3\xbc \"1\":"));
	cr_assert(topology_set_tags(primary, "{\"zone\":\"b\"}"));
	cr_assert(state_save(dir, &patroni, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &patroni, HOSTS, &out, &note, &err), "%s", err.message);
	cr_assert(topology_same_servers(&out.topology, &saved.topology));
	cr_assert_str_eq(topology_tags(&out.topology.primary), "{\"zone\":\"b\"}");
	applied_fini(&out);
	cr_assert_not(state_load(dir, &cluster, HOSTS, &out, &note, &err));
	cr_assert_not_null(strstr(err.message, "primary.name"), "%s", err.message);
	applied_fini(&out);
	applied_fini(&saved);
	remove_dir(dir);
}

Test(state_file, what_the_store_confirmed_is_kept_apart_from_what_was_followed)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied saved = make_applied(), out;
	struct err err;

	saved.against_store = true;
	saved.confirmed = (struct floor){2, "76"};
	cr_assert(state_save(dir, &cluster, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err), "%s", err.message);
	cr_expect(out.against_store);
	cr_expect_eq(out.confirmed.timeline, 2);
	cr_expect_str_eq(out.confirmed.system_identifier, "76");
	cr_expect_eq(out.topology.timeline, 3);
	applied_fini(&out);
	saved.against_store = false;
	cr_assert(state_save(dir, &cluster, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err), "%s", err.message);
	cr_expect_not(out.against_store);
	applied_fini(&out);
	applied_fini(&saved);
	remove_dir(dir);
}

Test(state_file, a_roll_back_seen_before_anything_was_applied_is_kept)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied saved, out;
	struct err err;

	applied_init(&saved);
	saved.zxid = 7;
	saved.floor_zxid = 5;
	cr_assert(state_save(dir, &cluster, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err), "%s", err.message);
	cr_assert_eq(out.floor_zxid, 5);
	cr_assert_not(out.has_topology);
	applied_fini(&out);
	remove_dir(dir);
}

static void expect_zxid(const struct applied *got, int64_t zxid, const struct strbuf *note)
{
	cr_assert_eq(got->zxid, zxid);
	cr_assert_eq(got->topology.zxid, zxid);
	cr_assert(got->has_topology);
	if (zxid == 0)
		cr_assert_not_null(strstr(note->data, "its zxid does not count"), "%s", note->data);
	else
		cr_assert_eq(note->len, 0, "%s", note->data);
}

/* Saved with HOSTS and the cluster's path, loaded with others: does the zxid count? */
static void load_as(const char *hosts, const char *path, enum config_layout layout, bool same_store)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied saved = make_applied(), out;
	struct config_cluster other = cluster;
	struct err err;

	other.path = (char *)path;
	other.layout = layout;
	cr_assert(state_save(dir, &cluster, HOSTS, &saved, &err), "%s", err.message);
	cr_assert(state_load(dir, &other, hosts, &out, &note, &err), "%s", err.message);
	expect_zxid(&out, same_store ? saved.zxid : 0, &note);
	applied_fini(&out);
	applied_fini(&saved);
	remove_dir(dir);
}

static void load_from(const char *hosts, const char *path, bool same_store)
{
	load_as(hosts, path, CONFIG_LAYOUT_SEGUE, same_store);
}

Test(state_file, zxids_of_another_store_do_not_count)
{
	load_from("zk1:2181,zk2:2181,zk3:2181/prod", "/segue/orders", true);
	load_from("zk3:2181, zk1:2181,zk2:2181/prod", "/segue/orders", true);
	load_from("zk1:2181,zk2:2181/prod", "/segue/orders", false);
	load_from("zk1:2181,zk2:2181,zk3:2181/test", "/segue/orders", false);
	load_from("zk1:2181,zk2:2181,zk3:2181", "/segue/orders", false);
	load_from(HOSTS, "/segue/other", false);
	load_as(HOSTS, "/segue/orders", CONFIG_LAYOUT_PATRONI, false);
}

static void expect_nothing(const struct applied *got)
{
	cr_assert_eq(got->zxid, 0);
	cr_assert_not(got->has_topology);
	cr_assert_null(got->topology.standbys);
}

static void refuse(const char *text, const char *message_part)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied out;
	struct err err = {0};

	write_state(dir, text);
	cr_assert_not(state_load(dir, &cluster, HOSTS, &out, &note, &err), "accepted: %s", text);
	cr_assert_not_null(strstr(err.message, message_part), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "/orders.json"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "remove it"), "%s", err.message);
	expect_nothing(&out);
	remove_dir(dir);
}

#define STATE(version, applied, floor, more)                                         \
	"{\"version\":" version ",\"store\":\"" STORE "\",\"applied_zxid\":" applied \
	",\"floor_zxid\":" floor more "}"
#define TOPOLOGY                                                                               \
	",\"topology\":{\"version\":1,\"primary\":{\"host\":\"db1\",\"port\":1},\"standbys\":" \
	"[{\"host\":\"db2\",\"port\":1}]}"
#define ADDRESSES ",\"addresses\":[\"\",\"\"]"

Test(state_file, what_cannot_be_understood_is_refused)
{
	refuse("", "not JSON, or cut off");
	refuse("[1]", "version is missing");
	refuse(STATE("2", "1", "0", ""), "version is missing or other than 1");
	refuse("{\"version\":1}", "applied_zxid is missing");
	refuse("{\"version\":1,\"applied_zxid\":1}", "floor_zxid is missing");
	refuse(STATE("1", "-1", "0", ""), "applied_zxid is missing or not an integer from 0");
	refuse(STATE("1", "1", "-1", ""), "floor_zxid is missing or not an integer from 0");
	refuse(STATE("1", "9223372036854775808", "0", ""), "not JSON");
	refuse(STATE("1", "1.5", "0", ""), "applied_zxid is missing or not an integer");
	refuse(STATE("1", "\"1\"", "0", ""), "applied_zxid is missing or not an integer");
	refuse(STATE("1", "1", "0", ",\"topology\":null"), "topology: byte 4: no JSON");
	refuse(STATE("1", "1", "0", ",\"topology\":{\"version\":1}"),
	       "topology: primary is missing");
	refuse(STATE("1", "1", "0", TOPOLOGY), "addresses does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ",\"addresses\":[\"\"]"), "addresses does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ",\"addresses\":[\"db1\",\"\"]"), "IP address");
	refuse(STATE("1", "1", "0", TOPOLOGY ",\"addresses\":[\"\",7]"), "IP address");
	refuse(STATE("1", "1", "0", TOPOLOGY ",\"addresses\":[\"0.0.0.0\",\"\"]"), "IP address");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"tags\":[{}]"), "tags does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"tags\":[{},\"x\"]"),
	       "tags contains something else");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"tags\":[{},{\"a\":{\"b\":1}}]"),
	       "tags contains something else");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"tags\":[{},{\"a\":[1]}]"),
	       "tags contains something else");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":[1]"), "slots does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":{}"), "slots does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":[2,2]"), "different numbers");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":[1,66]"), "different numbers");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":[1,-1]"), "different numbers");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"slots\":[1,\"2\"]"),
	       "different numbers");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"unread\":[true,false]"),
	       "unread does not match");
	refuse(STATE("1", "1", "0", TOPOLOGY ADDRESSES ",\"unread\":true"),
	       "unread does not match");
}

/* As the segue before had them in its text. */
Test(state_file, a_file_without_slots_has_them_by_name)
{
	auto_free char *dir = make_dir();
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied out;
	struct err err;

	write_state(dir, STATE("1", "7", "0",
	                       ",\"topology\":{\"version\":1,\"primary\":{\"name\":\"b\","
	                       "\"host\":\"db1\",\"port\":1},\"standbys\":[{\"name\":\"a\","
	                       "\"host\":\"db2\",\"port\":1}]}" ADDRESSES));
	cr_assert(state_load(dir, &cluster, HOSTS, &out, &note, &err), "%s", err.message);
	cr_assert_eq(out.topology.primary.slot, 2);
	cr_assert_eq(out.topology.standbys[0].slot, 1);
	applied_fini(&out);
	remove_dir(dir);
}

Test(state_file, a_truncated_file_is_refused_at_every_length)
{
	const char *text = STATE("1", "7", "0", TOPOLOGY ",\"addresses\":[\"10.0.0.1\",\"\"]");

	for (size_t len = 0; len < strlen(text); len += 7) {
		auto_free char *cut = len > 0 ? xstrndup(text, len) : xstrdup("");

		refuse(cut, "not JSON, or cut off");
	}
}

Test(state_file, a_huge_file_is_refused)
{
	auto_free char *huge = xcalloc(300 * 1024 + 1, 1);

	memset(huge, ' ', (size_t)300 * 1024);
	refuse(huge, "larger than");
}

Test(state_file, a_missing_folder_is_an_error_when_saving)
{
	struct applied saved = make_applied();
	struct err err = {0};

	cr_assert_not(state_save("/nonexistent/segue", &cluster, HOSTS, &saved, &err));
	cr_assert_not_null(strstr(err.message, "cannot write the state file"), "%s", err.message);
	cr_assert_not_null(strstr(err.message, "/nonexistent/segue/"), "%s", err.message);
	applied_fini(&saved);
}
