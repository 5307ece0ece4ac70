/* The override of the operator as a file. A file that cannot be understood freezes the cluster: an
 * operator has set something, and a move against it would be worse than no move. Written durably or
 * not at all. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cluster/override.h"
#include "topology/layout_fields.h"

#define FILE_BYTES_MAX 4096
#define SHOWN_MAX      80 /* bytes of a refused value in an error */
#define ADVICE         "the cluster is frozen until segue release, pin or freeze replaces it"

static const char *const kind_names[] = {
    [OVERRIDE_NONE] = "none", [OVERRIDE_PIN] = "pin", [OVERRIDE_FREEZE] = "freeze"};

/* JSON's own escapes keep the refused value on one line. */
static bool refuse(const char *key, const json_t *found, const char *allowed, struct err *err)
{
	auto_free char *text =
	    json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	if (text == NULL)
		return err_set(err, "%s is missing: %s", key, allowed);
	return err_set(err, "%s is %.*s: %s", key, SHOWN_MAX, text, allowed);
}

static bool read_kind(const json_t *document, enum override_kind *out, struct err *err)
{
	const json_t *value = json_object_get(document, "kind");
	const char *text = json_string_value(value);

	for (size_t i = 0; text != NULL && i < ARRAY_LEN(kind_names); i++)
		if (strcmp(text, kind_names[i]) == 0) {
			*out = (enum override_kind)i;
			return true;
		}
	return refuse("kind", value, "it must be \"pin\", \"freeze\" or \"none\"", err);
}

static bool read_server(const json_t *document, struct override *out, struct err *err)
{
	const json_t *address = json_object_get(document, "address");
	const json_t *port = json_object_get(document, "port");
	const char *text = json_string_value(address);

	if (text == NULL || layout_host_problem(text) != NULL ||
	    !layout_host_numeric(text, out->address))
		return refuse("address", address, "it must be one server's IP address", err);
	if (!json_is_integer(port) || json_integer_value(port) < 1 ||
	    json_integer_value(port) > UINT16_MAX)
		return refuse("port", port, "it must be a number from 1 to 65535", err);
	out->port = (uint16_t)json_integer_value(port);
	return true;
}

/* These texts are only shown to people, so any bytes will do that stay on one line. */
static bool read_words(const json_t *document, const char *key, char *out, size_t size,
                       struct err *err)
{
	const json_t *value = json_object_get(document, key);
	const char *text = json_string_value(value);

	out[0] = '\0';
	if (value == NULL || json_is_null(value))
		return true;
	if (text == NULL || strlen(text) >= size)
		return refuse(key, value, "it must be a short text", err);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return refuse(key, value, "control characters are not allowed", err);
	snprintf(out, size, "%s", text);
	return true;
}

bool override_from_json(const json_t *document, struct override *out, struct err *err)
{
	*out = (struct override){.kind = OVERRIDE_NONE};
	if (!json_is_object(document))
		return err_set(err, "it must be a JSON object");
	if (read_kind(document, &out->kind, err) &&
	    (out->kind != OVERRIDE_PIN || read_server(document, out, err)) &&
	    read_words(document, "by", out->by, sizeof(out->by), err) &&
	    read_words(document, "since", out->since, sizeof(out->since), err))
		return true;
	*out = (struct override){.kind = OVERRIDE_NONE};
	return false;
}

static json_t *word_json(const char *word)
{
	return *word != '\0' ? json_string(word) : json_null();
}

/* jansson leaves out a name that is not UTF-8: the override is valid without it. */
json_t *override_to_json(const struct override *override)
{
	json_t *document;

	if (override->kind == OVERRIDE_NONE)
		return json_null();
	document = json_object();
	json_object_set_new(document, "kind", json_string(kind_names[override->kind]));
	if (override->kind == OVERRIDE_PIN) {
		json_object_set_new(document, "address", json_string(override->address));
		json_object_set_new(document, "port", json_integer(override->port));
	}
	json_object_set_new(document, "by", word_json(override->by));
	json_object_set_new(document, "since", word_json(override->since));
	return document;
}

char *override_file(const char *state_dir, const char *cluster)
{
	/* sidecar/config has checked this; here the name becomes part of a file name. */
	assert(cluster[0] != '.' && strchr(cluster, '/') == NULL);
	return xasprintf("%s/%s.override", state_dir, cluster);
}

bool override_load(const char *state_dir, const char *cluster, struct override *out,
                   struct err *err)
{
	auto_free char *path = override_file(state_dir, cluster);
	auto_strbuf struct strbuf text = STRBUF_INIT;
	json_auto_t *document = NULL;
	struct err reason = {0};
	json_error_t error;
	bool missing;

	*out = (struct override){.kind = OVERRIDE_NONE};
	if (file_read(path, FILE_BYTES_MAX, &text, &missing, &reason)) {
		document = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
		if (document == NULL)
			err_set(&reason, "byte %d: not JSON, or cut off", error.position);
		else if (override_from_json(document, out, &reason))
			return true;
		err_wrap(&reason, "%s", path);
	} else if (missing) {
		return true;
	}
	*out = (struct override){.kind = OVERRIDE_FREEZE};
	return err_set(err, "cannot use the override file %s; " ADVICE, reason.message);
}

bool override_save(const char *state_dir, const char *cluster, const struct override *override,
                   struct err *err)
{
	static const struct file_owner owner = {.mode = 0640};
	auto_free char *path = override_file(state_dir, cluster);
	json_auto_t *document = NULL;
	auto_free char *text = NULL;
	struct err ignored;

	if (override->kind == OVERRIDE_NONE) {
		if (!file_remove(path, err))
			return false;
		/* else a power failure could bring back an override that was released */
		(void)!file_sync(state_dir, &ignored);
		return true;
	}
	document = override_to_json(override);
	text = json_dumps(document, JSON_INDENT(1));
	return file_replace(path, text, strlen(text), &owner, err) ||
	       err_wrap(err, "cannot write the override file");
}
