/* The parameters of `server` and `default-server` lines, split into what the runtime can change and
 * what it cannot. Pure. Configuration Manual 5.2. */
#ifndef SEGUE_HAPROXY_MODEL_CONFIG_INTERNAL_H
#define SEGUE_HAPROXY_MODEL_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "haproxy/model/syntax.h"

/* As the fields of struct haproxy_server. */
struct haproxy_params {
	unsigned weight;
	bool check, disabled, agent, track, reload_only;
	int64_t maxconn;
	bool has_minconn, has_maxqueue;
	struct strbuf text;
};

#endif
