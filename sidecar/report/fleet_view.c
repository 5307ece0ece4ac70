/* Who of a fleet is where the store points; see the header. A znode that is no session's is nobody:
 * it is shown, as a person may have to delete it, and it never keeps anybody waiting. */
#include "report/fleet_view.h"

#include <inttypes.h>
#include <string.h>

static bool all_in_sync(const struct fleet_note *note)
{
	return fleet_in_sync(note) == note->target_total;
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
	return all_in_sync(note) ? FLEET_OK : FLEET_OUT_OF_SYNC;
}

const char *fleet_mark_name(enum fleet_mark mark)
{
	switch (mark) {
	case FLEET_OK:
		return "ok";
	case FLEET_UNREADABLE:
		return "unreadable";
	case FLEET_ELSEWHERE:
		return "elsewhere";
	case FLEET_BEHIND:
		return "behind";
	case FLEET_OUT_OF_SYNC:
		return "out of sync";
	case FLEET_UNKNOWN:
		return "unknown";
	}
	return "?";
}

bool fleet_is_well(const struct fleet_view *view)
{
	for (size_t i = 0; i < view->count; i++)
		if (fleet_judge(view, &view->entries[i]) != FLEET_OK)
			return false;
	return view->count > 0 && view->primary[0] != '\0' && view->store_problem == NULL;
}

/* Those beyond the ones that are told one by one count as what `ready` says of all. */
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

/* -- JSON -- */

/* In UTF-8 whatever it holds. */
static json_t *text_or_null(const char *text)
{
	char clean[2 * FLEET_TEXT_MAX];
	json_t *json;

	if (text == NULL || *text == '\0')
		return json_null();
	json = json_string(text);
	if (json != NULL)
		return json;
	fleet_copy(clean, sizeof(clean), text);
	return json_string(clean);
}

static json_t *said_json(const struct fleet_note *note)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	if (note == NULL)
		return json_null();
	fleet_encode(note, &text);
	return json_loadb(text.data, text.len, 0, NULL);
}

static json_t *entry_json(const struct fleet_view *view, const struct fleet_entry *entry)
{
	return json_pack("{s:o, s:o, s:I, s:b, s:s, s:o, s:o}", "name", text_or_null(entry->name),
	                 "path", text_or_null(entry->path), "mzxid", (json_int_t)entry->mzxid,
	                 "alive", entry->alive, "mark", fleet_mark_name(fleet_judge(view, entry)),
	                 "problem", text_or_null(entry->problem), "says", said_json(entry->note));
}

json_t *fleet_view_json(const struct fleet_view *view)
{
	json_t *sidecars = json_array();

	for (size_t i = 0; i < view->count; i++)
		json_array_append_new(sidecars, entry_json(view, &view->entries[i]));
	return json_pack("{s:s, s:b, s:{s:I, s:o, s:o}, s:o}", "cluster", view->cluster, "well",
	                 fleet_is_well(view), "store", "zxid", (json_int_t)view->zxid, "primary",
	                 text_or_null(view->primary), "problem", text_or_null(view->store_problem),
	                 "sidecars", sidecars);
}

/* -- segue wait -- */

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
	if (strcmp(note->state, "current") != 0) { /* or it is why all was well */
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
