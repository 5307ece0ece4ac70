/* The parameters of `server` and `default-server` lines, split into what the runtime can change and
 * what it cannot. Pure. Configuration Manual 5.2. */
#ifndef SEGUE_APPLY_HAPROXY_CONFIG_PARAMS_H
#define SEGUE_APPLY_HAPROXY_CONFIG_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "apply/haproxy_config_words.h"
#include "base/err.h"
#include "base/strbuf.h"

/* As the fields of struct haproxy_server. */
struct haproxy_params {
	unsigned weight;
	bool check, disabled, agent, track, reload_only;
	int64_t maxconn;
	bool has_minconn, has_maxqueue;
	struct strbuf text;
};

void haproxy_params_init(struct haproxy_params *params);
void haproxy_params_fini(struct haproxy_params *params);

/* Replaces `to`, which must be initialised. */
void haproxy_params_copy(struct haproxy_params *to, const struct haproxy_params *from);

/* Adds the parameters from word `first` on; a later one overrides. Errors have no line number. */
bool haproxy_params_read(struct haproxy_params *params, const struct haproxy_lines *line,
                         size_t first, struct err *err) MUST_CHECK;

#endif
