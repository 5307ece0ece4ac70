/* Loads segue.ini: reads it, builds struct config, then checks what needs several sections: names
 * that must exist, files that two targets would write. All errors of the file are reported
 * together. A file with an error gives no struct config at all. */
#include "config/config.h"
#include "config_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/grammar.h"

/* --- the line of a key in segue.ini --- */

/* 0: not found. `header`: as the error shows it, with ${NAME} expanded. */
static unsigned line_of_key(const struct config *config, const char *header, const char *key)
{
	struct config_problems none = {.file = config->file}; /* the file has been loaded */
	const struct config_entry *entry = NULL;
	struct config_document document;
	auto_strbuf struct strbuf ignored = STRBUF_INIT;
	unsigned line;

	config_parse(config->text.data, config->text.len, &document, &none);
	for (size_t i = 0; i < document.count && entry == NULL; i++)
		if (strcmp(document.sections[i].header, header) == 0)
			entry = config_entry_find(&document.sections[i], key);
	line = entry != NULL ? entry->line : 0;
	config_document_free(&document);
	config_problems_flush(&none, &ignored);
	return line;
}

bool config_place_var(const struct config *config, const struct config_target *target,
                      struct err *err)
{
	static const char prefix[] = "var.";
	size_t len = strcspn(err->message, ":");
	auto_free char *section =
	    xasprintf("%s %s", config_target_kind_name(target->kind), target->name);
	auto_free char *key = xstrndup(err->message, len);
	unsigned line;

	if (strncmp(key, prefix, strlen(prefix)) != 0)
		return false;
	line = line_of_key(config, section, key);
	err_wrap(err, "[%s]", section);
	if (line != 0)
		err_wrap(err, "%s line %u", config->file, line);
	else
		err_wrap(err, "%s", config->file);
	return true;
}

/* --- checks of the whole file --- */

#define FILE_MAX ((size_t)1024 * 1024) /* bytes of segue.ini */

struct checker {
	struct config *config;
	const struct config_document *document;
	struct config_problems *errors;
};

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
static void check_unique(struct checker *checker, const struct config_section *section,
                         unsigned kinds, const char *key, size_t offset)
{
	const struct config_section *other = checker->document->sections;
	const char *value = text_at(section, offset);

	while (other < section && (other->info == NULL || (other->info->kind & kinds) == 0 ||
	                           strcmp(text_at(other, offset), value) != 0))
		other++;
	if (other < section)
		config_problem_add(
		    checker->errors, line_of(section, key), section, key,
		    "found \"%s\", which is already used in line %u: allowed: a different value",
		    value, line_of(other, key));
}

static void check_header(struct checker *checker, const struct config_section *section)
{
	const struct config_section *other = checker->document->sections;

	while (other->info == NULL || strcmp(other->header, section->header) != 0)
		other++;
	if (other < section)
		config_problem_add(checker->errors, section->line, section, NULL,
		                   "found twice, first in line %u: allowed: once", other->line);
}

/* Returns the index of the cluster. If there is none, adds an error and returns 0. */
static size_t check_cluster_name(struct checker *checker, const struct config_section *section,
                                 const char *name)
{
	const struct config *config = checker->config;

	for (size_t i = 0; i < config->cluster_count; i++)
		if (strcmp(config->clusters[i].name, name) == 0)
			return i;
	if (*name != '\0')
		config_problem_add(checker->errors, line_of(section, "cluster"), section, "cluster",
		                   "found \"%s\": allowed: the NAME of a [cluster NAME] section",
		                   name);
	return 0;
}

/* --- hold_timeout = auto --- */

#define PATRONI_MS INT64_C(50000)  /* its defaults: ttl 30 + loop_wait 10 + retry_timeout 10 */
#define REPMGR_MS  INT64_C(90000)  /* repmgrd tries to reconnect for 60 s, then promotes */
#define AUTO_MAX   INT64_C(300000) /* the limit for any Patroni /config */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t config_hold_ms(const struct config_cluster *cluster, int64_t manager_ms)
{
	if (cluster->hold_timeout_ms > 0)
		return cluster->hold_timeout_ms;
	if (cluster->layout != CONFIG_LAYOUT_PATRONI)
		return REPMGR_MS;
	return smaller((manager_ms > 0 ? manager_ms : PATRONI_MS) + CONFIG_HOLD_MARGIN_MS,
	               AUTO_MAX);
}

int64_t config_hold_max_ms(const struct config_cluster *cluster)
{
	return config_hold_ms(cluster, AUTO_MAX);
}

static void take_hold_times(struct config_target *target, const struct config *config)
{
	const struct config_cluster *cluster;

	if (target->cluster_index >= config->cluster_count)
		return;
	cluster = &config->clusters[target->cluster_index];
	if (cluster->on_primary_loss != CONFIG_LOSS_HOLD &&
	    cluster->on_store_loss != CONFIG_LOSS_HOLD)
		return;
	target->hold_timeout_ms = config_hold_ms(cluster, 0);
	target->hold_max_ms = config_hold_max_ms(cluster);
}

/* --- targets --- */

static void check_target(struct checker *checker, const struct config_section *section)
{
	struct config_target *target = section->base;

	target->cluster_index = check_cluster_name(checker, section, target->cluster);
	take_hold_times(target, checker->config);
	if (*target->output == '\0')
		return;
	check_unique(checker, section, CONFIG_SECTION_TARGETS, "output",
	             offsetof(struct config_target, output));
	if (strcmp(target->output, target->template_file) == 0)
		config_problem_add(checker->errors, line_of(section, "output"), section, "output",
		                   "found the template itself: allowed: another file");
}

static void check_publisher(struct checker *checker, const struct config_section *section)
{
	struct config_publisher *publisher = section->base;

	publisher->cluster_index = check_cluster_name(checker, section, publisher->cluster);
	if (publisher->cluster_index < checker->config->cluster_count &&
	    checker->config->clusters[publisher->cluster_index].layout != CONFIG_LAYOUT_SEGUE)
		config_problem_add(checker->errors, line_of(section, "cluster"), section, "cluster",
		                   "found \"%s\": allowed: a cluster with layout = segue",
		                   publisher->cluster);
}

static void check_cluster(struct checker *checker, const struct config_section *section)
{
	const struct config_cluster *cluster = section->base;

	if (*cluster->path != '\0')
		check_unique(checker, section, CONFIG_SECTION_CLUSTER, "path",
		             offsetof(struct config_cluster, path));
	if (cluster->layout == CONFIG_LAYOUT_PATRONI && cluster->presence)
		config_problem_add(
		    checker->errors, line_of(section, "presence"), section, "presence",
		    "found \"yes\" with layout = patroni: allowed: no; Patroni's leader key is "
		    "ephemeral itself");
}

static void check_section(struct checker *checker, const struct config_section *section)
{
	check_header(checker, section);
	switch (section->info->kind) {
	case CONFIG_SECTION_CLUSTER:
		check_cluster(checker, section);
		return;
	case CONFIG_SECTION_HAPROXY:
	case CONFIG_SECTION_PGBOUNCER:
	case CONFIG_SECTION_FILE:
		check_target(checker, section);
		return;
	case CONFIG_SECTION_PUBLISHER:
		check_publisher(checker, section);
		return;
	case CONFIG_SECTION_SEGUE:
	case CONFIG_SECTION_ZOOKEEPER:
		return;
	}
}

static void check_document(struct config *config, const struct config_document *document,
                           struct config_problems *errors, struct config_problems *warnings)
{
	struct checker checker = {.config = config, .document = document, .errors = errors};

	for (size_t i = 0; i < document->count; i++)
		if (document->sections[i].info != NULL)
			check_section(&checker, &document->sections[i]);
	if (config->cluster_count == 0)
		config_problem_add(errors, 0, NULL, NULL,
		                   "found no [cluster NAME] section: at least one is required");
	if (config->target_count == 0 && config->publisher_count == 0)
		config_problem_add(
		    warnings, 0, NULL, NULL,
		    "no [haproxy NAME], [pgbouncer NAME] or [file NAME] section: there is "
		    "no target to update");
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

struct config *config_load_text(const char *file, const char *text, size_t len,
                                struct strbuf *errors)
{
	struct config_problems wrong = {.file = file}, odd = {.file = file};
	struct config *config = xcalloc(1, sizeof(*config));
	struct config_document document;
	bool fine;

	config->file = xstrdup(file);
	strbuf_init(&config->warnings);
	strbuf_init(&config->text);
	strbuf_append(&config->text, text, len);
	config_parse(text, len, &document, &wrong);
	config_unread_find(config->text.data, environ, &wrong, &odd);
	config_build(&document, config, &wrong);
	check_document(config, &document, &wrong, &odd);
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
