/* Loads segue.ini: reads it, fills struct config from each section, then checks what needs several
 * sections: names that must exist, files that two targets would write. All errors of the file are
 * reported together. A file with an error gives no struct config at all. */
#include "config/config.h"
#include "config_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/grammar.h"

#define FILE_MAX ((size_t)1024 * 1024) /* bytes of segue.ini */

struct loader {
	struct config *config;
	struct config_document *document;
	struct config_problems *errors;
};

/* --- sections -> struct config --- */

/* The value is checked already. */
static void add_node(struct config_cluster *cluster, const char *name, const char *value)
{
	struct config_node node = {.name = xstrdup(name)};

	(void)grammar_host_port(value, &node.host, &node.port);
	cluster->nodes =
	    xreallocarray(cluster->nodes, cluster->node_count + 1, sizeof(*cluster->nodes));
	cluster->nodes[cluster->node_count++] = node;
}

static void add_var(struct config_target *target, const char *name, const char *value,
                    unsigned line)
{
	target->vars = xreallocarray(target->vars, target->var_count + 1, sizeof(*target->vars));
	target->vars[target->var_count++] =
	    (struct config_var){.name = xstrdup(name), .value = xstrdup(value), .line = line};
}

/* Sets a node.NAME or var.NAME key. A template cannot refer to a name with a dot in it. */
static bool set_named(const struct config_key *key, const struct config_entry *entry,
                      const char *value, void *base, struct err *err)
{
	const char *name = entry->key + strlen(key->name);

	if (!grammar_name(name))
		return err_set(err,
		               "found \"%s\": allowed: %sNAME, a name of [A-Za-z0-9._-], no "
		               "dot in front",
		               entry->key, key->name);
	if (key->type == CONFIG_TYPE_VAR && strchr(name, '.') != NULL)
		return err_set(err,
		               "found \"%s\": allowed: a name without dots, which "
		               "{{vars.NAME}} can reach",
		               entry->key);
	if (!config_value_set(key, value, base, err))
		return false;
	if (key->type == CONFIG_TYPE_NODE)
		add_node(base, name, value);
	else
		add_var(base, name, value, entry->line);
	return true;
}

static void refuse_key(struct loader *loader, const struct config_section *section,
                       const struct config_entry *entry)
{
	auto_strbuf struct strbuf allowed = STRBUF_INIT;
	const struct config_key *key = NULL;

	while ((key = config_key_next(section->info->kind, key)) != NULL)
		strbuf_printf(&allowed, "%s%s%s", allowed.len > 0 ? ", " : "", key->name,
		              config_key_is_prefix(key) ? "NAME" : "");
	config_problem_add(loader->errors, entry->line, section, NULL,
	                   "found the unknown key \"%s\": allowed: %s", entry->key, allowed.data);
}

static void load_entry(struct loader *loader, const struct config_section *section,
                       const struct config_entry *entry)
{
	const struct config_key *key = config_key_find(section->info->kind, entry->key);
	auto_strbuf struct strbuf value = STRBUF_INIT;
	struct err err;

	if (key == NULL)
		refuse_key(loader, section, entry);
	else if (!config_value_expand(entry->value.data, &value, &err) ||
	         !(config_key_is_prefix(key)
	               ? set_named(key, entry, value.data, section->base, &err)
	               : config_value_set(key, value.data, section->base, &err)))
		config_problem_add(loader->errors, entry->line, section, entry->key, "%s",
		                   err.message);
}

static void load_entries(struct loader *loader, const struct config_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct config_entry *entry = &section->entries[i];
		const struct config_entry *first = config_entry_find(section, entry->key);

		if (first != entry)
			config_problem_add(loader->errors, entry->line, section, entry->key,
			                   "found twice, first in line %u: allowed: once",
			                   first->line);
		else if (!entry->refused)
			load_entry(loader, section, entry);
	}
}

static void load_defaults(enum config_section_kind kind, void *base)
{
	const struct config_key *key = NULL;
	struct err err;

	while ((key = config_key_next(kind, key)) != NULL)
		if (key->preset != NULL && !config_value_set(key, key->preset, base, &err))
			abort(); /* a preset breaks its own row; the unit tests load every row */
}

static void check_required(struct loader *loader, const struct config_section *section)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(section->info->kind, key)) != NULL) {
		auto_strbuf struct strbuf allowed = STRBUF_INIT;

		if (key->preset != NULL || (key->flags & CONFIG_REQUIRED) == 0 ||
		    config_entry_find(section, key->name) != NULL)
			continue;
		config_value_allowed(key, &allowed);
		config_problem_add(loader->errors, section->line, section, key->name,
		                   "missing and required: %s", allowed.data);
	}
}

/* Calls `act` for the strings that keys of these sections have in `base`. Several rows may have the
 * same one. */
static void for_each_string(unsigned kinds, void *base, void (*act)(char **string))
{
	const struct config_key *key = NULL;
	char **string;

	while ((key = config_key_next(kinds, key)) != NULL)
		if ((string = config_value_string(key, base)) != NULL)
			act(string);
}

static void fill(char **string)
{
	if (*string == NULL)
		*string = xstrdup("");
}

static void drop(char **string)
{
	free(*string);
	*string = NULL;
}

/* Returns what the section fills. */
static void *add_base(struct config *config, const struct config_section *section)
{
	struct config_target *target = &config->targets[config->target_count];

	switch (section->info->kind) {
	case CONFIG_SECTION_SEGUE:
	case CONFIG_SECTION_ZOOKEEPER:
		return config;
	case CONFIG_SECTION_CLUSTER:
		config->clusters[config->cluster_count].name = xstrdup(section->name);
		return &config->clusters[config->cluster_count++];
	case CONFIG_SECTION_HAPROXY:
		target->kind = CONFIG_TARGET_HAPROXY;
		break;
	case CONFIG_SECTION_PGBOUNCER:
		target->kind = CONFIG_TARGET_PGBOUNCER;
		break;
	case CONFIG_SECTION_FILE:
		target->kind = CONFIG_TARGET_FILE;
		break;
	case CONFIG_SECTION_PUBLISHER:
		config->publishers[config->publisher_count].section = xstrdup(section->name);
		return &config->publishers[config->publisher_count++];
	}
	config->target_count++;
	target->name = xstrdup(section->name);
	return target;
}

static void load_section(struct loader *loader, struct config_section *section)
{
	unsigned filled = section->info->kind;

	if ((filled & CONFIG_SECTION_TARGETS) != 0)
		filled = CONFIG_SECTION_TARGETS; /* and the keys of other targets, with "" */
	section->base = add_base(loader->config, section);
	check_required(loader, section);
	if (section->base != loader->config)
		load_defaults(section->info->kind, section->base);
	load_entries(loader, section);
	for_each_string(filled, section->base, fill);
}

/* Room for all sections of these kinds, so that what is filled need not move. */
static void *make_room(const struct config_document *document, unsigned kinds, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < document->count; i++)
		if (document->sections[i].info != NULL &&
		    (document->sections[i].info->kind & kinds) != 0)
			count++;
	return xcalloc(count, size);
}

/* Checks each section for itself. Every section of a known kind fills a struct, even if it has
 * errors. Defaults are set first, so that after a refused value the later checks have a valid one.
 */
static void load_document(struct loader *loader)
{
	const struct config_document *document = loader->document;
	struct config *config = loader->config;

	config->clusters = make_room(document, CONFIG_SECTION_CLUSTER, sizeof(*config->clusters));
	config->targets = make_room(document, CONFIG_SECTION_TARGETS, sizeof(*config->targets));
	config->publishers =
	    make_room(document, CONFIG_SECTION_PUBLISHER, sizeof(*config->publishers));
	load_defaults(CONFIG_SECTION_SEGUE, config);
	load_defaults(CONFIG_SECTION_ZOOKEEPER, config);
	for (size_t i = 0; i < document->count; i++)
		if (document->sections[i].info != NULL)
			load_section(loader, &document->sections[i]);
}

/* --- checks of the whole file --- */

/* The line of the key, or of its section if the key is not in the file. */
static unsigned line_of(const struct config_section *section, const char *key)
{
	const struct config_entry *entry = config_entry_find(section, key);

	return entry != NULL ? entry->line : section->line;
}

static const char *text_at(const struct config_section *section, size_t offset)
{
	return *(char *const *)((const char *)section->base + offset);
}

/* Adds an error if a section above, of one of these kinds, has the same string at `offset`. */
static void check_unique(struct loader *loader, const struct config_section *section,
                         unsigned kinds, const char *key, size_t offset)
{
	const struct config_section *other = loader->document->sections;
	const char *value = text_at(section, offset);

	while (other < section && (other->info == NULL || (other->info->kind & kinds) == 0 ||
	                           strcmp(text_at(other, offset), value) != 0))
		other++;
	if (other < section)
		config_problem_add(
		    loader->errors, line_of(section, key), section, key,
		    "found \"%s\", which is already used in line %u: allowed: a different value",
		    value, line_of(other, key));
}

static void check_header(struct loader *loader, const struct config_section *section)
{
	const struct config_section *other = loader->document->sections;

	while (other->info == NULL || strcmp(other->header, section->header) != 0)
		other++;
	if (other < section)
		config_problem_add(loader->errors, section->line, section, NULL,
		                   "found twice, first in line %u: allowed: once", other->line);
}

/* If there is no such cluster, adds an error and returns NULL. */
static const struct config_cluster *check_cluster_name(struct loader *loader,
                                                       const struct config_section *section,
                                                       const char *name, size_t *index)
{
	const struct config_cluster *cluster = config_cluster_find(loader->config, name);

	if (cluster != NULL)
		*index = (size_t)(cluster - loader->config->clusters);
	else if (*name != '\0')
		config_problem_add(loader->errors, line_of(section, "cluster"), section, "cluster",
		                   "found \"%s\": allowed: the NAME of a [cluster NAME] section",
		                   name);
	return cluster;
}

/* --- hold_timeout = auto --- */

#define PATRONI_MS INT64_C(50000)  /* its defaults: ttl 30 + loop_wait 10 + retry_timeout 10 */
#define REPMGR_MS  INT64_C(90000)  /* repmgrd tries to reconnect for 60 s, then promotes */
#define AUTO_MAX   INT64_C(300000) /* the limit for any Patroni /config */

int64_t config_hold_ms(const struct config_cluster *cluster, int64_t manager_ms)
{
	int64_t ms = (manager_ms > 0 ? manager_ms : PATRONI_MS) + CONFIG_HOLD_MARGIN_MS;

	if (cluster->hold_timeout_ms > 0)
		return cluster->hold_timeout_ms;
	if (cluster->layout != CONFIG_LAYOUT_PATRONI)
		return REPMGR_MS;
	return ms < AUTO_MAX ? ms : AUTO_MAX;
}

int64_t config_hold_max_ms(const struct config_cluster *cluster)
{
	return config_hold_ms(cluster, AUTO_MAX);
}

/* --- targets --- */

static void check_target(struct loader *loader, const struct config_section *section)
{
	struct config_target *target = section->base;
	const struct config_cluster *cluster =
	    check_cluster_name(loader, section, target->cluster, &target->cluster_index);

	if (cluster != NULL && (cluster->on_primary_loss == CONFIG_LOSS_HOLD ||
	                        cluster->on_store_loss == CONFIG_LOSS_HOLD)) {
		target->hold_timeout_ms = config_hold_ms(cluster, 0);
		target->hold_max_ms = config_hold_max_ms(cluster);
	}
	if (*target->output == '\0')
		return;
	check_unique(loader, section, CONFIG_SECTION_TARGETS, "output",
	             offsetof(struct config_target, output));
	if (strcmp(target->output, target->template_file) == 0)
		config_problem_add(loader->errors, line_of(section, "output"), section, "output",
		                   "found the template itself: allowed: another file");
}

static void check_publisher(struct loader *loader, const struct config_section *section)
{
	struct config_publisher *publisher = section->base;
	const struct config_cluster *cluster =
	    check_cluster_name(loader, section, publisher->cluster, &publisher->cluster_index);

	if (cluster != NULL && cluster->layout != CONFIG_LAYOUT_SEGUE)
		config_problem_add(loader->errors, line_of(section, "cluster"), section, "cluster",
		                   "found \"%s\": allowed: a cluster with layout = segue",
		                   publisher->cluster);
}

static void check_cluster(struct loader *loader, const struct config_section *section)
{
	const struct config_cluster *cluster = section->base;

	if (*cluster->path != '\0')
		check_unique(loader, section, CONFIG_SECTION_CLUSTER, "path",
		             offsetof(struct config_cluster, path));
	if (cluster->layout == CONFIG_LAYOUT_PATRONI && cluster->presence)
		config_problem_add(
		    loader->errors, line_of(section, "presence"), section, "presence",
		    "found \"yes\" with layout = patroni: allowed: no; Patroni's leader key is "
		    "ephemeral itself");
}

static void check_section(struct loader *loader, const struct config_section *section)
{
	check_header(loader, section);
	if (section->info->kind == CONFIG_SECTION_CLUSTER)
		check_cluster(loader, section);
	else if (section->info->kind == CONFIG_SECTION_PUBLISHER)
		check_publisher(loader, section);
	else if ((section->info->kind & CONFIG_SECTION_TARGETS) != 0)
		check_target(loader, section);
}

static void check_document(struct loader *loader, struct config_problems *warnings)
{
	for (size_t i = 0; i < loader->document->count; i++)
		if (loader->document->sections[i].info != NULL)
			check_section(loader, &loader->document->sections[i]);
	if (loader->config->cluster_count == 0)
		config_problem_add(loader->errors, 0, NULL, NULL,
		                   "found no [cluster NAME] section: at least one is required");
	if (loader->config->target_count == 0 && loader->config->publisher_count == 0)
		config_problem_add(warnings, 0, NULL, NULL,
		                   "no [haproxy NAME], [pgbouncer NAME] or [file NAME] section: "
		                   "there is no target to update");
}

/* The host name may not be valid as a name here. Then the key `name` has to be set. */
static void name_after_host(char **name, const char *section, struct config_problems *errors)
{
	char host[HOST_NAME_MAX + 1];

	if (**name != '\0')
		return;
	if (gethostname(host, sizeof(host)) != 0 || !grammar_name(host)) {
		config_problem_add(errors, 0, NULL, NULL,
		                   "[%s] name: not set, and the host name is not a valid name: "
		                   "allowed: 1 to 63 of A-Z a-z 0-9 . _ -, no dot in front",
		                   section);
		return;
	}
	free(*name);
	*name = xstrdup(host);
}

/* --- loading and freeing --- */

struct config *config_load_text(const char *file, const char *text, size_t len,
                                struct strbuf *errors)
{
	struct config_problems wrong = {.file = file}, odd = {.file = file};
	struct config *config = xcalloc(1, sizeof(*config));
	struct config_document document;
	struct loader loader = {.config = config, .document = &document, .errors = &wrong};
	bool fine;

	config->file = xstrdup(file);
	strbuf_init(&config->warnings);
	strbuf_init(&config->text);
	strbuf_append(&config->text, text, len);
	config_parse(config->text.data, len, &document, &wrong);
	config_environment_check(&document, environ, &wrong, &odd);
	load_document(&loader);
	check_document(&loader, &odd);
	name_after_host(&config->name, "segue", &wrong);
	for (size_t i = 0; i < config->publisher_count; i++)
		name_after_host(&config->publishers[i].name, "publisher", &wrong);
	config_document_free(&document);
	fine = wrong.count == 0;
	config_problems_flush(&wrong, errors);
	config_problems_flush(&odd, &config->warnings);
	if (fine)
		return config;
	config_free(config);
	return NULL;
}

struct config *config_load(const char *file, struct strbuf *errors)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;

	if (!file_read(file, FILE_MAX, &text, NULL, &err)) {
		strbuf_printf(errors, "%s\n", err.message);
		return NULL;
	}
	return config_load_text(file, text.data, text.len, errors);
}

static void free_cluster(struct config_cluster *cluster)
{
	for (size_t i = 0; i < cluster->node_count; i++) {
		free(cluster->nodes[i].name);
		free(cluster->nodes[i].host);
	}
	free(cluster->nodes);
	free(cluster->name);
	for_each_string(CONFIG_SECTION_CLUSTER, cluster, drop);
}

static void free_target(struct config_target *target)
{
	for (size_t i = 0; i < target->var_count; i++) {
		free(target->vars[i].name);
		free(target->vars[i].value);
	}
	free(target->vars);
	free(target->name);
	for_each_string(CONFIG_SECTION_TARGETS, target, drop);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->cluster_count; i++)
		free_cluster(&config->clusters[i]);
	for (size_t i = 0; i < config->target_count; i++)
		free_target(&config->targets[i]);
	for (size_t i = 0; i < config->publisher_count; i++) {
		free(config->publishers[i].section);
		for_each_string(CONFIG_SECTION_PUBLISHER, &config->publishers[i], drop);
	}
	free(config->clusters);
	free(config->targets);
	free(config->publishers);
	free(config->file);
	for_each_string(CONFIG_SECTION_SEGUE | CONFIG_SECTION_ZOOKEEPER, config, drop);
	strbuf_fini(&config->warnings);
	strbuf_fini(&config->text);
	free(config);
}

/* --- questions --- */

const struct config_cluster *config_cluster_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->cluster_count; i++)
		if (strcmp(config->clusters[i].name, name) == 0)
			return &config->clusters[i];
	return NULL;
}

size_t config_haproxy_first(const struct config *config, size_t target)
{
	const char *socket = config->targets[target].socket;

	for (size_t i = 0; i < target; i++)
		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    strcmp(config->targets[i].socket, socket) == 0)
			return i;
	return target;
}

const char *config_layout_name(enum config_layout layout)
{
	return config_key_find(CONFIG_SECTION_CLUSTER, "layout")->choices[layout];
}

const char *config_target_kind_name(enum config_target_kind kind)
{
	static const char *const names[] = {[CONFIG_TARGET_HAPROXY] = "haproxy",
	                                    [CONFIG_TARGET_PGBOUNCER] = "pgbouncer",
	                                    [CONFIG_TARGET_FILE] = "file"};

	return names[kind];
}

char *config_target_label(enum config_target_kind kind, const char *name,
                          char out[CONFIG_LABEL_MAX])
{
	snprintf(out, CONFIG_LABEL_MAX, "%s/%s", config_target_kind_name(kind), name);
	return out;
}

bool config_locate_var(const struct config *config, const struct config_target *target,
                       struct err *err)
{
	static const char prefix[] = "var.";
	const size_t skip = strlen(prefix), len = strcspn(err->message, ":");
	unsigned line = 0;

	if (strncmp(err->message, prefix, skip) != 0)
		return false;
	for (size_t i = 0; i < target->var_count; i++)
		if (strlen(target->vars[i].name) == len - skip &&
		    strncmp(target->vars[i].name, err->message + skip, len - skip) == 0)
			line = target->vars[i].line;
	err_wrap(err, "[%s %s]", config_target_kind_name(target->kind), target->name);
	if (line != 0)
		err_wrap(err, "%s line %u", config->file, line);
	else
		err_wrap(err, "%s", config->file);
	return true;
}
