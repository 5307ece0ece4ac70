/* Builds the topology that is written from the servers of a decider, in a form that two publishers
 * agree on and that small changes leave as it is. Pure. Always: members in a fixed order, lags in
 * buckets. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide_internal.h"

#define LAG_BUCKET_MIN ((int64_t)1 << 20) /* smaller lags become 0 */
#define SECONDS_LEN    19                 /* "2026-11-23T11:07:25" */

/* Returns the next digit of a fraction, which may have any number of them; "0" after its end. */
static char digit_at(const char **at)
{
	return isdigit((unsigned char)**at) ? *(*at)++ : '0';
}

int promotion_time_compare(const char *a, const char *b)
{
	int order = strncmp(a, b, SECONDS_LEN);

	if (order != 0 || a[0] == '\0')
		return order;
	a += SECONDS_LEN + (a[SECONDS_LEN] == '.');
	b += SECONDS_LEN + (b[SECONDS_LEN] == '.');
	while (order == 0 && (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)))
		order = digit_at(&a) - digit_at(&b);
	return order;
}

bool decider_counts(const struct decider_node *node)
{
	return node->answers && node->now.role != NODE_WITNESS;
}

bool decider_stranger(const struct decider_node *node, const struct stored_value *store)
{
	const char *known = decider_stored(store)->system_identifier;

	return decider_counts(node) && known[0] != '\0' && node->now.system_identifier[0] != '\0' &&
	       strcmp(known, node->now.system_identifier) != 0;
}

bool decider_is_member(const struct decider_node *node, const struct member *member)
{
	if (node->now.name[0] != '\0' && member->name[0] != '\0')
		return strcmp(node->now.name, member->name) == 0;
	return node->now.port == member->port && strcmp(node->now.host, member->host) == 0;
}

const struct topology *decider_stored(const struct stored_value *store)
{
	static const struct topology none;

	return store->state == STORED_VALUE ? store->topology : &none;
}

const char *decider_event_of(const struct decider *decider, const struct decider_node *node)
{
	const char *latest = "";

	for (size_t i = 0; i < decider->count; i++) {
		const struct node_state *by = &decider->nodes[i].now;

		if (decider->nodes[i].answers && node->now.name[0] != '\0' &&
		    strcmp(by->promoted_name, node->now.name) == 0 &&
		    promotion_time_compare(by->promoted_at, latest) > 0)
			latest = by->promoted_at;
	}
	return latest;
}

/* -- standbys -- */

/* Rounds a lag down to 0, 1 MB, 4 MB, 16 MB, .... The store's bucket stays as long as the lag is
 * within twice its bounds. Otherwise a lag near a bound would change the znode, and wake every
 * sidecar, again and again. */
static int64_t lag_bucket(int64_t behind, int64_t stored)
{
	int64_t bucket = 0;

	if (behind < 0 || (stored == 0 && behind < 2 * LAG_BUCKET_MIN) ||
	    (stored > 0 && behind >= stored / 2 && behind / 8 < stored))
		return stored;
	if (behind >= LAG_BUCKET_MIN)
		for (bucket = LAG_BUCKET_MIN; behind / 4 >= bucket;)
			bucket *= 4;
	return bucket;
}

const struct member *decider_listed(const struct decider_node *node,
                                    const struct topology *topology)
{
	for (size_t i = 0; i < topology->standby_count; i++)
		if (decider_is_member(node, &topology->standbys[i]))
			return &topology->standbys[i];
	return NULL;
}

/* A standby that does not answer stays for drop_after rounds if the store has it, and without limit
 * if this publisher dropped it and another one put it back. */
static bool is_standby(const struct decider *decider, const struct stored_value *store,
                       const struct decider_node *node)
{
	if (node->now.role == NODE_WITNESS || decider_stranger(node, store))
		return false;
	if (node->answers)
		return node->now.in_recovery;
	return decider_listed(node, decider_stored(store)) != NULL &&
	       (node->dropped || node->unanswered < decider->rules.drop_after);
}

static void fill_member(struct member *member, const struct decider_node *node)
{
	snprintf(member->name, sizeof(member->name), "%s", node->now.name);
	snprintf(member->host, sizeof(member->host), "%s", node->now.host);
	member->port = node->now.port;
}

static int by_order(const void *a, const void *b)
{
	return topology_compare(a, b);
}

static void add_standbys(const struct decider *decider, const struct stored_value *store,
                         const struct decider_node *primary, struct topology *out)
{
	for (size_t i = 0; i < decider->count; i++) {
		const struct decider_node *node = &decider->nodes[i];
		const struct member *stored = decider_listed(node, decider_stored(store));
		struct member *member;

		if (node == primary || !is_standby(decider, store, node))
			continue;
		member = topology_add_standby(out);
		if (member == NULL)
			break;
		fill_member(member, node);
		member->lag_bytes =
		    lag_bucket(node->behind, stored != NULL ? stored->lag_bytes : -1);
	}
	if (out->standby_count > 1)
		qsort(out->standbys, out->standby_count, sizeof(*out->standbys), by_order);
}

/* That of the store, or else of any server that answers: they are all the same at this point. */
static const char *system_identifier_of(const struct decider *decider,
                                        const struct stored_value *store)
{
	if (decider_stored(store)->system_identifier[0] != '\0')
		return decider_stored(store)->system_identifier;
	for (size_t i = 0; i < decider->count; i++)
		if (decider_counts(&decider->nodes[i]) &&
		    decider->nodes[i].now.system_identifier[0] != '\0')
			return decider->nodes[i].now.system_identifier;
	return "";
}

void decider_topology(const struct decider *decider, const struct stored_value *store,
                      const struct decider_node *primary, struct topology *out)
{
	topology_init(out);
	out->has_primary = primary != NULL;
	if (primary != NULL)
		fill_member(&out->primary, primary);
	add_standbys(decider, store, primary, out);
	snprintf(out->system_identifier, sizeof(out->system_identifier), "%s",
	         system_identifier_of(decider, store));
	snprintf(out->publisher, sizeof(out->publisher), "%s", decider->rules.publisher);
	out->set_by = decider->mark;
}

static bool same_member(const struct member *a, const struct member *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0 && strcmp(a->host, b->host) == 0;
}

/* Ignores who wrote it, and the addresses, which a reader fills in. */
bool decider_same_topology(const struct topology *a, const struct topology *b)
{
	if (a->has_primary != b->has_primary || a->standby_count != b->standby_count ||
	    a->timeline != b->timeline || strcmp(a->promoted_at, b->promoted_at) != 0 ||
	    strcmp(a->system_identifier, b->system_identifier) != 0)
		return false;
	if (a->has_primary && !same_member(&a->primary, &b->primary))
		return false;
	for (size_t i = 0; i < a->standby_count; i++)
		if (!same_member(&a->standbys[i], &b->standbys[i]) ||
		    a->standbys[i].lag_bytes != b->standbys[i].lag_bytes)
			return false;
	return true;
}
