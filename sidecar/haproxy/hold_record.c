/* The hold record of a HAProxy target, as a JSON file; see the header. */
#include "haproxy/hold_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "haproxy/model/address.h"

#define NOTE_MAX ((size_t)4096) /* bytes */

static const char *const kinds[] = {
    [HAPROXY_RECORD_NONE] = "", [HAPROXY_RECORD_HOLD] = "hold", [HAPROXY_RECORD_FENCE] = "fence"};

static bool read_file(const char *path, json_t **root, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	bool missing;

	*root = NULL;
	if (!file_read(path, NOTE_MAX, &text, &missing, err))
		return missing;
	*root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	return *root != NULL || err_set(err, "%s: not valid JSON", path);
}

/* JSON null: any address. */
static bool read_place(const json_t *place, char **address, uint16_t *port)
{
	const char *text;
	json_int_t number;

	if (json_is_null(place))
		return true;
	text = json_string_value(json_object_get(place, "address"));
	number = json_integer_value(json_object_get(place, "port"));
	if (text == NULL || number < 1 || number > UINT16_MAX)
		return false;
	*address = haproxy_address_canonical(text);
	*port = (uint16_t)number;
	return *address != NULL;
}

void haproxy_hold_record_set_origin(struct haproxy_hold_record *note, const char *socket,
                                    const char *output)
{
	free(note->socket);
	free(note->output);
	note->socket = socket != NULL ? xstrdup(socket) : NULL;
	note->output = output != NULL ? xstrdup(output) : NULL;
}

static bool take(struct haproxy_hold_record *note, const json_t *root, struct err *err)
{
	const char *kind = json_string_value(json_object_get(root, "kind"));
	enum haproxy_hold_record_kind found = HAPROXY_RECORD_NONE;

	if (kind != NULL && strcmp(kind, kinds[HAPROXY_RECORD_HOLD]) == 0)
		found = HAPROXY_RECORD_HOLD;
	if (kind != NULL && strcmp(kind, kinds[HAPROXY_RECORD_FENCE]) == 0)
		found = HAPROXY_RECORD_FENCE;
	if (found == HAPROXY_RECORD_NONE ||
	    !read_place(json_object_get(root, "closed"), &note->closed_address,
	                &note->closed_port) ||
	    !read_place(json_object_get(root, "primary"), &note->primary_address,
	                &note->primary_port) ||
	    (found == HAPROXY_RECORD_HOLD && note->closed_address == NULL))
		return err_set(err, "%s: not a hold record of segue", note->path);
	note->kind = found;
	haproxy_hold_record_set_origin(note, json_string_value(json_object_get(root, "socket")),
	                               json_string_value(json_object_get(root, "output")));
	return true;
}

bool haproxy_hold_record_init(struct haproxy_hold_record *note, const char *state_dir,
                              const char *name, struct err *err)
{
	json_auto_t *root = NULL;

	*note = (struct haproxy_hold_record){
	    .path = xasprintf("%s/haproxy-%s.held", state_dir, name),
	    .owner = xasprintf("%d-%" PRId64, (int)getpid(), clock_now_us())};
	return read_file(note->path, &root, err) && (root == NULL || take(note, root, err));
}

void haproxy_hold_record_fini(struct haproxy_hold_record *note)
{
	free(note->path);
	free(note->owner);
	free(note->closed_address);
	free(note->primary_address);
	free(note->socket);
	free(note->output);
	*note = (struct haproxy_hold_record){0};
}

static char *copy_address(const struct haproxy_endpoint *place)
{
	return place != NULL && place->address != NULL ? xstrdup(place->address) : NULL;
}

void haproxy_hold_record_set(struct haproxy_hold_record *note, enum haproxy_hold_record_kind kind,
                             const struct haproxy_endpoint *closed,
                             const struct haproxy_endpoint *primary)
{
	free(note->closed_address);
	free(note->primary_address);
	note->kind = kind;
	note->closed_address = copy_address(closed);
	note->closed_port = closed != NULL ? closed->port : 0;
	note->primary_address = copy_address(primary);
	note->primary_port = primary != NULL ? primary->port : 0;
}

static json_t *encode_place(const char *address, uint16_t port)
{
	return address == NULL ? json_null()
	                       : json_pack("{s:s, s:i}", "address", address, "port", (int)port);
}

static char *encode(const struct haproxy_hold_record *note, int64_t zxid)
{
	char when[CLOCK_WALL_MAX];
	json_auto_t *root = NULL;

	clock_wall(when, sizeof(when));
	root = json_pack("{s:s, s:o, s:o, s:s, s:I, s:s}", "kind", kinds[note->kind], "closed",
	                 encode_place(note->closed_address, note->closed_port), "primary",
	                 encode_place(note->primary_address, note->primary_port), "since", when,
	                 "zxid", (json_int_t)zxid, "owner", note->owner);
	/* left out if it is NULL, or no UTF-8 */
	json_object_set_new(root, "socket", json_string(note->socket));
	json_object_set_new(root, "output", json_string(note->output));
	return json_dumps(root, JSON_INDENT(1));
}

/* No fsync, as clients would wait for it. None is needed: after a power failure HAProxy starts with
 * its file, which never holds or fences. */
bool haproxy_hold_record_save(const struct haproxy_hold_record *note, int64_t zxid, struct err *err)
{
	static const struct file_owner owner = {.mode = 0640};
	auto_free char *text = NULL;

	if (note->kind == HAPROXY_RECORD_NONE)
		return file_remove(note->path, err);
	text = encode(note, zxid);
	return file_swap(note->path, text, strlen(text), &owner, err) ||
	       err_wrap(err, "cannot write the hold record");
}

bool haproxy_hold_record_is_ours(const struct haproxy_hold_record *note)
{
	json_auto_t *root = NULL;
	struct err ignored; /* no file, or an unreadable one: no other target wrote it */
	const char *owner;

	if (!read_file(note->path, &root, &ignored))
		return true;
	owner = json_string_value(json_object_get(root, "owner"));
	return owner == NULL || strcmp(owner, note->owner) == 0;
}
