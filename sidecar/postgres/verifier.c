/* The probes of a cluster. They report after each attempt. What is worth reporting is reported once
 * per loop iteration, from a timer of its own, so that the callback may call any function here. */
#include "postgres/verifier.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/timer.h"
#include "postgres/classify.h"
#include "postgres_internal.h"

struct verifier {
	struct event_base *base;
	const struct config_cluster *config;
	struct libpq pq;
	bool tried;
	struct err load_problem;   /* "": libpq is loaded, or was not tried */
	struct probe **probes;     /* of the followed servers */
	struct server_fact *facts; /* what verifier_facts() returns */
	size_t count;
	struct server_fact *recalled; /* of the verifier before a reload; each one is used once */
	size_t recalled_count;
	struct tripwire *tripwire; /* NULL: no server is guarded */
	struct member guarded;
	struct timer *changed; /* calls back the owner */
};

static unsigned counted(unsigned running)
{
	return running < SERVER_RUNNING_MATTERS ? running : SERVER_RUNNING_MATTERS;
}

static bool is_news(const struct server_fact *before, const struct server_fact *now)
{
	return !server_says_the_same(before, now) ||
	       counted(before->running) != counted(now->running) ||
	       counted(before->unserved) != counted(now->unserved) ||
	       strcmp(before->problem, now->problem) != 0;
}

static void log_fact(const struct verifier *verifier, const struct server_fact *fact)
{
	bool answered = fact->class == SERVER_ANSWERED;
	auto_free char *timeline = xasprintf("%lld", (long long)fact->timeline);
	enum log_level level = fact->class == SERVER_DENIED || fact->class == SERVER_FAULTY ||
	                               fact->class == SERVER_OTHER
	                           ? LOG_WARNING
	                           : LOG_INFO;

	LOG_EMIT(level, "server", KV_STR("cluster", verifier->config->name),
	         KV_STR("address", fact->address), KV_INT("port", fact->port),
	         KV_STR("class", server_class_name(fact->class)),
	         KV_STR("in_recovery", !answered           ? NULL
	                               : fact->in_recovery ? "yes"
	                                                   : "no"),
	         KV_STR("timeline", answered && fact->timeline > 0 ? timeline : NULL),
	         KV_STR("problem", answered ? NULL : fact->problem));
}

static bool is_at(const struct server_fact *fact, const struct member *member)
{
	return fact->port == member->port && strcmp(fact->address, member->address) == 0;
}

static void probe_answered(const struct probe *probe, const struct server_fact *before,
                           bool awaited, void *arg)
{
	struct verifier *verifier = arg;
	const struct server_fact *now = probe_fact(probe);
	bool is_guarded = verifier->tripwire != NULL && is_at(now, &verifier->guarded);

	if (is_guarded && server_takes_writes(now))
		tripwire_arm(verifier->tripwire);
	else if (is_guarded)
		tripwire_disarm(verifier->tripwire);
	if (!server_says_the_same(before, now))
		log_fact(verifier, now);
	if (awaited || is_news(before, now))
		timer_fire(verifier->changed);
}

/* Tried once. A cluster with verify = disable never loads libpq. */
static bool load_libpq(struct verifier *verifier)
{
	if (!verifier->tried && !libpq_load(&verifier->pq, &verifier->load_problem))
		log_error("verify_impossible", KV_STR("cluster", verifier->config->name),
		          KV_ERR(&verifier->load_problem),
		          KV_STR("next", "servers are not verified until segue is restarted"));
	verifier->tried = true;
	return verifier->load_problem.message[0] == '\0';
}

static struct probe **find(struct probe **probes, size_t count, const struct member *member)
{
	for (size_t i = 0; i < count; i++)
		if (probes[i] != NULL && is_at(probe_fact(probes[i]), member))
			return &probes[i];
	return NULL;
}

static struct probe *add(struct verifier *verifier, const struct member *member)
{
	bool loaded = load_libpq(verifier);
	struct probe *probe =
	    probe_create(verifier->base, &verifier->pq, verifier->config, member,
	                 loaded ? NULL : verifier->load_problem.message, probe_answered, verifier);

	if (!loaded)
		timer_fire(verifier->changed);
	for (size_t i = 0; i < verifier->recalled_count; i++) {
		struct server_fact *before = &verifier->recalled[i];

		if (loaded && is_at(before, member)) {
			probe_recall(probe, before);
			before->address[0] = '\0';
			break;
		}
	}
	return probe;
}

static void drop_all(struct probe **probes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		probe_destroy(probes[i]);
	free(probes);
}

void verifier_follow(struct verifier *verifier, const struct member *const *members, size_t count)
{
	struct probe **old = verifier->probes, **now, **found;
	size_t old_count = verifier->count, used = 0;

	if (verifier->config->verify == CONFIG_VERIFY_DISABLE)
		return;
	now = xcalloc(count, sizeof(struct probe *));
	for (size_t i = 0; i < count; i++) {
		if (members[i] == NULL || *members[i]->address == '\0' ||
		    find(now, used, members[i]) != NULL)
			continue;
		found = find(old, old_count, members[i]);
		now[used++] = found != NULL ? STEAL(*found) : add(verifier, members[i]);
	}
	drop_all(old, old_count);
	verifier->probes = now;
	verifier->count = used;
	verifier->facts = xreallocarray(verifier->facts, used, sizeof(*verifier->facts));
}

void verifier_hurry(struct verifier *verifier, const struct member *member)
{
	struct probe **found = find(verifier->probes, verifier->count, member);

	if (found != NULL)
		probe_hurry(*found, false);
}

void verifier_attend(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->count; i++)
		probe_hurry(verifier->probes[i], true);
}

static void tripped(enum tripwire_news news, void *arg)
{
	struct verifier *verifier = arg;
	struct probe **found = find(verifier->probes, verifier->count, &verifier->guarded);

	if (found != NULL && news == TRIPWIRE_ENDED)
		probe_note_end(*found);
	else if (found != NULL)
		probe_lose(*found, "a tripwire connection ended, and the next one was refused");
}

void verifier_guard(struct verifier *verifier, const struct member *member)
{
	unsigned count = (unsigned)verifier->config->tripwires;

	if (verifier->config->verify == CONFIG_VERIFY_DISABLE || count == 0)
		member = NULL;
	if (member != NULL && verifier->tripwire != NULL &&
	    topology_same_address(member, &verifier->guarded))
		return;
	tripwire_destroy(STEAL(verifier->tripwire));
	if (member == NULL)
		return;
	verifier->guarded = *member;
	verifier->tripwire = tripwire_create(verifier->base, member, count, tripped, verifier);
}

const struct server_fact *verifier_facts(const struct verifier *verifier, size_t *count)
{
	for (size_t i = 0; i < verifier->count; i++)
		verifier->facts[i] = *probe_fact(verifier->probes[i]);
	*count = verifier->count;
	return verifier->facts;
}

void verifier_recall(struct verifier *verifier, const struct verifier *before)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(before, &count);

	free(verifier->recalled);
	verifier->recalled = xcalloc(count, sizeof(*verifier->recalled));
	verifier->recalled_count = count;
	for (size_t i = 0; i < count; i++)
		verifier->recalled[i] = facts[i];
}

struct verifier *verifier_create(struct event_base *base, const struct config_cluster *config,
                                 verifier_cb *cb, void *arg)
{
	struct verifier *verifier = xcalloc(1, sizeof(*verifier));

	verifier->base = base;
	verifier->config = config;
	verifier->changed = timer_new(base, cb, arg);
	return verifier;
}

void verifier_destroy(struct verifier *verifier)
{
	if (verifier == NULL)
		return;
	tripwire_destroy(verifier->tripwire);
	drop_all(verifier->probes, verifier->count);
	timer_free(verifier->changed);
	free(verifier->facts);
	free(verifier->recalled);
	free(verifier);
}
