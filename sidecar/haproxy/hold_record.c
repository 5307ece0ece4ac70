/* The hold record of a HAProxy target, as a JSON file; see the header. */
#include "haproxy/hold_record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "haproxy/model/address.h"
#include "target/hold_record.h"

static const char *const kinds[] = {
    [HAPROXY_RECORD_NONE] = "", [HAPROXY_RECORD_HOLD] = "hold", [HAPROXY_RECORD_FENCE] = "fence"};

/* JSON null: any address. */
static bool read_endpoint(const json_t *endpoint, char **address, uint16_t *port)
{
	const char *text;
	json_int_t number;

	if (json_is_null(endpoint))
		return true;
	text = json_string_value(json_object_get(endpoint, "address"));
	number = json_integer_value(json_object_get(endpoint, "port"));
	if (text == NULL || number < 1 || number > UINT16_MAX)
		return false;
	*address = haproxy_address_canonical(text);
	*port = (uint16_t)number;
	return *address != NULL;
}

void haproxy_hold_record_set_origin(struct haproxy_hold_record *record, const char *socket,
                                    const char *output)
{
	free(record->socket);
	free(record->output);
	record->socket = socket != NULL ? xstrdup(socket) : NULL;
	record->output = output != NULL ? xstrdup(output) : NULL;
}

static bool take(struct haproxy_hold_record *record, const json_t *root, struct err *err)
{
	const char *kind = json_string_value(json_object_get(root, "kind"));
	enum haproxy_hold_record_kind found = HAPROXY_RECORD_NONE;

	if (kind != NULL && strcmp(kind, kinds[HAPROXY_RECORD_HOLD]) == 0)
		found = HAPROXY_RECORD_HOLD;
	if (kind != NULL && strcmp(kind, kinds[HAPROXY_RECORD_FENCE]) == 0)
		found = HAPROXY_RECORD_FENCE;
	if (found == HAPROXY_RECORD_NONE ||
	    !read_endpoint(json_object_get(root, "closed"), &record->closed_address,
	                   &record->closed_port) ||
	    !read_endpoint(json_object_get(root, "primary"), &record->primary_address,
	                   &record->primary_port) ||
	    (found == HAPROXY_RECORD_HOLD && record->closed_address == NULL))
		return err_set(err, "%s: not a hold record of segue", record->path);
	record->kind = found;
	haproxy_hold_record_set_origin(record, json_string_value(json_object_get(root, "socket")),
	                               json_string_value(json_object_get(root, "output")));
	return true;
}

bool haproxy_hold_record_init(struct haproxy_hold_record *record, const char *state_dir,
                              const char *name, struct err *err)
{
	json_auto_t *root = NULL;

	*record =
	    (struct haproxy_hold_record){.path = xasprintf("%s/haproxy-%s.held", state_dir, name),
	                                 .owner = hold_record_new_owner()};
	return hold_record_read(record->path, "", &root, err) &&
	       (root == NULL || take(record, root, err));
}

void haproxy_hold_record_fini(struct haproxy_hold_record *record)
{
	free(record->path);
	free(record->owner);
	free(record->closed_address);
	free(record->primary_address);
	free(record->socket);
	free(record->output);
	*record = (struct haproxy_hold_record){0};
}

static char *copy_address(const struct haproxy_endpoint *endpoint)
{
	return endpoint != NULL && endpoint->address != NULL ? xstrdup(endpoint->address) : NULL;
}

void haproxy_hold_record_set(struct haproxy_hold_record *record, enum haproxy_hold_record_kind kind,
                             const struct haproxy_endpoint *closed,
                             const struct haproxy_endpoint *primary)
{
	free(record->closed_address);
	free(record->primary_address);
	record->kind = kind;
	record->closed_address = copy_address(closed);
	record->closed_port = closed != NULL ? closed->port : 0;
	record->primary_address = copy_address(primary);
	record->primary_port = primary != NULL ? primary->port : 0;
}

static json_t *encode_endpoint(const char *address, uint16_t port)
{
	return address == NULL ? json_null()
	                       : json_pack("{s:s, s:i}", "address", address, "port", (int)port);
}

static char *encode(const struct haproxy_hold_record *record, int64_t zxid)
{
	json_auto_t *root =
	    json_pack("{s:s, s:o, s:o, s:I}", "kind", kinds[record->kind], "closed",
	              encode_endpoint(record->closed_address, record->closed_port), "primary",
	              encode_endpoint(record->primary_address, record->primary_port), "zxid",
	              (json_int_t)zxid);

	/* left out if it is NULL, or no UTF-8 */
	json_object_set_new(root, "socket", json_string(record->socket));
	json_object_set_new(root, "output", json_string(record->output));
	return hold_record_encode(root, record->owner, true);
}

/* No fsync, as clients would wait for it. None is needed: after a power failure HAProxy starts with
 * its file, which never holds or fences. */
bool haproxy_hold_record_save(const struct haproxy_hold_record *record, int64_t zxid,
                              struct err *err)
{
	static const struct file_owner owner = {.mode = 0640};
	auto_free char *text = NULL;

	if (record->kind == HAPROXY_RECORD_NONE)
		return file_remove(record->path, err);
	text = encode(record, zxid);
	return file_swap(record->path, text, strlen(text), &owner, err) ||
	       err_wrap(err, "cannot write the hold record");
}

bool haproxy_hold_record_is_ours(const struct haproxy_hold_record *record)
{
	return hold_record_is_of(record->path, record->owner);
}
