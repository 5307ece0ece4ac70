/* Sections -> struct config, and how it is freed; see config_internal.h. Defaults are set first, so
 * that after a refused value the later checks still have a valid one. */
#include <stdlib.h>
#include <string.h>

#include "config/grammar.h"
#include "config_internal.h"

struct builder {
	struct config *config;
	struct config_problems *errors;
};

static void add_node(struct config_cluster *cluster, const char *name, const char *value)
{
	struct config_node node = {.name = xstrdup(name)};

	if (!grammar_host_port(value, &node.host, &node.port))
		abort(); /* config_value_set() has checked it */
	cluster->nodes =
	    xreallocarray(cluster->nodes, cluster->node_count + 1, sizeof(*cluster->nodes));
	cluster->nodes[cluster->node_count++] = node;
}

static void add_var(struct config_target *target, const char *name, const char *value)
{
	target->vars = xreallocarray(target->vars, target->var_count + 1, sizeof(*target->vars));
	target->vars[target->var_count++] =
	    (struct config_var){.name = xstrdup(name), .value = xstrdup(value)};
}

/* Sets a node.NAME or var.NAME key. A template cannot refer to a name with a dot in it. */
static bool set_named(const struct config_key *key, const char *full, const char *value, void *base,
                      struct err *err)
{
	const char *name = full + strlen(key->name);

	if (!grammar_name(name))
		return err_set(err,
		               "found \"%s\": allowed: %sNAME, a name of [A-Za-z0-9._-], no "
		               "dot in front",
		               full, key->name);
	if (key->type == CONFIG_TYPE_VAR && strchr(name, '.') != NULL)
		return err_set(err,
		               "found \"%s\": allowed: a name without dots, which "
		               "{{vars.NAME}} can reach",
		               full);
	if (!config_value_set(key, value, base, err))
		return false;
	if (key->type == CONFIG_TYPE_NODE)
		add_node(base, name, value);
	else
		add_var(base, name, value);
	return true;
}

static void refuse_key(struct builder *builder, const struct config_section *section,
                       const struct config_entry *entry)
{
	auto_strbuf struct strbuf allowed = STRBUF_INIT;
	const struct config_key *key = NULL;

	while ((key = config_key_next(section->info->kind, key)) != NULL)
		strbuf_printf(&allowed, "%s%s%s", allowed.len > 0 ? ", " : "", key->name,
		              config_key_is_prefix(key) ? "NAME" : "");
	config_problem_add(builder->errors, entry->line, section, NULL,
	                   "found the unknown key \"%s\": allowed: %s", entry->key, allowed.data);
}

static void load_entry(struct builder *builder, const struct config_section *section,
                       const struct config_entry *entry)
{
	const struct config_key *key = config_key_find(section->info->kind, entry->key);
	auto_strbuf struct strbuf value = STRBUF_INIT;
	struct err err;
	bool fine;

	if (key == NULL) {
		refuse_key(builder, section, entry);
		return;
	}
	fine =
	    config_value_expand(entry->value.data, &value, &err) &&
	    (config_key_is_prefix(key) ? set_named(key, entry->key, value.data, section->base, &err)
	                               : config_value_set(key, value.data, section->base, &err));
	if (!fine)
		config_problem_add(builder->errors, entry->line, section, entry->key, "%s",
		                   err.message);
}

static void load_entries(struct builder *builder, const struct config_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct config_entry *entry = &section->entries[i];
		const struct config_entry *first = config_entry_find(section, entry->key);

		if (first != entry)
			config_problem_add(builder->errors, entry->line, section, entry->key,
			                   "found twice, first in line %u: allowed: once",
			                   first->line);
		else if (!entry->refused)
			load_entry(builder, section, entry);
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

static void check_required(struct builder *builder, const struct config_section *section)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(section->info->kind, key)) != NULL) {
		auto_strbuf struct strbuf allowed = STRBUF_INIT;

		if (key->preset != NULL || (key->flags & CONFIG_REQUIRED) == 0 ||
		    config_entry_find(section, key->name) != NULL)
			continue;
		config_value_allowed(key, &allowed);
		config_problem_add(builder->errors, section->line, section, key->name,
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

static struct config_target *add_target(struct config *config, enum config_target_kind kind,
                                        const char *name)
{
	struct config_target *target = &config->targets[config->target_count++];

	target->kind = kind;
	target->name = xstrdup(name);
	return target;
}

/* Returns what the section fills. */
static void *add_base(struct config *config, const struct config_section *section)
{
	switch (section->info->kind) {
	case CONFIG_SECTION_SEGUE:
	case CONFIG_SECTION_ZOOKEEPER:
		break;
	case CONFIG_SECTION_CLUSTER:
		config->clusters[config->cluster_count].name = xstrdup(section->name);
		return &config->clusters[config->cluster_count++];
	case CONFIG_SECTION_HAPROXY:
		return add_target(config, CONFIG_TARGET_HAPROXY, section->name);
	case CONFIG_SECTION_PGBOUNCER:
		return add_target(config, CONFIG_TARGET_PGBOUNCER, section->name);
	case CONFIG_SECTION_FILE:
		return add_target(config, CONFIG_TARGET_FILE, section->name);
	case CONFIG_SECTION_PUBLISHER:
		config->publishers[config->publisher_count].section = xstrdup(section->name);
		return &config->publishers[config->publisher_count++];
	}
	return config;
}

static void load_section(struct builder *builder, struct config_section *section)
{
	unsigned filled = section->info->kind;

	if ((filled & CONFIG_SECTION_TARGETS) != 0)
		filled = CONFIG_SECTION_TARGETS; /* and the keys of other targets, with "" */
	section->base = add_base(builder->config, section);
	check_required(builder, section);
	if (section->base != builder->config)
		load_defaults(section->info->kind, section->base);
	load_entries(builder, section);
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

void config_build(struct config_document *document, struct config *config,
                  struct config_problems *errors)
{
	struct builder builder = {.config = config, .errors = errors};

	config->clusters = make_room(document, CONFIG_SECTION_CLUSTER, sizeof(*config->clusters));
	config->targets = make_room(document, CONFIG_SECTION_TARGETS, sizeof(*config->targets));
	config->publishers =
	    make_room(document, CONFIG_SECTION_PUBLISHER, sizeof(*config->publishers));
	load_defaults(CONFIG_SECTION_SEGUE, config);
	load_defaults(CONFIG_SECTION_ZOOKEEPER, config);
	for (size_t i = 0; i < document->count; i++)
		if (document->sections[i].info != NULL)
			load_section(&builder, &document->sections[i]);
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
