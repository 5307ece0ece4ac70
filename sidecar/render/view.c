/* The view: topology, configuration and environment as the JSON that a template reads. The same
 * servers give the same view, in whatever order the store lists them. */
#include "render/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/strbuf.h"
#include "base/string_list.h"
#include "base/util.h"
#include "config/grammar.h"
#include "render/mustache.h"

#define SLOTS_DEFAULT 4
#define SLOTS_MAX     64

#define CONNECT_DEFAULT_MS 50   /* in the templates that are shipped */
#define RETRY_MAX_MS       1000 /* HAProxy waits min(1 s, timeout connect) between two attempts */
#define WAIT_MORE_MS       30000

/* Takes over `value`. Bytes that are not UTF-8 (in the environment) are passed on unchanged. */
static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new_nocheck(object, key, value);
}

static void set_str(json_t *object, const char *key, const char *value)
{
	if (value[0] != '\0')
		set(object, key, json_string_nocheck(value));
}

/* Returns an object even if there are no tags: a template that asks for a tag of a standby must not
 * get the primary's from an outer section. */
static json_t *tags_view(const struct member *member)
{
	const char *text = topology_tags(member);
	json_t *tags = *text != '\0' ? json_loads(text, 0, NULL) : NULL;

	return tags != NULL ? tags : json_object();
}

struct members {
	const struct member **all;    /* the primary, then the standbys, sorted */
	size_t count, readable;       /* readable: standbys for the read-only pool */
	const struct member *primary; /* or NULL */
	enum escape_mode mode;        /* for the names of the target */
};

static json_t *member_view(const struct members *members, const struct member *member)
{
	const char *address = member->address[0] != '\0' ? member->address : member->host;
	bool is_primary = member == members->primary;
	auto_strbuf struct strbuf name = STRBUF_INIT;
	char endpoint[ENDPOINT_MAX];
	json_t *view = json_object();

	endpoint_format(endpoint, sizeof(endpoint), address, member->port);
	escape_name(&name, members->mode, member->name);
	set_str(view, "name", name.len > 0 ? name.data : member->host);
	set_str(view, "host", member->host);
	set_str(view, "address", address);
	set(view, "port", json_integer(member->port));
	set_str(view, "endpoint", endpoint);
	set_str(view, "role", is_primary ? "primary" : "standby");
	set(view, "is_primary", json_boolean(is_primary));
	set(view, "tags", tags_view(member));
	if (!is_primary && member->no_reads)
		set(view, "unread", json_true());
	if (!is_primary && member->lag_bytes >= 0)
		set(view, "lag_bytes", json_integer(member->lag_bytes));
	return view;
}

static int compare_members(const void *left, const void *right)
{
	const struct member *const *a = left, *const *b = right;

	return topology_compare(*a, *b);
}

static void list_members(const struct topology *topology, struct members *out)
{
	size_t first = topology->has_primary;

	out->all = xcalloc(topology->standby_count + 1, sizeof(struct member *));
	out->primary = out->all[0] = topology->has_primary ? &topology->primary : NULL;
	out->count = first;
	for (size_t i = 0; i < topology->standby_count; i++) {
		out->all[out->count++] = &topology->standbys[i];
		out->readable += !topology->standbys[i].no_reads;
	}
	qsort(out->all + first, out->count - first, sizeof(struct member *), compare_members);
}

static bool is_readable(const struct members *members, const struct member *member)
{
	return member != members->primary && !member->no_reads;
}

static json_t *list_view(const struct members *members, bool only_readable)
{
	size_t count = only_readable ? members->readable : members->count;
	json_t *list = json_array();

	for (size_t i = 0; i < members->count; i++) {
		size_t index = json_array_size(list);
		json_t *view;

		if (only_readable && !is_readable(members, members->all[i]))
			continue;
		view = member_view(members, members->all[i]);
		set(view, "index", json_integer((json_int_t)index));
		set(view, "number", json_integer((json_int_t)index + 1));
		set(view, "first", json_boolean(index == 0));
		set(view, "last", json_boolean(index + 1 == count));
		json_array_append_new(list, view);
	}
	return list;
}

/* For clients that take a list of hosts, but only one port. 0: the standbys have no common port. */
static unsigned standbys_port(const struct members *members)
{
	unsigned port = 0;

	for (size_t i = 0; i < members->count; i++) {
		if (!is_readable(members, members->all[i]))
			continue;
		if (port != 0 && port != members->all[i]->port)
			return 0;
		port = members->all[i]->port;
	}
	return port;
}

/* A standby is in its slot. The slot of the primary, and of a standby that must not be read from,
 * is empty, so that a failover moves no server to another slot. There are as many slots as
 * requested, or more if a member has a higher slot. */
static json_t *slots_view(const struct members *members, unsigned wanted)
{
	const struct member *in[TOPOLOGY_SLOTS_MAX + 1] = {NULL};
	unsigned count = wanted;
	json_t *list = json_array();

	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = members->all[i];

		if (is_readable(members, member))
			in[member->slot] = member;
		if (member->slot > count)
			count = member->slot;
	}
	for (unsigned i = 1; i <= count; i++) {
		json_t *slot = json_object();

		set(slot, "slot", json_integer(i));
		if (in[i] != NULL)
			set(slot, "server", member_view(members, in[i]));
		json_array_append_new(list, slot);
	}
	return list;
}

static json_t *target_view(const struct config_target *target)
{
	json_t *view = json_object();

	set_str(view, "name", target->name);
	set_str(view, "kind", config_target_kind_name(target->kind));
	set_str(view, "template", target->template_file);
	set_str(view, "output", target->output);
	return view;
}

static json_t *vars_view(const struct config_target *target)
{
	json_t *view = json_object();

	for (size_t i = 0; i < target->var_count; i++)
		set(view, target->vars[i].name, json_string_nocheck(target->vars[i].value));
	return view;
}

static json_t *env_view(void)
{
	json_t *view = json_object();

	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		const char *equals = strchr(*entry, '=');

		if (equals != NULL) {
			auto_free char *name = xstrndup(*entry, (size_t)(equals - *entry));

			set(view, name, json_string_nocheck(equals + 1));
		}
	}
	return view;
}

/* The value of var.NAME; NULL: it is not set. */
static const char *var_of(const struct config_target *target, const char *name)
{
	for (size_t i = 0; i < target->var_count; i++)
		if (strcmp(target->vars[i].name, name) == 0)
			return target->vars[i].value;
	return NULL;
}

/* The number of slots that var.slots requests: 1 to SLOTS_MAX. */
static bool slots_wanted(const struct config_target *target, unsigned *wanted, struct err *err)
{
	const char *value = var_of(target, "slots");
	char *end;
	long number;

	*wanted = SLOTS_DEFAULT;
	if (value == NULL)
		return true;
	number = strtol(value, &end, 10);
	if (end == value || *end != '\0' || number < 1 || number > SLOTS_MAX)
		return err_set(err, "[%s %s] var.slots: '%s': 1 to %d is allowed",
		               config_target_kind_name(target->kind), target->name, value,
		               SLOTS_MAX);
	*wanted = (unsigned)number;
	return true;
}

/* var.timeout_connect as HAProxy reads it: a number without a unit is in ms. A value that HAProxy
 * would not accept is left to HAProxy to refuse. */
static int64_t connect_ms(const struct config_target *target)
{
	const char *value = var_of(target, "timeout_connect");
	auto_free char *with_unit = xasprintf("%sms", value != NULL ? value : "");
	int64_t ms = 0;

	if (value != NULL && !grammar_duration(value, &ms) && !grammar_duration(with_unit, &ms))
		ms = 0;
	return ms > 0 ? ms : CONNECT_DEFAULT_MS;
}

/* Uses the longest hold that is possible. With hold_timeout = auto the current one follows
 * Patroni's settings, but the text must not change with it, because HAProxy would need a reload. */
static void set_hold(json_t *view, const struct config_cluster *cluster,
                     const struct config_target *target)
{
	int64_t wait_ms = config_hold_max_ms(cluster) + WAIT_MORE_MS;
	int64_t connect = connect_ms(target);
	int64_t period_ms = connect < RETRY_MAX_MS ? connect : RETRY_MAX_MS;

	set(view, "hold_wait_ms", json_integer(wait_ms));
	set(view, "hold_retries", json_integer((wait_ms + period_ms - 1) / period_ms));
}

static void set_store_facts(json_t *view, const struct topology *topology)
{
	set(view, "zxid", json_integer(topology->zxid));
	if (topology->timeline > 0)
		set(view, "timeline", json_integer(topology->timeline));
	set_str(view, "system_identifier", topology->system_identifier);
	set_str(view, "promoted_at", topology->promoted_at);
	set_str(view, "publisher", topology->publisher);
}

json_t *view_build(const struct config_cluster *cluster, const struct config_target *target,
                   const struct topology *topology, struct err *err)
{
	struct topology own;
	struct members members = {.mode = view_escape(target->kind)};
	unsigned slots = 0, port;
	json_t *view;

	if (!slots_wanted(target, &slots, err))
		return NULL;
	topology_init(&own);
	topology_copy(&own, topology);
	topology_assign_slots(&own, topology);
	list_members(&own, &members);
	view = json_object();
	set_str(view, "cluster", cluster->name);
	set_store_facts(view, &own);
	if (members.primary != NULL)
		set(view, "primary", member_view(&members, members.primary));
	set(view, "standbys", list_view(&members, true));
	port = standbys_port(&members);
	set(view, "has_standbys", json_boolean(members.readable > 0));
	if (port != 0)
		set(view, "standbys_port", json_integer(port));
	set(view, "members", list_view(&members, false));
	set(view, "slots", slots_view(&members, slots));
	set_hold(view, cluster, target);
	set(view, "target", target_view(target));
	set(view, "vars", vars_view(target));
	set(view, "env", env_view());
	free(members.all);
	topology_fini(&own);
	return view;
}

enum escape_mode view_escape(enum config_target_kind kind)
{
	static const enum escape_mode modes[] = {[CONFIG_TARGET_HAPROXY] = ESCAPE_HAPROXY,
	                                         [CONFIG_TARGET_PGBOUNCER] = ESCAPE_PGBOUNCER,
	                                         [CONFIG_TARGET_FILE] = ESCAPE_NONE};

	return modes[kind];
}

bool view_render(const struct config_cluster *cluster, const struct config_target *target,
                 const struct topology *topology, const struct mustache *template,
                 struct strbuf *out, struct err *err)
{
	json_t *view = view_build(cluster, target, topology, err);
	bool ok =
	    view != NULL && mustache_render(template, view, view_escape(target->kind), out, err);

	json_decref(view);
	return ok;
}

/* --- the names of the view: what is made above, and what man/segue-templates.7 describes --- */

static const struct mustache_fields member[] = {
    {.name = "name"},       {.name = "host"},
    {.name = "address"},    {.name = "port"},
    {.name = "endpoint"},   {.name = "role"},
    {.name = "is_primary"}, {.name = "tags", .open = true},
    {.name = "unread"},     {.name = "lag_bytes"},
    {.name = "index"},      {.name = "number"},
    {.name = "first"},      {.name = "last"},
    {.name = NULL}};

static const struct mustache_fields slot[] = {
    {.name = "slot"}, {.name = "server", .fields = member}, {.name = NULL}};

static const struct mustache_fields target_fields[] = {
    {.name = "name"}, {.name = "kind"}, {.name = "template"}, {.name = "output"}, {.name = NULL}};

static const struct mustache_fields view[] = {{.name = "cluster"},
                                              {.name = "zxid"},
                                              {.name = "timeline"},
                                              {.name = "system_identifier"},
                                              {.name = "promoted_at"},
                                              {.name = "publisher"},
                                              {.name = "primary", .fields = member},
                                              {.name = "standbys", .fields = member},
                                              {.name = "has_standbys"},
                                              {.name = "standbys_port"},
                                              {.name = "members", .fields = member},
                                              {.name = "slots", .fields = slot},
                                              {.name = "hold_wait_ms"},
                                              {.name = "hold_retries"},
                                              {.name = "target", .fields = target_fields},
                                              {.name = "vars", .open = true},
                                              {.name = "env", .open = true},
                                              {.name = NULL}};

const struct mustache_fields *view_fields(void)
{
	return view;
}

static bool is_read(const struct string_list *reads, const char *name)
{
	for (size_t i = 0; i < reads->count; i++)
		if (strcmp(reads->items[i], name) == 0)
			return true;
	return false;
}

/* Collects the names in `vars` that the template may read, each once. */
static void note_read(void *arg, const char *in, const char *name)
{
	if (strcmp(in, "vars") == 0 && !is_read(arg, name))
		string_list_add(arg, xstrdup(name));
}

static bool refuse_var(const struct config_target *target, const char *name,
                       const struct string_list *reads, struct err *err)
{
	auto_strbuf struct strbuf list = STRBUF_INIT;
	auto_free struct mustache_fields *fields = xcalloc(reads->count + 1, sizeof(*fields));
	const char *nearest;

	string_list_join(reads, ", ", &list);
	for (size_t i = 0; i < reads->count; i++)
		fields[i].name = reads->items[i];
	nearest = mustache_nearest_name(fields, name);
	return err_set(err, "var.%s: %s and its partials do not read vars.%s%s%s%s; they read %s",
	               name, target->template_file, name,
	               nearest != NULL ? "; the nearest name is \"" : "",
	               nearest != NULL ? nearest : "", nearest != NULL ? "\"" : "",
	               reads->count > 0 ? list.data : "none");
}

bool view_check_template(const struct mustache *mustache, const struct config_target *target,
                         struct err *err)
{
	auto_string_list struct string_list reads = {0};
	bool ok = mustache_check_names(mustache, view, note_read, &reads, err);

	/* A dynamic name may lead to a partial that reads anything. The view itself reads slots and
	 * timeout_connect. */
	for (size_t i = 0; ok && i < target->var_count && !mustache_is_dynamic(mustache); i++) {
		const char *name = target->vars[i].name;

		ok = target->vars[i].value[0] == '\0' || is_read(&reads, name) ||
		     strcmp(name, "slots") == 0 || strcmp(name, "timeout_connect") == 0 ||
		     refuse_var(target, name, &reads, err);
	}
	return ok;
}

struct mustache *view_compile(const struct config_target *target, struct err *err)
{
	struct mustache *mustache = mustache_compile_file(target->template_file, NULL, err);

	if (mustache == NULL || view_check_template(mustache, target, err))
		return mustache;
	mustache_free(mustache);
	return NULL;
}
