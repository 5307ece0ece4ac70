/* Addresses that would be bound twice; see the header. All targets with the same `socket` belong to
 * one HAProxy. */
#include "run/bind_conflicts.h"

#include <string.h>

#include "base/file.h"
#include "haproxy/listening.h"
#include "target/install.h"

#define CURE "(shipped template: var.rw_bind, var.ro_bind)"

struct finding {
	const struct config *config;
	struct string_list *out;
	struct haproxy_binds on_disk; /* filled when it is first needed */
	bool looked;
};

/* The binds of the HAProxies, in `texts` or (NULL) in their outputs, of which some may not exist.
 */
static struct haproxy_binds read_binds(const struct config *config, const struct strbuf *texts)
{
	struct haproxy_binds binds = {.count = 0};
	struct err ignored;

	for (size_t i = 0; i < config->target_count; i++) {
		auto_strbuf struct strbuf file = STRBUF_INIT;
		const struct strbuf *text = texts != NULL ? &texts[i] : &file;

		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    (texts != NULL ||
		     file_read(config->targets[i].output, INSTALL_MAX, &file, NULL, &ignored)))
			haproxy_binds_read(&binds, text->data, text->len,
			                   config_haproxy_first(config, i), i);
	}
	return binds;
}

static void append_clash(const struct haproxy_bind *a, const struct haproxy_bind *b, void *arg)
{
	const struct finding *finding = arg;
	const struct config_target *targets = finding->config->targets;
	const char *first = targets[a->owner].name, *second = targets[b->owner].name;
	bool same = a->owner == b->owner;
	struct strbuf text = STRBUF_INIT;

	if (same)
		strbuf_printf(&text, "[haproxy %s] binds %s in \"%s\" and in \"%s\"", first,
		              a->spelled, a->section_name, b->section_name);
	else
		strbuf_printf(&text, "[haproxy %s] and [haproxy %s] both bind %s", first, second,
		              a->spelled);
	if (strcmp(a->spelled, b->spelled) != 0)
		strbuf_printf(&text, " (the second as %s)", b->spelled);
	strbuf_printf(&text,
	              ", and clients would reach either %s by chance: set another address in one "
	              "of them " CURE,
	              same ? "section" : "cluster");
	string_list_add(finding->out, strbuf_detach(&text));
}

/* --- other processes --- */

/* An address that an output of this HAProxy has already is no conflict: HAProxy works with it,
 * whoever else listens there. */
static bool is_on_disk(struct finding *finding, const struct haproxy_bind *bind)
{
	if (!finding->looked)
		finding->on_disk = read_binds(finding->config, NULL);
	finding->looked = true;
	for (size_t i = 0; i < finding->on_disk.count; i++)
		if (finding->on_disk.items[i].group == bind->group &&
		    haproxy_bind_overlaps(bind, &finding->on_disk.items[i]))
			return true;
	return false;
}

static void append_taken(const struct haproxy_bind *bind, uint16_t port, uid_t user, void *arg)
{
	struct finding *finding = arg;

	if (is_on_disk(finding, bind))
		return;
	string_list_printf(
	    finding->out,
	    "[haproxy %s] binds %s in \"%s\", and another process, of uid %lu, listens at "
	    "port %u there: stop that one, or set another address " CURE,
	    finding->config->targets[bind->owner].name, bind->spelled, bind->section_name,
	    (unsigned long)user, (unsigned)port);
}

void bind_conflicts_find(const struct config *config, const struct strbuf *texts,
                         struct string_list *out)
{
	struct finding finding = {.config = config, .out = out};
	struct haproxy_binds binds = read_binds(config, texts);

	haproxy_binds_clashes(&binds, append_clash, &finding);
	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    config_haproxy_first(config, i) == i)
			haproxy_taken_find(config->targets[i].socket, &binds, i, append_taken,
			                   &finding);
	haproxy_binds_free(&binds);
	haproxy_binds_free(&finding.on_disk);
}
