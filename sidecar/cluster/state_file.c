/* State files. A file that cannot be understood is an error, never an empty state: without its zxid
 * an old value of the store would be taken for a new one, and a person has to know. Written durably
 * or not at all. */
#include "cluster/state_file.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cluster/target_kinds.h"
#include "render/view.h"
#include "topology/layout.h"
#include "topology/layout_fields.h"

#define VERSION    1
#define STATE_MAX  (4 * LAYOUT_VALUE_MAX)
/* The flags with which the layout patroni writes tags. */
#define TAGS_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_ENCODE_ANY)
#define ADVICE     "repair it, or remove it to trust the store's present value as the newest"

void applied_init(struct applied *applied)
{
	*applied = (struct applied){.zxid = 0};
	topology_init(&applied->topology);
}

void applied_fini(struct applied *applied)
{
	topology_fini(&applied->topology);
	applied_init(applied);
}

char *state_file(const char *state_dir, const struct config_cluster *cluster)
{
	/* sidecar/config has checked this; here the name becomes part of a file name. */
	assert(cluster->name[0] != '.' && strchr(cluster->name, '/') == NULL);
	return xasprintf("%s/%s.json", state_dir, cluster->name);
}

static int compare_strings(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

/* Appends a name of the data set: the hosts in sorted order, the chroot and the path. */
static void append_store(struct strbuf *out, const char *hosts,
                         const struct config_cluster *cluster)
{
	size_t len = strcspn(hosts, "/"), count = 0;
	auto_free char *list = len > 0 ? xstrndup(hosts, len) : xstrdup("");
	auto_free const char **sorted = xcalloc(len + 1, sizeof(*sorted));
	char *rest = list;

	for (char *host = strsep(&rest, ","); host != NULL; host = strsep(&rest, ","))
		sorted[count++] = host + strspn(host, " \t");
	qsort(sorted, count, sizeof(*sorted), compare_strings);
	for (size_t i = 0; i < count; i++)
		strbuf_printf(out, "%s%s", i > 0 ? "," : "", sorted[i]);
	strbuf_printf(out, "%s %s", hosts + len, cluster->path);
}

static bool read_zxid(const json_t *root, const char *key, int64_t *out, struct err *err)
{
	const json_t *value = json_object_get(root, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(err, "%s is missing or not an integer from 0 to %" PRId64, key,
		               INT64_MAX);
	*out = json_integer_value(value);
	return true;
}

/* --- what the layout segue has no field for ---
 *
 * An array each, with an item for each member: the primary, if there is one, then the standbys. */

static size_t member_count(const struct topology *topology)
{
	return topology->standby_count + (topology->has_primary ? 1 : 0);
}

static struct member *member_at(struct topology *topology, size_t index)
{
	if (!topology->has_primary)
		return &topology->standbys[index];
	return index == 0 ? &topology->primary : &topology->standbys[index - 1];
}

/* The address that the host name had when it was applied; "" while it was not known. */
static bool read_address(const json_t *value, struct topology *topology, struct member *member)
{
	const char *text = json_string_value(value);

	(void)topology;
	return text != NULL && (*text == '\0' || (layout_host_problem(text) == NULL &&
	                                          layout_host_numeric(text, member->address)));
}

static json_t *write_address(const struct member *member)
{
	return json_string(member->address);
}

static bool read_slot(const json_t *value, struct topology *topology, struct member *member)
{
	json_int_t slot = json_integer_value(value);

	if (!json_is_integer(value) || slot < 0 || slot > TOPOLOGY_SLOTS_MAX)
		return false;
	for (size_t i = 0; slot != 0 && i < member_count(topology); i++)
		if (member_at(topology, i)->slot == slot)
			return false;
	member->slot = (unsigned)slot;
	return true;
}

static json_t *write_slot(const struct member *member)
{
	return json_integer(member->slot);
}

static bool read_unread(const json_t *value, struct topology *topology, struct member *member)
{
	(void)topology;
	member->no_reads = json_is_true(value);
	return true;
}

static json_t *write_unread(const struct member *member)
{
	return json_boolean(member->no_reads);
}

static bool read_tags(const json_t *tags, struct topology *topology, struct member *member)
{
	auto_free char *text = json_dumps(tags, TAGS_FLAGS);
	const char *name;
	json_t *tag;

	(void)topology;
	json_object_foreach((json_t *)tags, name,
	                    tag) if (json_is_object(tag) || json_is_array(tag)) return false;
	return json_is_object(tags) &&
	       (json_object_size(tags) == 0 || topology_set_tags(member, text));
}

static json_t *write_tags(const struct member *member)
{
	const char *tags = topology_tags(member);

	return *tags != '\0' ? json_loads(tags, 0, NULL) : json_object();
}

static const struct member_field {
	const char *key;
	bool of_standbys, optional; /* optional: a file of an older segue may not have it */
	bool (*read)(const json_t *value, struct topology *topology, struct member *member);
	json_t *(*write)(const struct member *member);
	const char *problem; /* if read() returns false */
} fields[] = {
    {"addresses", false, false, read_address, write_address, "something that is not an IP address"},
    {"slots", false, true, read_slot, write_slot, "something else than different numbers"},
    {"unread", true, true, read_unread, write_unread, ""},
    {"tags", false, true, read_tags, write_tags,
     "something else than objects of scalars that fit"}};

static bool read_field(const struct member_field *field, const json_t *values,
                       struct topology *topology, struct err *err)
{
	size_t first = field->of_standbys && topology->has_primary ? 1 : 0;
	size_t count = member_count(topology);

	if (values == NULL && field->optional)
		return true;
	if (json_array_size(values) != count - first)
		return err_set(err, "%s does not match topology", field->key);
	for (size_t i = first; i < count; i++)
		if (!field->read(json_array_get(values, i - first), topology,
		                 member_at(topology, i)))
			return err_set(err, "%s contains %s", field->key, field->problem);
	return true;
}

static json_t *write_field(const struct member_field *field, struct topology *topology)
{
	json_t *values = json_array();

	for (size_t i = field->of_standbys && topology->has_primary ? 1 : 0;
	     i < member_count(topology); i++)
		json_array_append_new(values, field->write(member_at(topology, i)));
	return values;
}

/* Uses the decoder of the layout, so that the file is checked as strictly as a znode. */
static bool read_topology(const struct config_cluster *cluster, const json_t *root,
                          struct applied *out, struct err *err)
{
	const json_t *value = json_object_get(root, "topology");
	auto_free char *text =
	    value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text == NULL)
		return true;
	if (!layout_segue_decode(cluster, text, strlen(text), &out->topology, err))
		return err_wrap(err, "topology");
	out->has_topology = true;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!read_field(&fields[i], json_object_get(root, fields[i].key), &out->topology,
		                err))
			return false;
	topology_assign_slots(&out->topology, &out->topology);
	return true;
}

/* Only there if the primary was followed although the store named another one. */
static bool read_confirmed(const json_t *confirmed, struct applied *out, struct err *err)
{
	const json_t *timeline = json_object_get(confirmed, "timeline");
	const char *identifier = json_string_value(json_object_get(confirmed, "system_identifier"));
	struct floor *floor = &out->confirmed;

	if (confirmed == NULL || !out->has_topology)
		return true;
	if (!json_is_integer(timeline) || json_integer_value(timeline) < 0 || identifier == NULL ||
	    (*identifier != '\0' && layout_system_identifier_problem(identifier) != NULL) ||
	    strlen(identifier) >= sizeof(floor->system_identifier))
		return err_set(
		    err, "confirmed contains something else than timeline and system_identifier");
	out->against_store = true;
	floor->timeline = json_integer_value(timeline);
	snprintf(floor->system_identifier, sizeof(floor->system_identifier), "%s", identifier);
	return true;
}

static bool read_document(const struct config_cluster *cluster, const json_t *root,
                          struct applied *out, struct err *err)
{
	const json_t *version = json_object_get(root, "version");

	if (!json_is_integer(version) || json_integer_value(version) != VERSION)
		return err_set(err, "version is missing or other than %d", VERSION);
	if (!read_zxid(root, "applied_zxid", &out->zxid, err) ||
	    !read_zxid(root, "floor_zxid", &out->floor_zxid, err) ||
	    !read_topology(cluster, root, out, err) ||
	    !read_confirmed(json_object_get(root, "confirmed"), out, err))
		return false;
	out->topology.zxid = out->zxid;
	return true;
}

static void check_store(const struct config_cluster *cluster, const json_t *root, const char *path,
                        const char *store, struct applied *out, struct strbuf *note)
{
	const char *written_for = json_string_value(json_object_get(root, "store"));
	const char *layout = json_string_value(json_object_get(root, "layout"));
	const char *layout_now = config_layout_name(cluster->layout);
	bool same_layout = layout == NULL || strcmp(layout, layout_now) == 0;

	if (same_layout && written_for != NULL && strcmp(written_for, store) == 0)
		return;
	out->zxid = out->floor_zxid = out->topology.zxid = 0;
	if (!same_layout) {
		strbuf_printf(note, "%s was written for layout = ", path);
		strbuf_append_escaped(note, layout, strlen(layout), 20);
		strbuf_printf(note, ", now it is %s: its zxid does not count", layout_now);
		return;
	}
	strbuf_printf(note, "%s was written for the store \"", path);
	if (written_for != NULL)
		strbuf_append_escaped(note, written_for, strlen(written_for), 200);
	strbuf_printf(note, "\", now it is \"%s\": its zxid does not count", store);
}

bool state_load(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, struct applied *out, struct strbuf *note, struct err *err)
{
	auto_free char *path = state_file(state_dir, cluster);
	auto_strbuf struct strbuf text = STRBUF_INIT, store = STRBUF_INIT;
	json_auto_t *root = NULL;
	struct err reason = {0};
	json_error_t error;
	bool missing;

	applied_init(out);
	if (!file_read(path, STATE_MAX, &text, &missing, &reason))
		return missing ||
		       err_set(err, "cannot read the state file %s; " ADVICE, reason.message);
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		err_set(&reason, "byte %d: not JSON, or cut off", error.position);
	if (root == NULL || !read_document(cluster, root, out, &reason)) {
		applied_fini(out);
		return err_set(err, "cannot use the state file %s: %s; " ADVICE, path,
		               reason.message);
	}
	append_store(&store, store_hosts, cluster);
	check_store(cluster, root, path, store.data, out, note);
	return true;
}

static json_t *encode(const struct config_cluster *cluster, const char *store,
                      const struct applied *applied)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct topology topology = applied->topology; /* shares what it owns */
	json_t *root =
	    json_pack("{s:i, s:s, s:s, s:I, s:I}", "version", VERSION, "store", store, "layout",
	              config_layout_name(cluster->layout), "applied_zxid",
	              (json_int_t)applied->zxid, "floor_zxid", (json_int_t)applied->floor_zxid);

	if (!applied->has_topology)
		return root;
	layout_segue_encode(&topology, &text);
	json_object_set_new(root, "topology", json_loads(text.data, 0, NULL));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		json_object_set_new(root, fields[i].key, write_field(&fields[i], &topology));
	if (applied->against_store)
		json_object_set_new(
		    root, "confirmed",
		    json_pack("{s:I, s:s}", "timeline", (json_int_t)applied->confirmed.timeline,
		              "system_identifier", applied->confirmed.system_identifier));
	return root;
}

char *state_stage(const char *state_dir, const struct config_cluster *cluster,
                  const char *store_hosts, const struct applied *applied, char **path,
                  struct err *err)
{
	static const struct file_owner owner = {.mode = 0640};
	auto_free char *target = state_file(state_dir, cluster);
	auto_strbuf struct strbuf store = STRBUF_INIT;
	json_auto_t *root = NULL;
	auto_free char *text = NULL;
	char *staged;

	*path = NULL;
	append_store(&store, store_hosts, cluster);
	root = encode(cluster, store.data, applied);
	text = json_dumps(root, JSON_INDENT(1));
	if (text == NULL) {
		err_set(err, "cannot write the state file %s: the store's name is not UTF-8",
		        target);
		return NULL;
	}
	staged = file_stage(target, text, strlen(text), &owner, err);
	if (staged != NULL)
		*path = STEAL(target);
	else
		err_wrap(err, STATE_NOT_WRITTEN);
	return staged;
}

bool state_save(const char *state_dir, const struct config_cluster *cluster,
                const char *store_hosts, const struct applied *applied, struct err *err)
{
	auto_free char *path = NULL;
	auto_free char *staged = state_stage(state_dir, cluster, store_hosts, applied, &path, err);

	return staged != NULL &&
	       (file_commit(staged, path, err) || err_wrap(err, STATE_NOT_WRITTEN));
}

/* The topology that was applied last, or the example, at whose addresses no server ever answers. */

bool state_or_example_topology(const struct config *config, size_t cluster, struct topology *out,
                               struct err *problem)
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct applied applied;
	bool known;

	*problem = (struct err){0};
	topology_init(out);
	known = state_load(config->state_dir, &config->clusters[cluster], config->zookeeper_hosts,
	                   &applied, &note, problem) &&
	        applied.has_topology && applied.topology.has_primary;
	if (known)
		topology_copy(out, &applied.topology);
	else
		topology_example(out);
	applied_fini(&applied);
	return known;
}

bool state_or_example_render(const struct config *config, size_t target,
                             const struct mustache *template, struct strbuf *text)
{
	const struct config_target *of = &config->targets[target];
	struct topology topology;
	struct err ignored;
	bool known = state_or_example_topology(config, of->cluster_index, &topology, &ignored);
	auto_strbuf struct strbuf rendered = STRBUF_INIT;

	if (view_render(&config->clusters[of->cluster_index], of, &topology, template, &rendered,
	                &ignored))
		strbuf_append(text, rendered.data, rendered.len);
	topology_fini(&topology);
	return known;
}

static bool leads(const struct config_cluster *cluster, const struct config_target *target,
                  const struct mustache *template, const struct topology *topology, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const struct member *primary = &topology->primary;

	return view_render(cluster, target, topology, template, &text, err) &&
	       text_check_leads(target, true, text.data, text.len, primary->address, primary->port,
	                        err);
}

bool state_or_example_leads_to_any(const struct config_cluster *cluster,
                                   const struct config_target *target,
                                   const struct mustache *template, const struct topology *topology,
                                   struct err *err)
{
	static const char nobody[] = "192.0.2.1"; /* RFC 5737 */
	struct topology trial = {0};
	bool fine = true;

	if (!target->leads_to_primary || !topology->has_primary)
		return true;
	topology_copy(&trial, topology);
	if (trial.standby_count == 0) {
		/* only its address and host differ, as a template may look at port and name */
		*topology_add_standby(&trial) = trial.primary;
		trial.standbys[0].slot = 0;
		memcpy(trial.standbys[0].address, nobody, sizeof(nobody));
		memcpy(trial.standbys[0].host, nobody, sizeof(nobody));
	}
	for (size_t i = 0; i < trial.standby_count && fine; i++) {
		const struct member now = trial.primary;

		trial.primary = trial.standbys[i];
		trial.standbys[i] = now;
		fine = trial.primary.address[0] == '\0' ||
		       leads(cluster, target, template, &trial, err) ||
		       err_wrap(err,
		                "the text leads only to the present primary; with %s port %u as "
		                "the primary",
		                trial.primary.address, (unsigned)trial.primary.port);
		trial.standbys[i] = trial.primary;
		trial.primary = now;
	}
	topology_fini(&trial);
	return fine;
}
