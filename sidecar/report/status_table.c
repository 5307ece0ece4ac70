/* Output of segue status for people: a first line about the sidecar, then one block per cluster:
 * what it does and why, what the operator has set, and the servers and targets as columns. */
#include "report/status_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/strbuf.h"
#include "table_internal.h"

#define NOTHING "-"

/* A field of an object: a column of a table, or a part of a line with its title before it. */
struct field {
	const char *title;
	void (*append)(const json_t *object, const char *key, struct strbuf *out);
	const char *key;
};

/* Control characters become "?", also those of C1, which have two bytes in UTF-8. */
static void append_clean(struct strbuf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];

		if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			text++;
		strbuf_append_char(
		    out, c < ' ' || c == 0x7f || (c == 0xc2 && next < 0xa0) ? '?' : (char)c);
	}
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void append_string(const json_t *object, const char *key, struct strbuf *out)
{
	append_clean(out, string_of(object, key));
}

static void append_integer(const json_t *object, const char *key, struct strbuf *out)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_null(value))
		strbuf_append_str(out, NOTHING);
}

static void append_seconds(const json_t *object, const char *key, struct strbuf *out)
{
	const json_t *ms = json_object_get(object, key);

	if (json_is_number(ms))
		strbuf_printf(out, "%.1f s", json_number_value(ms) / 1000);
}

static void append_left(const json_t *object, const char *key, struct strbuf *out)
{
	append_seconds(object, key, out);
	strbuf_append_str(out, out->len > 0 ? " left" : "");
}

/* Prints nothing if there are no rows. */
static void print_table(const struct page *page, const struct field *fields, size_t count,
                        enum mood (*mood)(const json_t *row), const json_t *rows)
{
	struct table table = {.columns = count};
	auto_strbuf struct strbuf cell = STRBUF_INIT;
	const json_t *row;
	size_t index;

	if (json_array_size(rows) == 0)
		return;
	for (size_t i = 0; i < count; i++)
		table_add(&table, MOOD_PLAIN, fields[i].title);
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; i < count; i++) {
			strbuf_reset(&cell);
			fields[i].append(row, fields[i].key, &cell);
			table_add(&table, mood(row), cell.data);
		}
	}
	fputc('\n', page->out);
	table_print(&table, "  ", page);
}

static void append_yes_no(const json_t *row, const char *key, struct strbuf *out)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_boolean(value))
		strbuf_append_str(out, json_is_true(value) ? "yes" : "no");
}

/* "10.0.0.1:5432" or "[::1]:5432". */
static void append_server(const json_t *row, const char *key, struct strbuf *out)
{
	const char *address = string_of(row, key);
	json_int_t port = json_integer_value(json_object_get(row, "port"));
	char endpoint[ENDPOINT_MAX];

	if (*address != '\0')
		append_clean(out,
		             endpoint_format(endpoint, sizeof(endpoint), address, (uint16_t)port));
}

static void append_why(const json_t *row, const char *key, struct strbuf *out)
{
	append_string(row, *string_of(row, key) != '\0' ? key : "problem", out);
}

static void append_target(const json_t *row, const char *key, struct strbuf *out)
{
	append_string(row, "kind", out);
	strbuf_append_char(out, '/');
	append_string(row, key, out);
}

static void append_last_move(const json_t *row, const char *key, struct strbuf *out)
{
	const json_t *last = json_array_get(json_object_get(row, key), 0);
	const json_t *total = json_object_get(last, "total_ms");

	if (json_is_number(total))
		strbuf_printf(out, "%.1f ms", json_number_value(total));
}

static enum mood server_mood(const json_t *row)
{
	return json_is_false(json_object_get(row, "admitted")) ? MOOD_WATCH : MOOD_PLAIN;
}

static enum mood target_mood(const json_t *row)
{
	if (*string_of(row, "problem") != '\0')
		return MOOD_BAD;
	return json_is_true(json_object_get(row, "in_sync")) ? MOOD_PLAIN : MOOD_WATCH;
}

static void print_tables(const struct page *page, const json_t *cluster)
{
	static const struct field servers[] = {
	    {"SERVER", append_server, "address"},     {"NAME", append_string, "name"},
	    {"ROLE", append_string, "role"},          {"ANSWERS", append_string, "class"},
	    {"TIMELINE", append_integer, "timeline"}, {"LAG BYTES", append_integer, "lag_bytes"},
	    {"ADMITTED", append_yes_no, "admitted"},  {"WHY", append_why, "why"}};
	static const struct field targets[] = {
	    {"TARGET", append_target, "name"},        {"IN SYNC", append_yes_no, "in_sync"},
	    {"STEP", append_string, "step"},          {"ZXID", append_integer, "zxid"},
	    {"LAST MOVE", append_last_move, "moves"}, {"PROBLEM", append_string, "problem"}};

	print_table(page, servers, ARRAY_LEN(servers), server_mood,
	            json_object_get(cluster, "servers"));
	print_table(page, targets, ARRAY_LEN(targets), target_mood,
	            json_object_get(cluster, "targets"));
}

static enum mood state_mood(const char *state)
{
	static const char *const bad[] = {"refused", "fenced", "lost", "overruled"};

	if (strcmp(state, "current") == 0)
		return MOOD_GOOD;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (strcmp(state, bad[i]) == 0)
			return MOOD_BAD;
	return MOOD_WATCH;
}

/* Appends those that are known, with commas between them. */
static void append_fields(const struct field *fields, size_t count, const json_t *object,
                          struct strbuf *out)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		strbuf_reset(&text);
		fields[i].append(object, fields[i].key, &text);
		if (text.len > 0)
			strbuf_printf(out, "%s%s%s", out->len > 0 ? ", " : "", fields[i].title,
			              text.data);
	}
}

/* Prints nothing if none of them is known. */
static void print_fields(const struct page *page, enum mood mood, const char *label,
                         const struct field *fields, size_t count, const json_t *object)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_fields(fields, count, object, &line);
	if (line.len == 0)
		return;
	fprintf(page->out, "  %-9s ", label);
	page_print_line(page, mood, line.data);
}

static void print_headlines(const struct page *page, const json_t *cluster)
{
	enum mood mood = strcmp(string_of(cluster, "level"), "bad") == 0 ? MOOD_BAD : MOOD_WATCH;
	const json_t *one;
	size_t index;

	json_array_foreach(json_object_get(cluster, "headlines"), index, one)
	{
		auto_strbuf struct strbuf line = STRBUF_INIT;
		const char *text = json_string_value(one);

		append_clean(&line, text != NULL ? text : "");
		fputs("  ", page->out);
		page_print_line(page, mood, line.data);
	}
}

static void print_lines(const struct page *page, const json_t *cluster)
{
	static const struct field hold_fields[] = {{"requested by the ", append_string, "by"},
	                                           {"since ", append_string, "since"},
	                                           {"", append_left, "left_ms"}};
	static const struct field timeout[] = {{"", append_seconds, "ms"},
	                                       {"by ", append_string, "from"}};
	static const struct field reason = {"", append_string, "reason"};
	static const struct field applied[] = {{"", append_string, "primary"},
	                                       {"name ", append_string, "name"},
	                                       {"timeline ", append_integer, "timeline"},
	                                       {"since ", append_string, "since"},
	                                       {"zxid ", append_integer, "zxid"}};
	static const struct field store_fields[] = {{"", append_string, "state"},
	                                            {"primary ", append_string, "primary"},
	                                            {"zxid ", append_integer, "zxid"},
	                                            {"", append_string, "problem"}};
	const json_t *hold = json_object_get(cluster, "hold");
	const json_t *store = json_object_get(cluster, "store");

	print_fields(page, MOOD_WATCH,
	             strcmp(string_of(hold, "policy"), "fence") == 0 ? "fence" : "hold",
	             hold_fields, ARRAY_LEN(hold_fields), hold);
	print_fields(page, MOOD_PLAIN, "may hold", timeout, ARRAY_LEN(timeout),
	             json_object_get(cluster, "hold_timeout"));
	print_fields(page, MOOD_PLAIN, "reason", &reason, 1, cluster);
	print_fields(page, MOOD_PLAIN, "primary", applied, ARRAY_LEN(applied),
	             json_object_get(cluster, "applied"));
	print_fields(page, *string_of(store, "problem") != '\0' ? MOOD_WATCH : MOOD_PLAIN, "store",
	             store_fields, ARRAY_LEN(store_fields), store);
}

static void print_cluster(const struct page *page, const json_t *cluster)
{
	auto_strbuf struct strbuf name = STRBUF_INIT, state = STRBUF_INIT;

	append_string(cluster, "name", &name);
	append_string(cluster, "state", &state);
	fprintf(page->out, "\ncluster %s: ", name.len > 0 ? name.data : NOTHING);
	page_print_line(page, state_mood(state.data), state.len > 0 ? state.data : NOTHING);
	print_headlines(page, cluster);
	print_lines(page, cluster);
	print_tables(page, cluster);
}

static void print_head(const struct page *page, const json_t *document)
{
	static const struct field head[] = {{"segue ", append_string, "segue"},
	                                    {"name ", append_string, "name"},
	                                    {"pid ", append_integer, "pid"},
	                                    {"since ", append_string, "started"}};
	const json_t *store = json_object_get(document, "store");
	const json_t *connected = json_object_get(store, "connected");
	auto_strbuf struct strbuf line = STRBUF_INIT, description = STRBUF_INIT;
	auto_strbuf struct strbuf refused = STRBUF_INIT;

	append_fields(head, ARRAY_LEN(head), document, &line);
	fprintf(page->out, "%s\nstore: ", line.data);
	if (json_is_boolean(connected))
		page_print(page, json_is_true(connected) ? MOOD_GOOD : MOOD_BAD,
		           json_is_true(connected) ? "connected" : "not connected");
	else
		fputs(NOTHING, page->out);
	append_string(store, "description", &description);
	if (json_is_true(connected) && strncmp(description.data, "connected ", 10) == 0)
		fprintf(page->out, " %s\n", description.data + 10);
	else
		fprintf(page->out, "%s%s\n", description.len > 0 ? ", " : "", description.data);
	append_string(document, "config_refused", &refused);
	if (refused.len > 0)
		page_print_line(page, MOOD_BAD, refused.data);
}

bool status_table_print(const json_t *document, const char *cluster, bool colour, FILE *out)
{
	const struct page page = {.out = out, .colour = colour};
	const json_t *clusters = json_object_get(document, "clusters"), *one;
	bool found = cluster == NULL;
	size_t index;

	print_head(&page, document);
	json_array_foreach(clusters, index,
	                   one) if (cluster == NULL || strcmp(string_of(one, "name"), cluster) == 0)
	{
		print_cluster(&page, one);
		found = true;
	}
	return found;
}
