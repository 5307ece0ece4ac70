/* Which sidecars of a fleet lead to the primary that the store names; see the header. A znode that
 * no session owns does not count as a sidecar. It is shown, because a person may have to delete it,
 * but nobody waits for it. */
#include "report/fleet.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- the JSON of a sidecar's znode ---
 *
 * See the header. Refuses everything but an object of version 1 with a zxid. Any other key that is
 * missing or of a wrong type counts as not set. */

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

/* --- encoding --- */

json_t *report_text_json(const char *text)
{
	auto_strbuf struct strbuf escaped = STRBUF_INIT;
	json_t *json;

	if (text == NULL || *text == '\0')
		return json_null();
	json = json_string(text);
	if (json != NULL)
		return json;
	strbuf_append_escaped(&escaped, text, strlen(text), SIZE_MAX);
	return json_string(escaped.data);
}

static json_t *target_json(const struct fleet_target *target)
{
	json_t *old_sessions =
	    target->old_sessions >= 0 ? json_integer(target->old_sessions) : json_null();

	return json_pack("{s:s, s:s, s:I, s:b, s:o, s:o, s:o}", "name", target->name, "kind",
	                 target->kind, "zxid", (json_int_t)target->zxid, "in_sync", target->in_sync,
	                 "primary", report_text_json(target->primary), "problem",
	                 report_text_json(target->problem), "old_sessions", old_sessions);
}

static json_t *note_json(const struct fleet_note *note)
{
	json_t *targets = json_array();

	for (size_t i = 0; i < note->target_count; i++)
		json_array_append_new(targets, target_json(&note->targets[i]));
	return json_pack(
	    "{s:i, s:s, s:s, s:I, s:s, s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:I, "
	    "s:o}",
	    "version", VERSION, "segue", note->segue, "host", note->host, "pid",
	    (json_int_t)note->pid, "started", note->started, "zxid", (json_int_t)note->zxid,
	    "seen_zxid", (json_int_t)note->seen_zxid, "at", report_text_json(note->at), "primary",
	    report_text_json(note->primary), "state", note->state, "reason",
	    report_text_json(note->reason), "about", report_text_json(note->about), "why",
	    report_text_json(note->why), "alarm", report_text_json(note->alarm), "holding",
	    note->holding, "ready", note->ready, "targets_total", (json_int_t)note->target_total,
	    "targets", targets);
}

void fleet_encode(const struct fleet_note *note, struct strbuf *out)
{
	json_auto_t *document = note_json(note);
	auto_free char *text = json_dumps(document, JSON_COMPACT);

	strbuf_append_str(out, text);
}

/* --- decoding --- */

static void take_text(const json_t *object, const char *key, char *out, size_t size)
{
	fleet_copy(out, size, json_string_value(json_object_get(object, key)));
}
#define TAKE_TEXT(object, key, field) take_text(object, key, field, sizeof(field))

/* Returns `missing` if the value is not an integer of 0 or more. */
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
	out->target_total =
	    (size_t)larger(take_number(document, "targets_total", 0), (int64_t)out->target_total);
	for (size_t i = 0; i < out->target_count; i++)
		take_target(json_array_get(targets, i), &out->targets[i]);
}

bool fleet_decode(const char *data, size_t len, struct fleet_note *out, struct err *err)
{
	json_error_t error;
	json_auto_t *document = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);

	if (document == NULL)
		return err_set(err, "not JSON: at byte %d: %s", error.position, error.text);
	if (!json_is_object(document))
		return err_set(err, "JSON, but not an object");
	if (take_number(document, "version", 0) != VERSION)
		return err_set(err, "version: this segue reads only version %d", VERSION);
	if (take_number(document, "zxid", -1) < 0)
		return err_set(err, "zxid: must be an integer of at least 0");
	take_all(document, out);
	return true;
}

enum fleet_mark fleet_judge(const struct fleet_view *view, const struct fleet_entry *entry)
{
	const struct fleet_note *note = entry->note;

	if (note == NULL || !entry->alive)
		return FLEET_UNREADABLE;
	if (view->primary[0] == '\0')
		return FLEET_UNKNOWN;
	if (note->primary[0] != '\0' && strcmp(note->primary, view->primary) != 0)
		return FLEET_ELSEWHERE;
	if (note->zxid < view->zxid)
		return FLEET_BEHIND;
	return fleet_in_sync(note) == note->target_total ? FLEET_OK : FLEET_OUT_OF_SYNC;
}

const char *fleet_mark_name(enum fleet_mark mark)
{
	static const char *const names[] = {[FLEET_OK] = "ok",
	                                    [FLEET_UNREADABLE] = "unreadable",
	                                    [FLEET_ELSEWHERE] = "elsewhere",
	                                    [FLEET_BEHIND] = "behind",
	                                    [FLEET_OUT_OF_SYNC] = "out of sync",
	                                    [FLEET_UNKNOWN] = "unknown"};

	return names[mark];
}

bool fleet_is_well(const struct fleet_view *view)
{
	for (size_t i = 0; i < view->count; i++)
		if (fleet_judge(view, &view->entries[i]) != FLEET_OK)
			return false;
	return view->count > 0 && view->primary[0] != '\0' && view->store_problem == NULL;
}

/* Targets that are not in `targets` count as in sync if the sidecar is ready. */
size_t fleet_in_sync(const struct fleet_note *note)
{
	size_t count = 0;

	for (size_t i = 0; i < note->target_count; i++)
		count += note->targets[i].in_sync;
	if (note->ready && note->target_total > note->target_count)
		count += note->target_total - note->target_count;
	return count;
}

int64_t fleet_old_sessions(const struct fleet_note *note)
{
	int64_t sum = -1;

	for (size_t i = 0; i < note->target_count; i++)
		if (note->targets[i].old_sessions >= 0)
			sum = (sum < 0 ? 0 : sum) + note->targets[i].old_sessions;
	return sum;
}

/* --- JSON --- */

static json_t *entry_json(const struct fleet_view *view, const struct fleet_entry *entry)
{
	return json_pack("{s:o, s:o, s:I, s:b, s:s, s:o, s:o}", "name",
	                 report_text_json(entry->name), "path", report_text_json(entry->path),
	                 "mzxid", (json_int_t)entry->mzxid, "alive", entry->alive, "mark",
	                 fleet_mark_name(fleet_judge(view, entry)), "problem",
	                 report_text_json(entry->problem), "says",
	                 entry->note != NULL ? note_json(entry->note) : json_null());
}

json_t *fleet_view_json(const struct fleet_view *view)
{
	json_t *sidecars = json_array();

	for (size_t i = 0; i < view->count; i++)
		json_array_append_new(sidecars, entry_json(view, &view->entries[i]));
	return json_pack("{s:s, s:b, s:{s:I, s:o, s:o}, s:o}", "cluster", view->cluster, "well",
	                 fleet_is_well(view), "store", "zxid", (json_int_t)view->zxid, "primary",
	                 report_text_json(view->primary), "problem",
	                 report_text_json(view->store_problem), "sidecars", sidecars);
}

/* --- segue wait --- */

bool fleet_has_confirmed(const struct fleet_entry *entry, int64_t zxid)
{
	return entry->alive && entry->note != NULL && entry->note->zxid >= zxid;
}

bool fleet_all_confirmed(const struct fleet_view *view, int64_t zxid, bool empty_is_fine)
{
	size_t alive = 0;

	for (size_t i = 0; i < view->count; i++) {
		const struct fleet_entry *entry = &view->entries[i];

		if (entry->alive && !fleet_has_confirmed(entry, zxid))
			return false;
		alive += entry->alive;
	}
	return alive > 0 || empty_is_fine;
}

static void append_part(struct strbuf *out, const char *before, const char *text, const char *after)
{
	if (*text != '\0')
		strbuf_printf(out, "%s%s%s", before, text, after);
}

void fleet_say_missing(const struct fleet_entry *entry, struct strbuf *out)
{
	const struct fleet_note *note = entry->note;

	strbuf_append_escaped(out, entry->name, strlen(entry->name), FLEET_TEXT_MAX);
	if (note == NULL) {
		append_part(out, ": ", entry->problem != NULL ? entry->problem : "not read yet",
		            "");
		return;
	}
	append_part(out, " (host ", note->host, "");
	strbuf_printf(out, ", pid %" PRId64 "): %s, has confirmed zxid %" PRId64, note->pid,
	              note->state, note->zxid);
	append_part(out, " (", note->primary, ")");
	strbuf_printf(out, " and seen %" PRId64, note->seen_zxid);
	if (strcmp(note->state, "current") != 0) { /* else it says why all is well */
		append_part(out, ": ", note->reason, "");
		append_part(out, ": ", note->about, "");
		append_part(out, ": ", note->why, "");
	}
	for (size_t i = 0; i < note->target_count; i++)
		if (!note->targets[i].in_sync) {
			strbuf_printf(out, "; %s/%s is not in sync", note->targets[i].kind,
			              note->targets[i].name);
			append_part(out, ": ", note->targets[i].problem, "");
		}
}
