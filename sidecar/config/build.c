/* Sections -> struct config; see config_internal.h. Defaults are set first, so that after a refused
 * value the later checks still have a valid one. */
#include <stdlib.h>
#include <string.h>

#include "config/grammar.h"
#include "config/index.h"
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
	const struct config_key *key;

	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++)
		if ((key->sections & section->info->kind) != 0)
			strbuf_printf(&allowed, "%s%s%s", allowed.len > 0 ? ", " : "", key->name,
			              config_key_is_prefix(key) ? "NAME" : "");
	config_problem_add(builder->errors, entry->line, section, NULL,
	                   "found the unknown key \"%s\": allowed: %s", entry->key, allowed.data);
}

static void load_entry(struct builder *builder, const struct config_section *section,
                       const struct config_entry *entry, void *base)
{
	const struct config_key *key = config_key_find(section->info->kind, entry->key);
	auto_strbuf struct strbuf value = STRBUF_INIT;
	struct err err;
	bool fine;

	if (key == NULL) {
		refuse_key(builder, section, entry);
		return;
	}
	fine = config_value_expand(entry->value.data, &value, &err) &&
	       (config_key_is_prefix(key) ? set_named(key, entry->key, value.data, base, &err)
	                                  : config_value_set(key, value.data, base, &err));
	if (!fine)
		config_problem_add(builder->errors, entry->line, section, entry->key, "%s",
		                   err.message);
}

static void load_entries(struct builder *builder, const struct config_section *section, void *base)
{
	struct config_index keys = {.root = NULL};

	for (size_t i = 0; i < section->count; i++) {
		const struct config_entry *entry = &section->entries[i];
		const struct config_seen *before =
		    config_index_add(&keys, entry->key, entry->line, i);

		if (before != NULL)
			config_problem_add(builder->errors, entry->line, section, entry->key,
			                   "found twice, first in line %u: allowed: once",
			                   before->line);
		else if (!entry->refused)
			load_entry(builder, section, entry, base);
	}
	config_index_free(&keys);
}

static void load_defaults(enum config_section_kind kind, void *base)
{
	const struct config_key *key;
	struct err err;

	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
		if ((key->sections & kind) == 0 || config_key_is_prefix(key) || key->preset == NULL)
			continue;
		if (!config_value_set(key, key->preset, base, &err))
			abort(); /* a preset breaks its own row; the unit tests load every row */
	}
}

static void check_required(struct builder *builder, const struct config_section *section)
{
	const struct config_key *key;

	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
		auto_strbuf struct strbuf allowed = STRBUF_INIT;

		if ((key->sections & section->info->kind) == 0 || key->preset != NULL ||
		    (key->flags & CONFIG_REQUIRED) == 0 ||
		    config_entry_find(section, key->name) != NULL)
			continue;
		config_value_allowed(key, &allowed);
		config_problem_add(builder->errors, section->line, section, key->name,
		                   "missing and required: %s", allowed.data);
	}
}

static void fill(char **string)
{
	if (*string == NULL)
		*string = xstrdup("");
}

static void load_cluster(struct builder *builder, const struct config_section *section)
{
	struct config *config = builder->config;
	struct config_cluster cluster = {.name = xstrdup(section->name)};

	load_defaults(section->info->kind, &cluster);
	load_entries(builder, section, &cluster);
	fill(&cluster.path);
	config->clusters =
	    xreallocarray(config->clusters, config->cluster_count + 1, sizeof(*config->clusters));
	config->clusters[config->cluster_count++] = cluster;
}

static void load_target(struct builder *builder, const struct config_section *section,
                        enum config_target_kind kind)
{
	struct config *config = builder->config;
	struct config_target target = {.kind = kind, .name = xstrdup(section->name)};

	load_defaults(section->info->kind, &target);
	load_entries(builder, section, &target);
	fill(&target.cluster);
	fill(&target.template_file);
	fill(&target.output);
	fill(&target.socket);
	fill(&target.master_socket);
	fill(&target.check_command);
	fill(&target.reload_command);
	fill(&target.console);
	config->targets =
	    xreallocarray(config->targets, config->target_count + 1, sizeof(*config->targets));
	config->targets[config->target_count++] = target;
}

static void load_publisher(struct builder *builder, const struct config_section *section)
{
	struct config *config = builder->config;
	struct config_publisher publisher = {.section = xstrdup(section->name)};

	load_defaults(section->info->kind, &publisher);
	load_entries(builder, section, &publisher);
	fill(&publisher.cluster);
	fill(&publisher.nodes);
	config->publishers = xreallocarray(config->publishers, config->publisher_count + 1,
	                                   sizeof(*config->publishers));
	config->publishers[config->publisher_count++] = publisher;
}

static void load_section(struct builder *builder, const struct config_section *section)
{
	check_required(builder, section);
	switch (section->info->kind) {
	case CONFIG_SECTION_SEGUE:
	case CONFIG_SECTION_ZOOKEEPER:
		load_entries(builder, section, builder->config);
		return;
	case CONFIG_SECTION_CLUSTER:
		load_cluster(builder, section);
		return;
	case CONFIG_SECTION_HAPROXY:
		load_target(builder, section, CONFIG_TARGET_HAPROXY);
		return;
	case CONFIG_SECTION_PGBOUNCER:
		load_target(builder, section, CONFIG_TARGET_PGBOUNCER);
		return;
	case CONFIG_SECTION_FILE:
		load_target(builder, section, CONFIG_TARGET_FILE);
		return;
	case CONFIG_SECTION_PUBLISHER:
		load_publisher(builder, section);
		return;
	}
}

void config_build(const struct config_document *document, struct config *config,
                  struct config_problems *errors)
{
	struct builder builder = {.config = config, .errors = errors};

	load_defaults(CONFIG_SECTION_SEGUE, config);
	load_defaults(CONFIG_SECTION_ZOOKEEPER, config);
	for (size_t i = 0; i < document->count; i++)
		if (document->sections[i].info != NULL)
			load_section(&builder, &document->sections[i]);
}
