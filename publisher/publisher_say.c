/* A publisher's words in the log. Refuses to repeat itself: an decision is told when it changes, an
 * alarm again each minute. */
#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "publisher_internal.h"

#define ALARM_AGAIN_US INT64_C(60000000)

void publisher_say_repmgr(struct publisher *publisher, const struct observation *seen)
{
	enum config_repmgr wanted = publisher_config(publisher)->repmgr;
	bool denied = seen->repmgr == OBSERVE_REPMGR_DENIED;

	if (publisher->repmgr_said || wanted == CONFIG_REPMGR_NO ||
	    seen->repmgr == OBSERVE_REPMGR_UNKNOWN)
		return;
	publisher->repmgr_said = true;
	if (seen->repmgr == OBSERVE_REPMGR_READ)
		return;
	if (denied || wanted == CONFIG_REPMGR_YES)
		log_error("repmgr_missing", KV_STR("publisher", publisher_config(publisher)->name),
		          KV_STR("schema", publisher_config(publisher)->repmgr_schema),
		          KV_STR("problem", denied ? "the role may not read its tables"
		                                   : "there is no table nodes in that schema"),
		          KV_STR("action", "the servers of `nodes` alone are observed"));
}

void publisher_say_set(const struct publisher *publisher, const struct topology *stored,
                       int64_t floor_before)
{
	const struct topology_mark *mark = &stored->set_by;

	log_warning("primary_set", KV_STR("publisher", publisher_config(publisher)->name),
	            KV_STR("cluster", publisher->cluster->name),
	            KV_STR("primary", stored->has_primary ? stored->primary.host : "none"),
	            KV_INT("port", stored->primary.port),
	            KV_STR("name", stored->primary.name[0] != '\0' ? stored->primary.name : NULL),
	            KV_INT("timeline", stored->timeline), KV_INT("zxid", stored->zxid),
	            KV_STR("by", mark->who), KV_STR("at", mark->at), KV_STR("id", mark->id),
	            KV_INT("lowest_timeline_before", floor_before),
	            KV_STR("next", "timelines of before this do not count any more"));
}

static void say_written(const struct publisher *publisher, const struct publish_outcome *outcome)
{
	const struct topology *topology = &outcome->decision->topology;
	const struct member *primary = &topology->primary;

	log_info(
	    "published", KV_STR("publisher", publisher_config(publisher)->name),
	    KV_STR("cluster", publisher->cluster->name),
	    KV_STR("primary", !topology->has_primary     ? "none"
	                      : primary->name[0] != '\0' ? primary->name
	                                                 : primary->host),
	    KV_INT("timeline", topology->timeline), KV_STR("promoted_at", topology->promoted_at),
	    KV_INT("standbys", topology->standby_count), KV_INT("zxid", outcome->mzxid),
	    KV_INT("races_lost", outcome->races_lost), KV_STR("reason", publisher->word.reason),
	    KV_MS("after_ms", clock_now_us() - publisher->counted_us));
}

/* What the servers say goes with an alarm, a line each. */
static void say_alarm(struct publisher *publisher)
{
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	if (clock_now_us() - publisher->said.alarm_us < ALARM_AGAIN_US &&
	    publisher->said.alarm_us != 0)
		return;
	publisher->said.alarm_us = clock_now_us();
	decider_describe(publisher->decider, &servers);
	log_error("alarm", KV_STR("publisher", publisher_config(publisher)->name),
	          KV_STR("cluster", publisher->cluster->name),
	          KV_STR("problem", publisher->word.reason), KV_STR("servers", servers.data),
	          KV_STR("action", "nothing is published until a person has looked"));
}

static void say_changed(const struct publisher *publisher, const struct publish_outcome *outcome)
{
	bool failed = outcome->result == PUBLISH_FAILED || outcome->result == PUBLISH_CONTENDED;
	enum log_level level = failed ? LOG_WARNING : LOG_INFO;

	LOG_EMIT(level, failed ? "publish_failed" : "opinion",
	         KV_STR("publisher", publisher_config(publisher)->name),
	         KV_STR("cluster", publisher->cluster->name),
	         KV_STR("verdict", failed ? NULL : publish_action_name(publisher->word.action)),
	         KV_STR("reason", failed ? NULL : publisher->word.reason),
	         KV_STR("problem", outcome->problem),
	         KV_STR("action", failed ? "tried again with the next round" : NULL));
}

static const char *skip_digits(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

/* But for its numbers, which count rounds and servers. */
static bool is_same_reason(const char *a, const char *b)
{
	for (a = skip_digits(a), b = skip_digits(b); *a != '\0' && *a == *b;
	     a = skip_digits(a + 1), b = skip_digits(b + 1))
		;
	return *a == *b;
}

void publisher_say(struct publisher *publisher, const struct publish_outcome *outcome)
{
	bool changed = !publisher->said.any || publisher->said.result != outcome->result ||
	               publisher->said.action != publisher->word.action ||
	               !is_same_reason(publisher->said.reason, publisher->word.reason);

	if (outcome->result == PUBLISH_WRITTEN)
		say_written(publisher, outcome);
	else if (outcome->result == PUBLISH_NOTHING && publisher->word.action == PUBLISH_DO_ALARM)
		say_alarm(publisher);
	else if (changed)
		say_changed(publisher, outcome);
	if (publisher->word.action != PUBLISH_DO_ALARM)
		publisher->said.alarm_us = 0;
	publisher->said.any = true;
	publisher->said.result = outcome->result;
	publisher->said.action = publisher->word.action;
	snprintf(publisher->said.reason, sizeof(publisher->said.reason), "%s",
	         publisher->word.reason);
}
