/* Reads and writes what all hold records have in common; see the header. */
#include "target/hold_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"

#define RECORD_MAX ((size_t)1024 * 1024) /* bytes: ten thousand databases */
#define OWNER_KEY  "owner"
#define SINCE_KEY  "since"

bool hold_record_read(const char *path, const char *advice, json_t **root, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	json_error_t error;
	bool missing;

	*root = NULL;
	if (!file_read(path, RECORD_MAX, &text, &missing, err))
		return missing;
	*root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	return *root != NULL ||
	       err_set(err, "%s: not a hold record%s: byte %d: not JSON, or incomplete", path,
	               advice, error.position);
}

char *hold_record_encode(json_t *root, const char *owner, bool dated)
{
	char now[CLOCK_WALL_MAX];

	if (dated) {
		clock_wall(now, sizeof(now));
		json_object_set_new(root, SINCE_KEY, json_string(now));
	}
	json_object_set_new(root, OWNER_KEY, json_string(owner));
	return json_dumps(root, JSON_INDENT(1));
}

char *hold_record_new_owner(void)
{
	return xasprintf("%d-%" PRId64, (int)getpid(), clock_now_us());
}

bool hold_record_is_of(const char *path, const char *owner)
{
	json_auto_t *root = NULL;
	struct err ignored; /* if there is no file or it is unreadable, there is no other owner */
	const char *found;

	if (!hold_record_read(path, "", &root, &ignored))
		return true;
	found = json_string_value(json_object_get(root, OWNER_KEY));
	return found == NULL || strcmp(found, owner) == 0;
}
