/* The parameters of `server` and `default-server` lines, split into those that the runtime API can
 * change and those that it cannot. Pure. Configuration Manual 5.2. */
#ifndef SEGUE_HAPROXY_MODEL_CONFIG_INTERNAL_H
#define SEGUE_HAPROXY_MODEL_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "haproxy/model/syntax.h"

/* The fields mean the same as in struct haproxy_server; `text` becomes its `params`. */
struct haproxy_params {
	unsigned weight;
	bool check, disabled, agent, track, reload_only;
	int64_t maxconn;
	bool has_minconn, has_maxqueue;
	struct strbuf text;
};

#endif
