/* The publisher object. Only publisher.c includes it. */
#ifndef SEGUE_PUBLISHER_PUBLISHER_INTERNAL_H
#define SEGUE_PUBLISHER_PUBLISHER_INTERNAL_H

#include "publisher/observe.h"
#include "publisher/publisher.h"
#include "seen_nodes_internal.h"
#include "zookeeper/children.h"
#include "zookeeper/ephemeral.h"

struct publisher {
	struct publisher_options options;
	const struct config_cluster *cluster;
	struct observe *observe;
	struct decider *decider;
	struct publish_zk store;
	struct publish *publish;
	struct zk_node *master; /* tells whether what was read last is still there; NULL: --once */
	struct zk_ephemeral *presence;
	struct zk_children *others; /* present publishers, and what each one sees; NULL: --once */
	struct event *timer;
	int64_t looked_us;          /* when the last look began */
	int64_t counted_us;         /* when the decider was given the last round; 0: never */
	int64_t close_until_us;     /* look every CLOSE_MS until then */
	int64_t lost_from_us;       /* since when no primary is seen; 0: one is */
	bool seen;                  /* any server has answered since the start */
	int64_t told_zxid, told_us; /* the master znode's last mzxid by the watch, and when it came:
	                               a round may read it much later, as it waits for servers */
	struct topology stored;     /* as it was read last */
	struct stored_value known;
	/* Which server takes writes on which timeline, as given to the decider last. */
	char primary[TOPOLOGY_HOST_MAX + 32];
	char promoted_at[PUBLISH_TIME_MAX]; /* the latest promotion in the event tables of all
	                                       servers */
	struct {
		bool any;
		enum publish_action action; /* before a dry run makes it WAIT */
		char reason[PUBLISH_REASON_MAX];
		struct strbuf text;
	} word;
	struct {
		bool any;
		enum publish_result result;
		enum publish_action action;
		char reason[PUBLISH_REASON_MAX];
		int64_t alarm_us;
	} said; /* as logged last */
	bool repmgr_said;
};

static inline const struct config_publisher *publisher_config(const struct publisher *publisher)
{
	return publisher->options.publisher;
}

#endif
