/* Layout patroni: the keys leader, members, initialize and config of Patroni 2 to 4. Refuses a
 * leader that cannot be decoded. Any other bad member is ignored, with a note. The same keys always
 * give the same topology, with the members in the given order. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

#define MEMBERS_MAX ((size_t)TOPOLOGY_STANDBYS_MAX + 1)
#define NOTES_MAX   8   /* after that "..." */
#define SHOWN_MAX   64  /* bytes of a name or of a value in a note */
#define REASON_MAX  128 /* bytes */

/* What one member key contains. */
struct report {
	struct member member;
	bool standby_leader;
	int64_t written;         /* WAL position written or received, in bytes; -1: not known */
	int64_t replayed;        /* WAL position that readers see; `written` if unknown */
	int64_t timeline;        /* 0: not known */
	char reason[REASON_MAX]; /* why it gets no read-only traffic; "": it gets some */
	bool untagged;           /* its tags were too long and were ignored */
};

struct patroni_decoder {
	const struct layout_patroni *keys;
	struct topology *out;
	struct layout_patroni_notes *notes;
	struct report *reports; /* of the usable members */
	size_t count;
	const struct report *leader; /* one of `reports`, or NULL */
	bool standby_cluster;        /* according to /config */
};

/* -- notes -- */

void layout_patroni_notes_fini(struct layout_patroni_notes *notes)
{
	strbuf_fini(&notes->left_out);
	strbuf_fini(&notes->no_reads);
}

static void note(struct patroni_decoder *decoder, struct strbuf *out, const char *who,
                 const char *why)
{
	if (decoder->notes->count++ >= NOTES_MAX) {
		if (decoder->notes->count == NOTES_MAX + 1)
			strbuf_printf(out, "%s...", out->len > 0 ? "; " : "");
		return;
	}
	if (out->len > 0)
		strbuf_append_str(out, "; ");
	strbuf_append_escaped(out, who, strlen(who), SHOWN_MAX);
	strbuf_printf(out, ": %s", why);
}

static void leave_out(struct patroni_decoder *decoder, const char *who, const char *why)
{
	note(decoder, &decoder->notes->left_out, who, why);
}

/* -- JSON -- */

static json_t *load_object(const struct layout_patroni_key *key, struct err *err)
{
	json_t *json;

	if (key->problem != NULL) {
		err_set(err, "%s", key->problem);
		return NULL;
	}
	if (key->len > LAYOUT_VALUE_MAX || key->data == NULL) {
		err_set(err, "%zu bytes: at most %zu are allowed", key->len, LAYOUT_VALUE_MAX);
		return NULL;
	}
	json = json_loadb(key->data, key->len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	err_set(err, "its value is no JSON object");
	return NULL;
}

static const char *get_string(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	return value != NULL ? value : "";
}

static int64_t get_integer(const json_t *json, const char *name, int64_t max, int64_t otherwise)
{
	const json_t *value = json_object_get(json, name);
	int64_t number = json_integer_value(value);

	return json_is_integer(value) && number >= 0 && number <= max ? number : otherwise;
}

/* Patroni reads a tag with Python's bool(), so the string "no" is true. */
static bool is_truthy(const json_t *value)
{
	return json_is_true(value) || json_string_length(value) > 0 ||
	       json_number_value(value) != 0 || json_array_size(value) > 0 ||
	       json_object_size(value) > 0;
}

/* The values that Patroni reads as true in a setting of /config. */
static bool is_yes(const json_t *value)
{
	static const char *const texts[] = {"on", "true", "yes", "1"};
	const char *text = json_string_value(value);

	if (json_is_true(value) || (json_is_integer(value) && json_integer_value(value) == 1))
		return true;
	for (size_t i = 0; text != NULL && i < ARRAY_LEN(texts); i++)
		if (strcasecmp(text, texts[i]) == 0)
			return true;
	return false;
}

/* -- host and port of a member -- */

/* The URL may contain a password, so no part of it is ever shown. */
static bool set_place(struct member *member, const char *url, struct err *err)
{
	auto_conninfo struct conninfo parts = CONNINFO_INIT;
	uint16_t port = LAYOUT_PORT_DEFAULT;

	if (!conninfo_is_uri(url))
		return err_set(err, "conn_url is %s: a postgres:// URI is allowed",
		               *url != '\0' ? "something else" : "missing");
	if (!conninfo_parse(url, true, &parts, err))
		return err_wrap(err, "conn_url");
	if (parts.port.len > 0 && !layout_port_parse(parts.port.data, &port))
		return layout_refuse(err, "conn_url: port", NULL, "no port: 1 to 65535 is allowed");
	return layout_member_set(member, "conn_url: host", parts.host.data, port, true, err);
}

/* -- a member -- */

/* The listed roles are those of a server that takes or took writes, or has no data yet. Without the
 * leader key such a server is no standby for readers. */
static bool is_standby_role(const char *role)
{
	static const char *const others[] = {"primary", "master", "promoted", "demoted",
	                                     "uninitialized"};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(role, others[i]) == 0)
			return false;
	return true;
}

/* Sets why it gets no read-only traffic. */
static void set_reason(struct report *report, const json_t *json)
{
	const char *state = get_string(json, "state"), *role = get_string(json, "role");
	const json_t *tags = json_object_get(json, "tags");
	bool runs = strcmp(state, "running") == 0 || strcmp(state, "streaming") == 0;
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	if (is_truthy(json_object_get(tags, "noloadbalance"))) {
		snprintf(report->reason, sizeof(report->reason), "tag noloadbalance");
	} else if (!runs || !is_standby_role(role)) {
		const char *value = runs ? role : state;

		strbuf_append_escaped(&shown, value, strlen(value), SHOWN_MAX / 2);
		snprintf(report->reason, sizeof(report->reason), "%s \"%.100s\"",
		         runs ? "a standby with the role" : "state", shown.data);
	}
	report->member.no_reads = report->reason[0] != '\0';
}

/* Keeps only scalars, because a template can use no other tags. */
static void set_tags(struct report *report, const json_t *tags)
{
	json_auto_t *kept = json_object();
	auto_free char *text = NULL;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)tags, name, value)
	{
		if (!json_is_object(value) && !json_is_array(value) && !json_is_null(value))
			json_object_set(kept, name, value);
	}
	text = json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	report->untagged = json_object_size(kept) > 0 &&
	                   (text == NULL || !topology_set_tags(&report->member, text));
}

static bool read_member(const struct layout_patroni_key *key, struct report *report,
                        struct err *err)
{
	const char *problem = layout_member_problem(key->name);
	json_auto_t *json = problem == NULL ? load_object(key, err) : NULL;

	*report = (struct report){.member = {.lag_bytes = -1}};
	if (problem != NULL)
		return err_set(err, "%s", problem);
	if (json == NULL || !set_place(&report->member, get_string(json, "conn_url"), err))
		return false;
	snprintf(report->member.name, sizeof(report->member.name), "%s", key->name);
	report->standby_leader = strcmp(get_string(json, "role"), "standby_leader") == 0;
	report->timeline = get_integer(json, "timeline", UINT32_MAX, 0);
	report->written = get_integer(json, "xlog_location", INT64_MAX, -1);
	report->replayed = get_integer(json, "replay_lsn", INT64_MAX, report->written);
	set_reason(report, json);
	set_tags(report, json_object_get(json, "tags"));
	return true;
}

/* -- the keys -- */

/* Caller frees. NULL with `err` set if it is no valid name. */
static char *read_leader_name(const struct layout_patroni_key *key, struct err *err)
{
	auto_free char *text = key->data != NULL ? xstrndup(key->data, key->len) : NULL;
	const char *problem = text != NULL ? layout_member_problem(text) : NULL;

	if (key->problem != NULL)
		err_set(err, "the leader key: %s", key->problem);
	else if (text == NULL || key->len >= TOPOLOGY_MEMBER_MAX || strlen(text) != key->len)
		err_set(err, "the leader key has %zu bytes that are no name: 1 to %d are allowed",
		        key->len, TOPOLOGY_MEMBER_MAX - 1);
	else if (problem != NULL)
		layout_refuse(err, "the leader key", text, problem);
	else
		return STEAL(text);
	return NULL;
}

/* A server may be in the topology only once. The leader is read first and so takes precedence. */
static bool is_taken(const struct patroni_decoder *decoder, const struct report *report)
{
	for (size_t i = 0; i < decoder->count; i++)
		if (layout_same_server(&decoder->reports[i].member, &report->member))
			return true;
	return false;
}

static void read_other(struct patroni_decoder *decoder, const struct layout_patroni_key *key)
{
	struct report *report = &decoder->reports[decoder->count];
	struct err err;

	if (!read_member(key, report, &err))
		leave_out(decoder, key->name, err.message);
	else if (is_taken(decoder, report))
		leave_out(decoder, key->name, "the name or conn_url is that of another member");
	else
		decoder->count++;
}

static bool read_leader(struct patroni_decoder *decoder, const char *name, struct err *err)
{
	const struct layout_patroni *keys = decoder->keys;
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	for (size_t i = 0; i < keys->member_count && decoder->leader == NULL; i++) {
		if (strcmp(keys->members[i].name, name) != 0)
			continue;
		strbuf_append_escaped(&shown, name, strlen(name), SHOWN_MAX);
		if (!read_member(&keys->members[i], &decoder->reports[0], err))
			return err_wrap(err, "the leader's member %s", shown.data);
		decoder->leader = &decoder->reports[0];
		decoder->count = 1;
	}
	return true;
}

static void read_others(struct patroni_decoder *decoder, const char *leader)
{
	size_t room = TOPOLOGY_STANDBYS_MAX + (decoder->out->has_primary ? 1 : 0);
	size_t left_out = decoder->keys->not_fetched_count;
	auto_free char *why = NULL;

	for (size_t i = 0; i < decoder->keys->member_count; i++) {
		const struct layout_patroni_key *key = &decoder->keys->members[i];

		if (strcmp(key->name, leader) == 0)
			continue;
		if (decoder->count < room)
			read_other(decoder, key);
		else
			left_out++;
	}
	why = xasprintf("%zu left out: the limit is %d standbys", left_out, TOPOLOGY_STANDBYS_MAX);
	if (left_out > 0)
		leave_out(decoder, "more members", why);
}

#define SECONDS_MAX 86400 /* upper limit; a longer time is reduced to it */

/* A setting of /config in seconds: an integer, or a string with one. Patroni 4 raises a value below
 * `min` to `min`. Older versions may not do so; then the result may be too long, but never too
 * short. */
static int64_t get_seconds(struct patroni_decoder *decoder, const json_t *config, const char *name,
                           int64_t min, int64_t otherwise)
{
	const json_t *value = json_object_get(config, name);
	const char *text = json_string_value(value);
	char *end = NULL;
	int64_t seconds = text != NULL ? strtoll(text, &end, 10) : json_integer_value(value);
	auto_free char *why = NULL;

	if (value == NULL)
		return otherwise;
	if ((json_is_integer(value) || (text != NULL && end != text && *end == '\0')) &&
	    seconds >= 0) {
		seconds = seconds < min ? min : seconds;
		return seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
	}
	why = xasprintf("%s is no number of seconds: Patroni's default of %" PRId64 " is used",
	                name, otherwise);
	leave_out(decoder, "the config key", why);
	return otherwise;
}

/* Before Patroni 3, primary_start_timeout was called master_start_timeout. */
static void read_times(struct patroni_decoder *decoder, const json_t *config)
{
	const char *start = json_object_get(config, "primary_start_timeout") != NULL
	                        ? "primary_start_timeout"
	                        : "master_start_timeout";

	decoder->out->times = (struct manager_times){
	    .ttl = get_seconds(decoder, config, "ttl", 20, 30),
	    .loop_wait = get_seconds(decoder, config, "loop_wait", 1, 10),
	    .retry_timeout = get_seconds(decoder, config, "retry_timeout", 3, 10),
	    .start_timeout = get_seconds(decoder, config, start, 0, 300),
	    .assumed = config == NULL};
}

static void read_config(struct patroni_decoder *decoder)
{
	static const char *const standby[] = {"host", "port", "restore_command"};
	const struct layout_patroni_key *key = &decoder->keys->config;
	struct err err;
	json_auto_t *json = key->present ? load_object(key, &err) : NULL;
	const json_t *section = json_object_get(json, "standby_cluster");

	if (key->present && json == NULL)
		leave_out(decoder, "the config key", err.message);
	read_times(decoder, json);
	decoder->out->paused = is_yes(json_object_get(json, "pause"));
	for (size_t i = 0; i < ARRAY_LEN(standby); i++)
		if (is_truthy(json_object_get(section, standby[i])))
			decoder->standby_cluster = true;
}

/* The key is empty while the cluster is being initialised. */
static void read_initialize(struct patroni_decoder *decoder)
{
	const struct layout_patroni_key *key = &decoder->keys->initialize;
	auto_free char *text = key->data != NULL ? xstrndup(key->data, key->len) : NULL;
	const char *problem = key->problem;

	if (!key->present || (problem == NULL && key->len == 0))
		return;
	if (problem == NULL)
		problem = text != NULL && strlen(text) == key->len
		              ? layout_system_identifier_problem(text)
		              : "it is no system identifier";
	if (problem != NULL)
		leave_out(decoder, "the initialize key", problem);
	else
		memcpy(decoder->out->system_identifier, text, key->len + 1);
}

static void add_standby(struct patroni_decoder *decoder, struct report *report)
{
	struct member *standby = topology_add_standby(decoder->out);
	int64_t written = decoder->leader != NULL ? decoder->leader->written : -1;

	*standby = report->member;
	if (written >= 0 && report->replayed >= 0)
		standby->lag_bytes = larger(written - report->replayed, 0);
	if (report->member.no_reads)
		note(decoder, &decoder->notes->no_reads, report->member.name, report->reason);
}

/* The leader of a standby cluster follows a primary elsewhere, so this cluster has no primary. */
static void set_primary(struct patroni_decoder *decoder)
{
	const struct report *leader = decoder->leader;

	if (leader == NULL || leader->standby_leader || decoder->standby_cluster)
		return;
	decoder->out->has_primary = true;
	decoder->out->primary = leader->member;
	decoder->out->primary.no_reads = false;
	decoder->out->timeline = leader->timeline;
}

static void note_untagged(struct patroni_decoder *decoder)
{
	for (size_t i = 0; i < decoder->count; i++) {
		const char *name = decoder->reports[i].member.name;
		auto_free char *why = xasprintf("its tags, which have more than %zu bytes as JSON",
		                                TOPOLOGY_TEXT_MAX - strlen(name) - 2);

		if (decoder->reports[i].untagged)
			leave_out(decoder, name, why);
	}
}

bool layout_patroni_decode(const struct layout_patroni *keys, struct topology *out,
                           struct layout_patroni_notes *notes, struct err *err)
{
	auto_free struct report *reports = xcalloc(MEMBERS_MAX, sizeof(*reports));
	struct patroni_decoder decoder = {
	    .keys = keys, .out = out, .notes = notes, .reports = reports};
	auto_free char *leader = NULL;

	topology_init(out);
	if (keys->leader.present) {
		leader = read_leader_name(&keys->leader, err);
		if (leader == NULL || !read_leader(&decoder, leader, err))
			return false;
	}
	read_config(&decoder);
	read_initialize(&decoder);
	set_primary(&decoder);
	read_others(&decoder, leader != NULL ? leader : "");
	if (decoder.leader == NULL)
		out->leader = STEAL(leader);
	for (size_t i = out->has_primary ? 1 : 0; i < decoder.count; i++)
		add_standby(&decoder, &reports[i]);
	note_untagged(&decoder);
	return true;
}
