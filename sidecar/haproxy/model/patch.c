/* haproxy_config_patch(): one text with the servers of another. Changes only server lines, and in
 * them only what the runtime API could also change. Parses and checks the result before it returns
 * it. */
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "haproxy/model/config.h"
#include "haproxy/model/syntax.h"

struct patch {
	struct haproxy_lines lines;
	const struct haproxy_config *desired;
	const char *copied; /* the text before it has been copied or replaced */
	size_t hint, backend_hint;
	struct strbuf *out;
};

static bool same_place(const struct haproxy_server *a, const struct haproxy_server *b)
{
	return strcmp(a->address, b->address) == 0 && a->port == b->port;
}

static void copy_until(struct patch *patch, const char *until)
{
	strbuf_append(patch->out, patch->copied, (size_t)(until - patch->copied));
	patch->copied = until;
}

/* Returns how many words of the line to keep: without weight and state at its end, which an earlier
 * patch may have added. Otherwise the line would grow with each patch. */
static size_t words_that_stay(const struct haproxy_lines *lines)
{
	size_t count = lines->count;

	while (count > 3) {
		const char *last = haproxy_lines_word(lines, count - 1);

		if (strcmp(last, "disabled") == 0 || strcmp(last, "enabled") == 0)
			count--;
		else if (count > 4 && strcmp(haproxy_lines_word(lines, count - 2), "weight") == 0)
			count -= 2;
		else
			break;
	}
	return count;
}

/* Writes weight and state to the end of the line: in HAProxy, too, the last keyword wins. */
static void write_state(struct patch *patch, unsigned weight, bool disabled)
{
	const struct haproxy_word *word = &patch->lines.words[words_that_stay(&patch->lines) - 1];
	const struct haproxy_word *last = &patch->lines.words[patch->lines.count - 1];

	copy_until(patch, word->raw + word->raw_len);
	strbuf_printf(patch->out, " weight %u %s", weight, disabled ? "disabled" : "enabled");
	patch->copied = last->raw + last->raw_len;
}

static void patch_server(struct patch *patch, const struct haproxy_server *server)
{
	const struct haproxy_config *desired = patch->desired;
	const struct haproxy_server *like = haproxy_config_find(desired, server, &patch->hint);
	const struct haproxy_word *address = &patch->lines.words[2];
	char endpoint[ENDPOINT_MAX];

	if (like == NULL) {
		if (!server->disabled &&
		    haproxy_config_drops(desired, server, &patch->backend_hint))
			write_state(patch, server->weight, true);
		return;
	}
	if (!same_place(server, like)) {
		copy_until(patch, address->raw);
		strbuf_append_str(patch->out, endpoint_format(endpoint, sizeof(endpoint),
		                                              like->address, like->port));
		patch->copied = address->raw + address->raw_len;
	}
	if (server->weight != like->weight || server->disabled != like->disabled)
		write_state(patch, like->weight, like->disabled);
}

/* The check is necessary: a word that words_that_stay() dropped may be the value of the word before
 * it. */
static bool check_result(const struct haproxy_config *before, const struct haproxy_config *desired,
                         const struct strbuf *out, struct err *err)
{
	struct haproxy_config after;
	auto_strbuf struct strbuf why = STRBUF_INIT;
	size_t hint = 0, backend_hint = 0;
	bool same;

	if (!haproxy_config_parse(out->data, out->len, &after, err))
		return false;
	same = after.server_count == before->server_count &&
	       !haproxy_config_needs_reload(before, &after, &why);
	for (size_t i = 0; i < after.server_count && same; i++) {
		const struct haproxy_server *server = &after.servers[i];
		const struct haproxy_server *like = haproxy_config_find(desired, server, &hint);

		if (like != NULL)
			same = same_place(server, like) && server->weight == like->weight &&
			       server->disabled == like->disabled;
		else
			same = server->disabled ||
			       !haproxy_config_drops(desired, server, &backend_hint);
	}
	haproxy_config_free(&after);
	return same ||
	       err_set(err, "a server line cannot be rewritten: %s",
	               why.len > 0 ? why.data : "the result would not have the desired servers");
}

bool haproxy_config_patch(const char *text, size_t len, const struct haproxy_config *desired,
                          struct strbuf *out, struct err *err)
{
	struct patch patch = {.desired = desired, .copied = text, .out = out};
	struct haproxy_config config;
	size_t next = 0;
	bool done;

	if (!haproxy_config_parse(text, len, &config, err))
		return false;
	haproxy_lines_init(&patch.lines, text, len);
	while (haproxy_lines_next(&patch.lines, err))
		if (next < config.server_count && config.servers[next].line == patch.lines.number)
			patch_server(&patch, &config.servers[next++]);
	copy_until(&patch, patch.lines.end);
	done = !patch.lines.failed && check_result(&config, desired, out, err);
	haproxy_lines_fini(&patch.lines);
	haproxy_config_free(&config);
	return done;
}
