/* The JSON of a sidecar's znode in the fleet; see the header. Refuses what is no object of version
 * 1 with a zxid; whatever else is missing or of another type is as if nobody had said it. */
#include "report/fleet.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

void fleet_copy(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; text != NULL && text[len] != '\0' && len + 1 < size; len++)
		out[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
	out[len] = '\0';
}

void fleet_note_init(struct fleet_note *note, size_t target_total)
{
	size_t count = target_total < FLEET_TARGETS_MAX ? target_total : FLEET_TARGETS_MAX;

	*note = (struct fleet_note){.target_total = target_total,
	                            .target_count = count,
	                            .targets = xcalloc(count + 1, sizeof(*note->targets))};
}

void fleet_note_fini(struct fleet_note *note)
{
	free(note->targets);
	note->targets = NULL;
	note->target_count = 0;
}

/* -- out -- */

static json_t *text_or_null(const char *text)
{
	return *text != '\0' ? json_string(text) : json_null();
}

static json_t *target_json(const struct fleet_target *target)
{
	json_t *old_sessions =
	    target->old_sessions >= 0 ? json_integer(target->old_sessions) : json_null();

	return json_pack("{s:s, s:s, s:I, s:b, s:o, s:o, s:o}", "name", target->name, "kind",
	                 target->kind, "zxid", (json_int_t)target->zxid, "in_sync", target->in_sync,
	                 "primary", text_or_null(target->primary), "problem",
	                 text_or_null(target->problem), "old_sessions", old_sessions);
}

static json_t *head_json(const struct fleet_note *note)
{
	return json_pack("{s:i, s:s, s:s, s:I, s:s, s:I, s:I, s:o, s:o, s:s}", "version", VERSION,
	                 "segue", note->segue, "host", note->host, "pid", (json_int_t)note->pid,
	                 "started", note->started, "zxid", (json_int_t)note->zxid, "seen_zxid",
	                 (json_int_t)note->seen_zxid, "at", text_or_null(note->at), "primary",
	                 text_or_null(note->primary), "state", note->state);
}

void fleet_encode(const struct fleet_note *note, struct strbuf *out)
{
	json_auto_t *document = head_json(note);
	json_t *targets = json_array();
	char *text;

	json_object_set_new(document, "reason", text_or_null(note->reason));
	json_object_set_new(document, "about", text_or_null(note->about));
	json_object_set_new(document, "why", text_or_null(note->why));
	json_object_set_new(document, "alarm", text_or_null(note->alarm));
	json_object_set_new(document, "holding", json_boolean(note->holding));
	json_object_set_new(document, "ready", json_boolean(note->ready));
	json_object_set_new(document, "targets_total",
	                    json_integer((json_int_t)note->target_total));
	for (size_t i = 0; i < note->target_count; i++)
		json_array_append_new(targets, target_json(&note->targets[i]));
	json_object_set_new(document, "targets", targets);
	text = json_dumps(document, JSON_COMPACT);
	strbuf_append_str(out, text);
	free(text);
}

/* -- in -- */

static void take_text(const json_t *object, const char *key, char *out, size_t size)
{
	fleet_copy(out, size, json_string_value(json_object_get(object, key)));
}
#define TAKE_TEXT(object, key, field) take_text(object, key, field, sizeof(field))

/* `missing` for what is no integer from 0 on. */
static int64_t take_number(const json_t *object, const char *key, int64_t missing)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
	                                                                : missing;
}

static bool take_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void take_target(const json_t *object, struct fleet_target *out)
{
	*out = (struct fleet_target){.zxid = take_number(object, "zxid", 0),
	                             .in_sync = take_flag(object, "in_sync"),
	                             .old_sessions = take_number(object, "old_sessions", -1)};
	TAKE_TEXT(object, "name", out->name);
	TAKE_TEXT(object, "kind", out->kind);
	TAKE_TEXT(object, "primary", out->primary);
	TAKE_TEXT(object, "problem", out->problem);
}

static void take_targets(const json_t *targets, int64_t total, struct fleet_note *out)
{
	for (size_t i = 0; i < out->target_count; i++)
		take_target(json_array_get(targets, i), &out->targets[i]);
	if ((uint64_t)total > out->target_total)
		out->target_total = (size_t)total;
}

static void take_all(const json_t *document, struct fleet_note *out)
{
	const json_t *targets = json_object_get(document, "targets");

	fleet_note_init(out, json_array_size(targets));
	out->pid = take_number(document, "pid", 0);
	out->zxid = take_number(document, "zxid", 0);
	out->seen_zxid = take_number(document, "seen_zxid", 0);
	out->holding = take_flag(document, "holding");
	out->ready = take_flag(document, "ready");
	TAKE_TEXT(document, "segue", out->segue);
	TAKE_TEXT(document, "host", out->host);
	TAKE_TEXT(document, "started", out->started);
	TAKE_TEXT(document, "at", out->at);
	TAKE_TEXT(document, "primary", out->primary);
	TAKE_TEXT(document, "state", out->state);
	TAKE_TEXT(document, "reason", out->reason);
	TAKE_TEXT(document, "about", out->about);
	TAKE_TEXT(document, "why", out->why);
	TAKE_TEXT(document, "alarm", out->alarm);
	take_targets(targets, take_number(document, "targets_total", 0), out);
}

bool fleet_decode(const char *data, size_t len, struct fleet_note *out, struct err *err)
{
	json_error_t error;
	json_auto_t *document = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);

	if (document == NULL)
		return err_set(err, "no JSON: at byte %d: %s", error.position, error.text);
	if (!json_is_object(document))
		return err_set(err, "JSON, but no object");
	if (take_number(document, "version", 0) != VERSION)
		return err_set(err, "version: %d is the one that this segue reads", VERSION);
	if (take_number(document, "zxid", -1) < 0)
		return err_set(err, "zxid: a whole number from 0 on has to be there");
	take_all(document, out);
	return true;
}
