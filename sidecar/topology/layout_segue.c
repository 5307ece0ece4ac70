/* Layout segue: the JSON that `segue publish` and `segue set-primary` write, version 1. Unknown
 * keys are ignored, so that later publishers may add keys. Type and bounds of a known key are
 * checked; null means "not known". */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

#define VERSION  1
#define WHAT_MAX 64 /* bytes of a key in an error, as "standbys[63].lag_bytes" */

/* An object of the document, and the prefix of its keys in errors. */
struct object {
	json_t *json;
	char where[WHAT_MAX / 2];
};

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
	    [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
	    [JSON_INTEGER] = "an integer", [JSON_REAL] = "a fraction", [JSON_TRUE] = "a boolean",
	    [JSON_FALSE] = "a boolean",    [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

/* The value of the key; NULL if it is null or missing. */
static json_t *get(const struct object *object, const char *key)
{
	json_t *value = json_object_get(object->json, key);

	return json_is_null(value) ? NULL : value;
}

static bool refuse_type(const struct object *object, const char *key, const json_t *value,
                        const char *wanted, struct err *err)
{
	return err_set(err, "%s%s is %s: %s is allowed", object->where, key, type_name(value),
	               wanted);
}

/* Copies a string that `problem` accepts, which also limits it to `size`. "" if there is none. */
static bool read_string(const struct object *object, const char *key, layout_problem_fn *problem,
                        char *out, size_t size, struct err *err)
{
	const json_t *value = get(object, key);
	const char *wrong;
	char what[WHAT_MAX];

	out[0] = '\0';
	if (value == NULL)
		return true;
	if (!json_is_string(value))
		return refuse_type(object, key, value, "a string", err);
	wrong = problem(json_string_value(value));
	if (wrong != NULL) {
		snprintf(what, sizeof(what), "%s%s", object->where, key);
		return layout_refuse(err, what, json_string_value(value), wrong);
	}
	snprintf(out, size, "%s", json_string_value(value));
	return true;
}

/* Does not change *out if there is none. */
static bool read_integer(const struct object *object, const char *key, int64_t min, int64_t max,
                         int64_t *out, struct err *err)
{
	const json_t *value = get(object, key);

	if (value == NULL)
		return true;
	if (!json_is_integer(value))
		return refuse_type(object, key, value, "an integer", err);
	*out = json_integer_value(value);
	if (*out < min || *out > max)
		return err_set(err, "%s%s is %" PRId64 ": %" PRId64 " to %" PRId64 " is allowed",
		               object->where, key, *out, min, max);
	return true;
}

/* Reads host and port. If the document has no host, the node.NAME key gives the host, and the port
 * unless the document has one. */
static bool read_place(const struct config_cluster *cluster, const struct object *object,
                       struct member *member, struct err *err)
{
	char host[TOPOLOGY_HOST_MAX], what[WHAT_MAX];
	int64_t port = 0;

	if (!read_string(object, "host", layout_host_problem, host, sizeof(host), err) ||
	    !read_integer(object, "port", 1, UINT16_MAX, &port, err))
		return false;
	snprintf(what, sizeof(what), "%s%s", object->where, host[0] != '\0' ? "host" : "name");
	if (host[0] != '\0' && port == 0)
		return err_set(err, "%sport is missing: 1 to 65535 is allowed", object->where);
	if (host[0] != '\0')
		return layout_member_set(member, what, host, (uint16_t)port, false, err);
	if (member->name[0] == '\0')
		return err_set(err, "%shost is missing, and there is no name to look it up by",
		               object->where);
	if (!layout_member_set_node(member, what, cluster, member->name, err))
		return false;
	member->port = port != 0 ? (uint16_t)port : member->port;
	return true;
}

static bool read_member(const struct config_cluster *cluster, const struct object *object,
                        struct member *member, struct err *err)
{
	/* A state file of layout patroni uses this format, too, with the names of Patroni. */
	layout_problem_fn *problem =
	    cluster->layout == CONFIG_LAYOUT_PATRONI ? layout_member_problem : layout_name_problem;

	return read_string(object, "name", problem, member->name, sizeof(member->name), err) &&
	       read_place(cluster, object, member, err) &&
	       read_integer(object, "lag_bytes", 0, INT64_MAX, &member->lag_bytes, err);
}

static bool check_unique(const struct topology *topology, size_t index, struct err *err)
{
	const struct member *added = &topology->standbys[index];

	if (topology->has_primary && layout_same_server(added, &topology->primary))
		return err_set(err, "standbys[%zu] is the primary: a server has one role", index);
	for (size_t i = 0; i < index; i++)
		if (layout_same_server(added, &topology->standbys[i]))
			return err_set(err, "standbys[%zu] is the same server as standbys[%zu]",
			               index, i);
	return true;
}

static bool read_primary(const struct config_cluster *cluster, const struct object *root,
                         struct topology *out, struct err *err)
{
	struct object primary = {json_object_get(root->json, "primary"), "primary."};

	if (primary.json == NULL)
		return err_set(err,
		               "primary is missing: an object is allowed, or null for no primary");
	if (json_is_null(primary.json))
		return true;
	if (!json_is_object(primary.json))
		return refuse_type(root, "primary", primary.json, "an object or null", err);
	out->has_primary = true;
	return read_member(cluster, &primary, &out->primary, err);
}

static bool read_standbys(const struct config_cluster *cluster, const struct object *root,
                          struct topology *out, struct err *err)
{
	json_t *standbys = get(root, "standbys");
	size_t count = json_array_size(standbys);

	if (standbys != NULL && !json_is_array(standbys))
		return refuse_type(root, "standbys", standbys, "an array", err);
	if (count > TOPOLOGY_STANDBYS_MAX)
		return err_set(err, "%zu standbys: at most %d are allowed", count,
		               TOPOLOGY_STANDBYS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct object standby = {.json = json_array_get(standbys, i)};

		snprintf(standby.where, sizeof(standby.where), "standbys[%zu].", i);
		if (!json_is_object(standby.json))
			return refuse_type(root, "a standby", standby.json, "an object", err);
		if (!read_member(cluster, &standby, topology_add_standby(out), err) ||
		    !check_unique(out, i, err))
			return false;
	}
	return true;
}

static bool read_version(const struct object *root, struct err *err)
{
	const json_t *version = get(root, "version");

	if (version == NULL && json_is_null(json_object_get(root->json, "primary")))
		return true; /* {"primary": null}, written by a person */
	if (version == NULL)
		return err_set(err, "version is missing: this segue reads version %d", VERSION);
	if (!json_is_integer(version))
		return refuse_type(root, "version", version, "an integer", err);
	if (json_integer_value(version) != VERSION)
		return err_set(err, "version %" JSON_INTEGER_FORMAT ": this segue reads version %d",
		               json_integer_value(version), VERSION);
	return true;
}

static const char *who_problem(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= TOPOLOGY_WHO_MAX)
		return "1 to 127 bytes are allowed";
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return "printable ASCII is allowed";
	return NULL;
}

static bool read_mark(const struct object *root, struct topology_mark *mark, struct err *err)
{
	struct object set_by = {get(root, "set_by"), "set_by."};

	if (set_by.json == NULL)
		return true;
	if (!json_is_object(set_by.json))
		return refuse_type(root, "set_by", set_by.json, "an object", err);
	if (get(&set_by, "id") == NULL)
		return err_set(
		    err, "set_by.id is missing: it has to be an id that was never used before");
	return read_string(&set_by, "id", layout_name_problem, mark->id, sizeof(mark->id), err) &&
	       read_string(&set_by, "who", who_problem, mark->who, sizeof(mark->who), err) &&
	       read_string(&set_by, "at", layout_time_problem, mark->at, sizeof(mark->at), err) &&
	       read_integer(&set_by, "timeline", 1, UINT32_MAX, &mark->timeline, err);
}

static bool read_document(const struct config_cluster *cluster, json_t *json, struct topology *out,
                          struct err *err)
{
	struct object root = {.json = json};

	if (!json_is_object(json))
		return err_set(err, "the JSON is %s: an object is allowed", type_name(json));
	return read_version(&root, err) && read_primary(cluster, &root, out, err) &&
	       read_standbys(cluster, &root, out, err) &&
	       read_string(&root, "system_identifier", layout_system_identifier_problem,
	                   out->system_identifier, sizeof(out->system_identifier), err) &&
	       read_integer(&root, "timeline", 1, UINT32_MAX, &out->timeline, err) &&
	       read_string(&root, "promoted_at", layout_time_problem, out->promoted_at,
	                   sizeof(out->promoted_at), err) &&
	       read_string(&root, "publisher", layout_name_problem, out->publisher,
	                   sizeof(out->publisher), err) &&
	       read_string(&root, "none_since", layout_time_problem, out->none_since,
	                   sizeof(out->none_since), err) &&
	       read_mark(&root, &out->set_by, err);
}

/* The error text of jansson ends with a quote of the input (or with a key). It is cut off, because
 * the caller decides whether these bytes may be shown. */
static bool refuse_json(const json_error_t *error, struct err *err)
{
	const char *quote = strstr(error->text, " near ");
	int len = quote != NULL ? (int)(quote - error->text) : (int)strlen(error->text);

	if (json_error_code(error) == json_error_duplicate_key)
		len = (int)strlen("duplicate object key");
	return err_set(err, "byte %d: no JSON: %.*s", error->position, len, error->text);
}

/* jansson limits the depth (2,048) and refuses \u0000; layout_decode() limits the size. */
bool layout_segue_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err)
{
	json_error_t error;
	json_auto_t *json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);

	topology_init(out);
	if (json == NULL)
		return refuse_json(&error, err);
	if (read_document(cluster, json, out, err))
		return true;
	topology_fini(out);
	return false;
}

static void put_string(json_t *object, const char *key, const char *value)
{
	if (value[0] != '\0')
		json_object_set_new(object, key, json_string(value));
}

static json_t *encode_member(const struct member *member)
{
	json_t *object = json_object();

	put_string(object, "name", member->name);
	put_string(object, "host", member->host);
	json_object_set_new(object, "port", json_integer(member->port));
	if (member->lag_bytes >= 0)
		json_object_set_new(object, "lag_bytes", json_integer(member->lag_bytes));
	return object;
}

static json_t *encode_mark(const struct topology_mark *mark)
{
	json_t *object = json_object();

	put_string(object, "id", mark->id);
	put_string(object, "who", mark->who);
	put_string(object, "at", mark->at);
	if (mark->timeline > 0)
		json_object_set_new(object, "timeline", json_integer(mark->timeline));
	return object;
}

static json_t *encode_document(const struct topology *topology)
{
	json_t *root = json_object(), *standbys = json_array();

	json_object_set_new(root, "version", json_integer(VERSION));
	json_object_set_new(root, "primary",
	                    topology->has_primary ? encode_member(&topology->primary)
	                                          : json_null());
	for (size_t i = 0; i < topology->standby_count; i++)
		json_array_append_new(standbys, encode_member(&topology->standbys[i]));
	json_object_set_new(root, "standbys", standbys);
	put_string(root, "system_identifier", topology->system_identifier);
	if (topology->timeline > 0)
		json_object_set_new(root, "timeline", json_integer(topology->timeline));
	put_string(root, "promoted_at", topology->promoted_at);
	put_string(root, "publisher", topology->publisher);
	if (!topology->has_primary)
		put_string(root, "none_since", topology->none_since);
	if (topology->set_by.id[0] != '\0')
		json_object_set_new(root, "set_by", encode_mark(&topology->set_by));
	return root;
}

void layout_segue_encode(const struct topology *topology, struct strbuf *out)
{
	json_auto_t *root = encode_document(topology);
	auto_free char *text = json_dumps(root, JSON_COMPACT);

	strbuf_append_str(out, text);
}
