/* A sidecar's znode in the fleet: whatever the bytes, what is taken is printable, bounded, and the
 * same when it is written and read again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/fleet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct fleet_note *note)
{
	const struct fleet_entry entry = {.name = "n", .path = "/n", .alive = true, .note = note};
	const struct fleet_view view = {
	    .cluster = "c", .zxid = 7, .primary = "10.0.0.1:5432", .entries = &entry, .count = 1};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fleet_table_print(&view, true, out);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		assert((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n' || text[i] == '\033');
	free(text);
	json_decref(fleet_view_json(&view));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fleet_note note, again;
	auto_strbuf struct strbuf text = STRBUF_INIT, twice = STRBUF_INIT;
	struct err err;

	if (!fleet_decode((const char *)data, size, &note, &err))
		return 0;
	fleet_encode(&note, &text);
	assert(text.len <= (size_t)64 * 1024);
	if (!fleet_decode(text.data, text.len, &again, &err))
		abort();
	fleet_encode(&again, &twice);
	assert(strcmp(text.data, twice.data) == 0);
	look(&note);
	fleet_note_fini(&note);
	fleet_note_fini(&again);
	return 0;
}
