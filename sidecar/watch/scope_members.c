/* Which members of a Patroni scope are watched. Always holds: at most PATRONI_KEYS_MEMBERS_MAX of
 * them, the leader's among these, and of too many the same ones each time. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "scope_internal.h"

#define NAMES_MAX   ((size_t)1024) /* further ones are only counted */
#define NAMES_SHOWN 8
#define SHOWN_MAX   64 /* bytes of a name in a message */

static int compare_names(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

void patroni_keys_forget_names(struct patroni_keys *scope)
{
	for (size_t i = 0; i < scope->name_count; i++)
		free(scope->names[i]);
	free(scope->names);
	scope->names = NULL;
	scope->name_count = 0;
}

/* In the order of the names; caller frees the list alone. */
static const char **sort_names(char *const *names, size_t count)
{
	const char **sorted = xcalloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = names[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	return sorted;
}

void patroni_keys_append_names(struct strbuf *out, char *const *names, size_t count)
{
	auto_free const char **sorted = sort_names(names, count);

	for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
		strbuf_append_str(out, i > 0 ? ", " : "");
		strbuf_append_escaped(out, sorted[i], strlen(sorted[i]), SHOWN_MAX);
	}
	if (count > NAMES_SHOWN)
		strbuf_printf(out, " and %zu more", count - NAMES_SHOWN);
}

/* Sorted first, so that of too many the same ones are taken each time. */
void patroni_keys_take_names(struct patroni_keys *scope, const struct zk_node_fact *fact)
{
	size_t kept = fact->name_count < NAMES_MAX ? fact->name_count : NAMES_MAX;
	auto_free const char **sorted = sort_names(fact->names, fact->name_count);

	patroni_keys_forget_names(scope);
	scope->names = xcalloc(kept + 1, sizeof(*scope->names));
	for (size_t i = 0; i < kept; i++)
		scope->names[i] = xstrdup(sorted[i]);
	scope->name_count = kept;
	scope->uncounted = fact->name_count - kept;
}

static struct key *open_peer(struct patroni_keys *scope, const char *name)
{
	auto_free char *child = xasprintf("/members/%s", name);
	struct key *peer = xcalloc(1, sizeof(*peer));

	patroni_keys_key_open(peer, scope, child, ZK_WATCH_DATA, patroni_keys_on_key);
	peer->name = xstrdup(name);
	return peer;
}

/* The one of that name, taken out of the list; NULL: there is none. */
static struct key *take_peer(struct key **peers, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (peers[i] != NULL && strcmp(peers[i]->name, name) == 0)
			return STEAL(peers[i]);
	return NULL;
}

bool patroni_keys_is_leader(const struct patroni_keys *scope, const char *name)
{
	const struct key *leader = &scope->leader;

	return leader->has_data && strcmp(leader->data.data, name) == 0;
}

/* Who has place `index`: the first ones by name; the leader the last place, when behind it. */
static const char *name_at(const struct patroni_keys *scope, size_t index)
{
	if (index + 1 == PATRONI_KEYS_MEMBERS_MAX)
		for (size_t i = index; i < scope->name_count; i++)
			if (patroni_keys_is_leader(scope, scope->names[i]))
				return scope->names[i];
	return scope->names[index];
}

/* Watches who is to be watched, keeps who is already, and ends the rest. */
void patroni_keys_follow_members(struct patroni_keys *scope)
{
	struct key *old[PATRONI_KEYS_MEMBERS_MAX];
	size_t old_count = scope->peer_count;

	memcpy(old, scope->peers, sizeof(old));
	scope->peer_count = scope->name_count < PATRONI_KEYS_MEMBERS_MAX ? scope->name_count
	                                                                 : PATRONI_KEYS_MEMBERS_MAX;
	for (size_t i = 0; i < scope->peer_count; i++) {
		const char *name = name_at(scope, i);
		struct key *known = take_peer(old, old_count, name);

		scope->peers[i] = known != NULL ? known : open_peer(scope, name);
	}
	for (size_t i = 0; i < old_count; i++) {
		if (old[i] == NULL)
			continue;
		patroni_keys_key_close(old[i]);
		free(old[i]);
	}
}

void patroni_keys_close_members(struct patroni_keys *scope)
{
	for (size_t i = 0; i < scope->peer_count; i++) {
		patroni_keys_key_close(scope->peers[i]);
		free(scope->peers[i]);
	}
	patroni_keys_forget_names(scope);
}
