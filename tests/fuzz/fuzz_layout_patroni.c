/* Any bytes as Patroni's keys: cut at 0xff into leader, initialize, config, then name and value of
 * each member. What is accepted has to be safe to hand to resolvers, proxies, templates and the
 * state file. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

#define CHECK(condition)                  \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

#define CUT         0xff /* in no UTF-8 */
#define MEMBERS_MAX 80
#define NOTES_MAX   20000 /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *data;
	size_t len;
};

/* The bytes up to the next cut; absent when there is none before the end. */
static struct layout_patroni_key take(struct input *input)
{
	const char *cut = input->len > 0 ? memchr(input->data, CUT, input->len) : NULL;
	size_t len = cut != NULL ? (size_t)(cut - input->data) : 0;
	struct layout_patroni_key key = {.present = cut != NULL, .data = input->data, .len = len};

	if (cut == NULL)
		return (struct layout_patroni_key){.present = false};
	input->data += len + 1;
	input->len -= len + 1;
	return key;
}

static size_t take_members(struct input *input, struct layout_patroni_key *members)
{
	size_t count = 0;

	while (count < MEMBERS_MAX) {
		struct layout_patroni_key name = take(input), value = take(input);

		if (!value.present)
			break;
		value.name = xstrndup(name.data, name.len);
		members[count++] = value;
	}
	return count;
}

/* What the view and the state file read again. */
static void check_tags(const struct member *member)
{
	const char *text = topology_tags(member);
	json_t *tags = json_loads(text, 0, NULL);

	CHECK(*text == '\0' || json_object_size(tags) > 0);
	json_decref(tags);
}

static void check_member(const struct member *member)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	CHECK(layout_member_problem(member->name) == NULL);
	CHECK(layout_host_problem(member->host) == NULL);
	CHECK(member->port >= 1 && member->lag_bytes >= -1);
	if (layout_host_numeric(member->host, address))
		CHECK(strcmp(member->address, address) == 0);
	else
		CHECK(member->address[0] == '\0');
	check_tags(member);
}

static void check_notes(const struct strbuf *notes)
{
	CHECK(notes->len < NOTES_MAX);
	for (size_t i = 0; i < notes->len; i++)
		CHECK(notes->data[i] >= 0x20 && notes->data[i] < 0x7f);
}

/* As the state file keeps it. */
static void check_stored(const struct topology *topology)
{
	const struct config_cluster cluster = {.layout = CONFIG_LAYOUT_PATRONI};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct topology again;
	struct err err;

	layout_segue_encode(topology, &text);
	CHECK(layout_segue_decode(&cluster, text.data, text.len, &again, &err));
	CHECK(again.standby_count == topology->standby_count);
	CHECK(again.has_primary == topology->has_primary);
	topology_fini(&again);
}

static void check_topology(const struct topology *topology)
{
	if (topology->has_primary)
		check_member(&topology->primary);
	CHECK(topology->standby_count <= TOPOLOGY_STANDBYS_MAX);
	for (size_t i = 0; i < topology->standby_count; i++)
		check_member(&topology->standbys[i]);
	CHECK(topology->timeline >= 0 && topology->timeline <= UINT32_MAX);
	check_stored(topology);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct input input = {.data = (const char *)data, .len = size};
	struct layout_patroni_key members[MEMBERS_MAX];
	struct layout_patroni keys = {.members = members};
	struct topology topology;
	struct err err = {0};

	keys.leader = take(&input);
	keys.initialize = take(&input);
	keys.config = take(&input);
	keys.member_count = take_members(&input, members);
	if (layout_patroni_decode(&keys, &topology, &notes, &err)) {
		check_topology(&topology);
		topology_fini(&topology);
	} else {
		CHECK(err.message[0] != '\0');
		for (const char *c = err.message; *c != '\0'; c++)
			CHECK(*c >= 0x20 && *c < 0x7f);
	}
	check_notes(&notes.left_out);
	check_notes(&notes.no_reads);
	for (size_t i = 0; i < keys.member_count; i++)
		free((char *)members[i].name);
	return 0;
}
