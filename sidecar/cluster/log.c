/* Logs the decisions of a cluster, one line each. A decision that is the same as the one logged
 * last is not logged again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster_internal.h"
#include "decide/store_value.h"
#include "topology/layout_fields.h"
#include "watch/watcher.h"

#define NAME_SHOWN_MAX 63   /* bytes of a name in an alarm */
#define OVERRULED_MS   1000 /* ms; in an ordinary failover the publisher needs some 100 ms */

static const struct decision_manner {
	const char *event;
	enum log_level level;
	const char *next;
} manners[DECIDE_KINDS] = {
    [DECIDE_WAIT] = {"waiting", LOG_INFO, NULL},
    [DECIDE_CURRENT] = {"current", LOG_INFO, NULL},
    [DECIDE_KEEP] = {"kept", LOG_WARNING, "clients stay with the last primary"},
    [DECIDE_HOLD] = {"hold", LOG_WARNING,
                     "clients wait for at most hold_timeout, if the target can hold them"},
    [DECIDE_FENCE] = {"fence", LOG_WARNING,
                      "sessions are ended, and no client is let through until a primary is "
                      "admitted"},
    [DECIDE_MOVE] = {"primary", LOG_INFO, NULL},
    [DECIDE_REFUSE] = {"refused", LOG_ERROR, "clients stay with the last primary"}};

static void judge_overruled(const struct decide_input *input, const struct decision *decision,
                            struct last_decision *out)
{
	const struct topology *named = input->fact->topology;
	const struct config_cluster *cluster = input->cluster;
	char store[MEMBER_ENDPOINT_MAX], followed[MEMBER_ENDPOINT_MAX];
	auto_free char *action = NULL;

	member_endpoint(named != NULL ? &named->primary : NULL, store);
	member_endpoint(decision->kind == DECIDE_MOVE ? &decision->next.primary
	                                              : &input->applied->topology.primary,
	                followed);
	if (cluster->layout == CONFIG_LAYOUT_SEGUE)
		action = xasprintf(": segue set-primary %s %s; or, if the higher timeline was a "
		                   "mistake: segue set-primary %s %s",
		                   cluster->name, followed, cluster->name, store);
	snprintf(out->alarm, sizeof(out->alarm),
	         "the store names %s, but segue follows %s, which takes writes on a higher "
	         "timeline: correct the store%s",
	         store, followed, action != NULL ? action : "");
}

/* Returns "127.0.0.1:5432 (pg1, timeline 2)"; caller frees. */
static char *describe(const struct decide_input *input, const struct member *member)
{
	const struct server_fact *server = server_of(input->servers, input->server_count, member);
	const char *name = member->name[0] != '\0' ? member->name : "?";
	int shown = (int)utf8_cut(name, NAME_SHOWN_MAX);
	char endpoint[MEMBER_ENDPOINT_MAX], timeline[40] = "";

	member_endpoint(member, endpoint);
	if (server != NULL && server->known && server->timeline > 0)
		snprintf(timeline, sizeof(timeline), ", timeline %lld",
		         (long long)server->timeline);
	return xasprintf("%s (%.*s%s%s)", endpoint, shown, name, name[shown] != '\0' ? "..." : "",
	                 timeline);
}

/* Two servers take writes: names them, and says what a person has to do. */
static void judge_split(const struct decide_input *input, const struct decision *decision,
                        struct last_decision *out)
{
	const struct config_cluster *cluster = input->cluster;
	const struct member *other = decision->same_timeline_primary != NULL
	                                 ? decision->same_timeline_primary
	                             : decision->stray_primary != NULL ? decision->stray_primary
	                                                               : decision->stale_primary;
	auto_free char *one = describe(input, decision->beside), *two = describe(input, other);
	char endpoint[MEMBER_ENDPOINT_MAX];

	out->split = true;
	member_endpoint(other, endpoint);
	if (decision->same_timeline_primary != NULL)
		snprintf(out->alarm, sizeof(out->alarm),
		         "two servers take writes on one timeline: %s and %s: nothing is moved "
		         "until one of them is stopped",
		         two, one);
	else if (decision->stray_primary != NULL && cluster->layout == CONFIG_LAYOUT_SEGUE)
		snprintf(out->alarm, sizeof(out->alarm),
		         "two servers take writes: %s does so on a higher timeline than %s, which "
		         "a person named and which stays the primary: stop the other, or make it "
		         "the primary: segue set-primary %s %s",
		         two, one, cluster->name, endpoint);
	else if (decision->stray_primary != NULL)
		snprintf(
		    out->alarm, sizeof(out->alarm),
		    "two servers take writes: %s does so on a higher timeline than %s, which "
		    "holds Patroni's leader key and stays the primary: let nobody write to the "
		    "other, as Patroni demotes and rewinds it, and what was written there is "
		    "lost; `patronictl switchover` is the way to make it the primary",
		    two, one);
	else
		snprintf(
		    out->alarm, sizeof(out->alarm),
		    "two servers take writes: %s does so on a lower timeline than %s: no client "
		    "is led there; stop it before somebody writes to it directly",
		    two, one);
}

/* With on_primary_loss = keep, clients may still be led to a server that is refused now. */
static void judge_own(const struct cluster *cluster, const struct own_listener *own,
                      const char *who, struct last_decision *out)
{
	char endpoint[MEMBER_ENDPOINT_MAX];
	auto_free char *words = cluster_own_words(own->target);
	auto_free char *cure = cluster_own_cure(cluster);

	member_endpoint(&own->at, endpoint);
	snprintf(out->alarm, sizeof(out->alarm), "%s, %s, is %s: %s; %s", who, endpoint, words,
	         cluster_leads(cluster) &&
	                 topology_same_address(&cluster->applied.topology.primary, &own->at)
	             ? "clients are led there, and none of them reaches a PostgreSQL server"
	             : "no client is led there",
	         cure);
}

static const struct own_listener *own_standby(const struct decide_input *input)
{
	const struct topology *topology = input->fact->topology;
	const struct own_listener *own = NULL;

	for (size_t i = 0; topology != NULL && own == NULL && i < topology->standby_count; i++)
		own = decide_own(input, &topology->standbys[i]);
	return own;
}

static void judge_misnamed(const struct decide_input *input, struct last_decision *out)
{
	static const char *const keys[] = {[CONFIG_LAYOUT_SEGUE] = "/master",
	                                   [CONFIG_LAYOUT_PLAIN] = "",
	                                   [CONFIG_LAYOUT_PATRONI] = "/initialize"};
	const struct topology *applied = &input->applied->topology;
	char endpoint[MEMBER_ENDPOINT_MAX];

	member_endpoint(&applied->primary, endpoint);
	snprintf(out->alarm, sizeof(out->alarm),
	         "the store has system_identifier %s, but the primary %s has %s, as before: "
	         "nothing is moved; correct it in %.300s%s",
	         input->fact->topology->system_identifier, endpoint, applied->system_identifier,
	         input->cluster->path, keys[input->cluster->layout]);
}

/* The store gives the last primary another address, at which no server answers. */
static bool has_moved(const struct decide_input *input)
{
	const struct topology *named = input->fact->topology;
	const struct topology *applied = &input->applied->topology;
	const struct server_fact *last =
	    server_of(input->servers, input->server_count, &applied->primary);
	const struct server_fact *now =
	    named != NULL ? server_of(input->servers, input->server_count, &named->primary) : NULL;

	return now != NULL && last != NULL && server_takes_writes(last) &&
	       (now->class == SERVER_REFUSED || now->class == SERVER_TIMED_OUT) &&
	       named->primary.name[0] != '\0' &&
	       strcmp(named->primary.name, applied->primary.name) == 0 &&
	       !topology_same_address(&named->primary, &applied->primary);
}

static void judge_moved(const struct decide_input *input, struct last_decision *out)
{
	auto_free char *store = describe(input, &input->fact->topology->primary);
	auto_free char *last = describe(input, &input->applied->topology.primary);

	snprintf(out->alarm, sizeof(out->alarm),
	         "the store names %s, where no server answers, but clients are led to %s, which "
	         "takes writes and has the same name: is the address in the store right%s?",
	         store, last,
	         input->cluster->layout == CONFIG_LAYOUT_PATRONI
	             ? ", from connect_address of postgresql in its patroni.yml"
	             : "");
}

static void judge_unverified(const struct decide_input *input, const struct server_fact *denial,
                             struct last_decision *out)
{
	auto_free char *login = conninfo_login(input->cluster->verify_conninfo);
	char endpoint[MEMBER_ENDPOINT_MAX];

	endpoint_format(endpoint, sizeof(endpoint), denial->address, denial->port);
	out->unverified = true;
	snprintf(out->alarm, sizeof(out->alarm),
	         "segue cannot log in to any server, for example %s: %s: %s: correct "
	         "verify_conninfo%s%.100s in [cluster %s], or the role on the servers",
	         endpoint, denial->problem,
	         input->cluster->verify == CONFIG_VERIFY_REQUIRE
	             ? "no other primary is admitted"
	             : "the next primary is followed without a check",
	         login[0] != '\0' ? " = " : "", login, input->cluster->name);
}

static void judge_alarm(const struct cluster *cluster, const struct decide_input *input,
                        const struct decision *decision, struct last_decision *out)
{
	const struct config_cluster *config = cluster->config;
	const struct own_listener *standby = own_standby(input);
	const struct server_fact *denial = find_denial(input->servers, input->server_count);

	if (decision->same_timeline_primary != NULL || decision->stray_primary != NULL ||
	    decision->stale_primary != NULL)
		judge_split(input, decision, out);
	else if (decision->own != NULL)
		judge_own(cluster, decision->own,
		          cluster->override.kind == OVERRIDE_PIN
		              ? "the primary that an operator pinned"
		              : "the primary that the store names",
		          out);
	else if (decision->misnamed && input->fact->topology != NULL)
		judge_misnamed(input, out);
	else if (has_moved(input))
		judge_moved(input, out);
	else if (decision->overruled)
		judge_overruled(input, decision, out);
	else if (standby != NULL)
		judge_own(cluster, standby, "a standby that the store names", out);
	else if (store_is_strange(input->fact, input->applied))
		snprintf(out->alarm, sizeof(out->alarm),
		         "path = %.200s does not exist in the store, and the last primary came "
		         "from another path, store or layout: nothing is moved until it exists: "
		         "correct path in [cluster %s], or hosts in [zookeeper]",
		         config->path, config->name);
	else if (denial != NULL)
		judge_unverified(input, denial, out);
	else if (cluster->state_problem != NULL)
		snprintf(out->alarm, sizeof(out->alarm),
		         "state_dir cannot be written: %.300s: repair it; after a restart an old "
		         "value of the store could be taken for a new one",
		         cluster->state_problem);
}

void cluster_judge(const struct cluster *cluster, const struct decide_input *input,
                   const struct decision *decision, struct last_decision *out)
{
	*out = (struct last_decision){
	    .kind = decision->kind,
	    .reason = decision->reason,
	    .why = decision->why,
	    .overruled = decision->overruled,
	    .own = decision->own != NULL ? decision->own->target : NULL,
	    .news = decision->kind != DECIDE_MOVE || !cluster_leads(cluster) ||
	            !topology_same_servers(&decision->next, &cluster->applied.topology)};
	if (decision->about != NULL)
		member_endpoint(decision->about, out->about);
	judge_alarm(cluster, input, decision, out);
}

/* What will probably end by itself in a moment is logged at debug level, and so is a value that
 * changes nothing. */
static enum log_level level_of(const struct cluster *cluster, const struct watch_fact *fact)
{
	const struct last_decision *last_decision = &cluster->last_decision;
	bool passing = fact->state == WATCH_RESOLVING && fact->problem == NULL;
	bool quiet =
	    last_decision->kind == DECIDE_CURRENT && cluster->logged != NULL &&
	    (cluster->logged_kind == DECIDE_MOVE || cluster->logged_kind == DECIDE_CURRENT);

	if (passing || quiet || !last_decision->news)
		return LOG_DEBUG;
	if (last_decision->kind == DECIDE_MOVE &&
	    (last_decision->why[0] != '\0' || last_decision->overruled))
		return LOG_WARNING;
	return manners[last_decision->kind].level;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* What a person should do. Only a person knows whether a higher timeline was a mistake. */
static char *action_of(const struct cluster *cluster)
{
	const struct last_decision *last_decision = &cluster->last_decision;

	if (last_decision->own != NULL)
		return cluster_own_cure(cluster);
	if (cluster->config->layout != CONFIG_LAYOUT_SEGUE || last_decision->about[0] == '\0' ||
	    strcmp(last_decision->why, ADMIT_OLD_PRIMARY) != 0)
		return NULL;
	return xasprintf("if %s is the right primary, as the higher timeline was a mistake: segue "
	                 "set-primary %s %s",
	                 last_decision->about, cluster->config->name, last_decision->about);
}

/* Until this process has applied something, the topology is from the state file: what was applied
 * once. */
static void log_decision(const struct cluster *cluster, const struct watch_fact *fact,
                         enum log_level level)
{
	const struct applied *applied = &cluster->applied;
	const struct last_decision *last_decision = &cluster->last_decision;
	char endpoint[MEMBER_ENDPOINT_MAX];

	auto_free char *action = action_of(cluster);

	member_endpoint(applied->has_topology ? &applied->topology.primary : NULL, endpoint);
	LOG_EMIT(
	    level, manners[last_decision->kind].event, KV_STR("cluster", cluster->config->name),
	    KV_STR("path", cluster->config->path), KV_INT("zxid", fact->mzxid),
	    KV_STR("reason", last_decision->reason), KV_STR("about", or_null(last_decision->about)),
	    KV_STR("target", last_decision->own != NULL ? CONFIG_LABEL(last_decision->own) : NULL),
	    KV_STR("why", or_null(last_decision->why)), KV_STR("problem", fact->problem),
	    KV_STR("leader", fact->topology != NULL ? fact->topology->leader : NULL),
	    KV_STR("name", applied->in_this_run ? applied->topology.primary.name : NULL),
	    KV_STR(applied->in_this_run ? "primary" : "applied_before", endpoint),
	    KV_INT("timeline", applied->topology.timeline), KV_INT("applied_zxid", applied->zxid),
	    KV_INT("standbys", applied->topology.standby_count),
	    KV_STR("next", manners[last_decision->kind].next), KV_STR("action", action));
}

/* Takes ownership of `line`. Returns false if the same line was logged last. */
static bool is_new(char **logged, char *line)
{
	bool same = *logged != NULL && strcmp(*logged, line) == 0;

	free(same ? line : *logged);
	if (!same)
		*logged = line;
	return !same;
}

/* After a promotion the servers report it sooner than the store does. The store normally follows
 * within OVERRULED_MS, and nobody has to correct it. The cluster is reconciled every second until
 * then. */
static bool is_brief(struct cluster *cluster)
{
	int64_t now_ms = clock_now_ms();

	if (!cluster->last_decision.overruled) {
		cluster->overruled_ms = 0;
		return false;
	}
	if (cluster->overruled_ms == 0)
		cluster->overruled_ms = now_ms;
	return now_ms - cluster->overruled_ms < OVERRULED_MS;
}

static void log_alarm(struct cluster *cluster)
{
	const char *alarm = cluster->last_decision.alarm;
	bool was = cluster->alarm_logged != NULL && cluster->alarm_logged[0] != '\0';

	if (is_brief(cluster) || !is_new(&cluster->alarm_logged, xstrdup(alarm)))
		return;
	if (alarm[0] != '\0')
		log_error(cluster->last_decision.split        ? "split_brain"
		          : cluster->last_decision.overruled  ? "overruled"
		          : cluster->last_decision.unverified ? "unverified"
		                                              : "alarm",
		          KV_STR("cluster", cluster->config->name), KV_STR("alarm", alarm));
	else if (was)
		log_info("alarm_over", KV_STR("cluster", cluster->config->name));
}

void cluster_log(struct cluster *cluster, const struct watch_fact *fact)
{
	const struct last_decision *last_decision = &cluster->last_decision;
	enum log_level level = level_of(cluster, fact);
	int64_t zxid = last_decision->kind == DECIDE_MOVE ? fact->mzxid : 0;

	if (is_new(&cluster->logged,
	           xasprintf("%d %s %s %s %lld %s", (int)last_decision->kind, last_decision->reason,
	                     last_decision->about, last_decision->why, (long long)zxid,
	                     fact->problem != NULL ? fact->problem : "")))
		log_decision(cluster, fact, level);
	cluster->logged_kind = last_decision->kind;
	log_alarm(cluster);
}

void cluster_log_override(const struct cluster *cluster)
{
	const struct override *override = &cluster->override;
	bool is_pin = override->kind == OVERRIDE_PIN;
	char endpoint[MEMBER_ENDPOINT_MAX];

	if (override->kind == OVERRIDE_NONE)
		return;
	endpoint_format(endpoint, sizeof(endpoint), override->address, override->port);
	log_warning(is_pin ? "pinned" : "frozen", KV_STR("cluster", cluster->config->name),
	            KV_STR("primary", is_pin ? endpoint : NULL), KV_STR("by", override->by),
	            KV_STR("since", override->since),
	            KV_STR("next", is_pin
	                               ? "this server is the primary, whatever the store and the "
	                                 "servers say, until `segue release`"
	                               : "nothing is moved or held until `segue release`"));
}
