/* All targets that share a `socket` are one HAProxy. */
#include "bind_clash.h"

#include <string.h>

#include "apply/haproxy_binds.h"
#include "config/index.h"

struct finding {
	const struct config *config;
	struct strbuf *out;
};

static void append(const struct haproxy_bind *a, const struct haproxy_bind *b, void *arg)
{
	const struct finding *finding = arg;
	const char *first = finding->config->targets[a->owner].name;
	const char *second = finding->config->targets[b->owner].name;

	strbuf_printf(finding->out, "[haproxy %s] and [haproxy %s] both bind %s", first, second,
	              a->spelled);
	if (strcmp(a->spelled, b->spelled) != 0)
		strbuf_printf(finding->out, " (the second as %s)", b->spelled);
	strbuf_append_str(finding->out,
	                  ", and clients would reach either cluster by chance: set another address "
	                  "in one of them (shipped template: var.rw_bind, var.ro_bind)\n");
}

void bind_clash_find(const struct config *config, const struct strbuf *texts, struct strbuf *out)
{
	struct finding finding = {config, out};
	struct config_index sockets = {.root = NULL};
	struct haproxy_binds binds = {.items = NULL};

	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_seen *first;

		if (config->targets[i].kind != CONFIG_TARGET_HAPROXY)
			continue;
		first = config_index_add(&sockets, config->targets[i].socket, 0, i);
		haproxy_binds_read(&binds, texts[i].data, texts[i].len,
		                   first != NULL ? first->number : i, i);
	}
	haproxy_binds_clashes(&binds, append, &finding);
	haproxy_binds_free(&binds);
	config_index_free(&sockets);
}
