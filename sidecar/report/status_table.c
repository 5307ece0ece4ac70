/* Output of segue status for people: a first line about the sidecar, then one block per cluster:
 * what it does and why, what the operator has set, and the servers and targets as columns. */
#include "report/status_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/strbuf.h"

#define COLUMNS_MAX 8
#define NOTHING     "-"

enum mood { MOOD_PLAIN, MOOD_GOOD, MOOD_WATCH, MOOD_BAD };

struct column {
	const char *title;
	void (*fill)(const json_t *row, const char *key, struct strbuf *out);
	const char *key;
};

struct grid {
	const struct column *columns;
	size_t column_count;
	enum mood (*mood)(const json_t *row);
};

struct page {
	FILE *out;
	bool colour;
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
}

/* "10.0.0.1:5432" or "[::1]:5432". */
static void append_address(struct strbuf *out, const json_t *object)
{
	const char *address = string_of(object, "address");
	json_int_t port = json_integer_value(json_object_get(object, "port"));
	char endpoint[ENDPOINT_MAX];

	if (*address != '\0')
		strbuf_append_str(
		    out, endpoint_format(endpoint, sizeof(endpoint), address, (uint16_t)port));
}

static void print_coloured(const struct page *page, enum mood mood, const char *text)
{
	static const char *const codes[] = {
	    [MOOD_GOOD] = "32", [MOOD_WATCH] = "33", [MOOD_BAD] = "1;31"};

	if (page->colour && mood != MOOD_PLAIN)
		fprintf(page->out, "\033[%sm%s\033[0m", codes[mood], text);
	else
		fputs(text, page->out);
}

/* Counts the bytes that begin a character; a wide character may shift a column by one. */
static size_t width(const struct strbuf *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->len; i++)
		count += ((unsigned char)text->data[i] & 0xc0) != 0x80;
	return count;
}

static void fill_cell(const struct column *column, const json_t *row, struct strbuf *out)
{
	strbuf_reset(out);
	column->fill(row, column->key, out);
	if (out->len == 0)
		strbuf_append_str(out, NOTHING);
}

static void measure(const struct grid *grid, const json_t *rows, size_t *widths)
{
	auto_strbuf struct strbuf cell = STRBUF_INIT;
	const json_t *row;
	size_t index;

	for (size_t i = 0; i < grid->column_count; i++) {
		widths[i] = strlen(grid->columns[i].title);
		json_array_foreach(rows, index, row)
		{
			fill_cell(&grid->columns[i], row, &cell);
			if (width(&cell) > widths[i])
				widths[i] = width(&cell);
		}
	}
}

static void append_cell(struct strbuf *line, const struct strbuf *cell, size_t columns, bool last)
{
	strbuf_append(line, cell->data, cell->len);
	for (size_t i = width(cell); i < columns + 2 && !last; i++)
		strbuf_append_char(line, ' ');
}

/* `row` NULL: prints the titles. */
static void print_row(const struct page *page, const struct grid *grid, const json_t *row,
                      const size_t *widths)
{
	auto_strbuf struct strbuf line = STRBUF_INIT, cell = STRBUF_INIT;

	for (size_t i = 0; i < grid->column_count; i++) {
		if (row != NULL) {
			fill_cell(&grid->columns[i], row, &cell);
		} else {
			strbuf_reset(&cell);
			strbuf_append_str(&cell, grid->columns[i].title);
		}
		append_cell(&line, &cell, widths[i], i + 1 == grid->column_count);
	}
	fputs("  ", page->out);
	print_coloured(page, row != NULL ? grid->mood(row) : MOOD_PLAIN, line.data);
	fputc('\n', page->out);
}

static void print_grid(const struct page *page, const struct grid *grid, const json_t *rows)
{
	size_t widths[COLUMNS_MAX], index;
	const json_t *row;

	if (json_array_size(rows) == 0)
		return;
	measure(grid, rows, widths);
	fputc('\n', page->out);
	print_row(page, grid, NULL, widths);
	json_array_foreach(rows, index, row) print_row(page, grid, row, widths);
}

static void fill_yes_no(const json_t *row, const char *key, struct strbuf *out)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_boolean(value))
		strbuf_append_str(out, json_is_true(value) ? "yes" : "no");
}

static void fill_server(const json_t *row, const char *key, struct strbuf *out)
{
	(void)key;
	append_address(out, row);
}

static void fill_why(const json_t *row, const char *key, struct strbuf *out)
{
	append_string(row, *string_of(row, key) != '\0' ? key : "problem", out);
}

static void fill_target(const json_t *row, const char *key, struct strbuf *out)
{
	append_string(row, "kind", out);
	strbuf_append_char(out, '/');
	append_string(row, key, out);
}

static void fill_last_move(const json_t *row, const char *key, struct strbuf *out)
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

static void print_grids(const struct page *page, const json_t *cluster)
{
	static const struct column servers[] = {
	    {"SERVER", fill_server, "address"},       {"NAME", append_string, "name"},
	    {"ROLE", append_string, "role"},          {"ANSWERS", append_string, "class"},
	    {"TIMELINE", append_integer, "timeline"}, {"LAG BYTES", append_integer, "lag_bytes"},
	    {"ADMITTED", fill_yes_no, "admitted"},    {"WHY", fill_why, "why"}};
	static const struct column targets[] = {
	    {"TARGET", fill_target, "name"},        {"IN SYNC", fill_yes_no, "in_sync"},
	    {"STEP", append_string, "step"},        {"ZXID", append_integer, "zxid"},
	    {"LAST MOVE", fill_last_move, "moves"}, {"PROBLEM", append_string, "problem"}};
	static const struct grid server_grid = {servers, ARRAY_LEN(servers), server_mood};
	static const struct grid target_grid = {targets, ARRAY_LEN(targets), target_mood};

	_Static_assert(ARRAY_LEN(servers) <= COLUMNS_MAX, "print_grid() has room for it");
	print_grid(page, &server_grid, json_object_get(cluster, "servers"));
	print_grid(page, &target_grid, json_object_get(cluster, "targets"));
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

/* Prints nothing if there is no text. */
static void print_line(const struct page *page, enum mood mood, const char *label,
                       const struct strbuf *text)
{
	if (text->len == 0)
		return;
	fprintf(page->out, "  %-9s ", label);
	print_coloured(page, mood, text->data);
	fputc('\n', page->out);
}

static void append_labelled(struct strbuf *out, const char *label, const struct strbuf *text)
{
	if (text->len > 0)
		strbuf_printf(out, "%s%s%s", out->len > 0 ? ", " : "", label, text->data);
}

static void append_labelled_string(struct strbuf *out, const char *label, const json_t *object,
                                   const char *key)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	append_string(object, key, &text);
	append_labelled(out, label, &text);
}

static void append_labelled_integer(struct strbuf *out, const char *label, const json_t *object,
                                    const char *key)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	append_integer(object, key, &text);
	if (json_is_null(json_object_get(object, key)))
		strbuf_append_str(&text, NOTHING);
	append_labelled(out, label, &text);
}

static void print_applied(const struct page *page, const json_t *applied)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_labelled_string(&line, "", applied, "primary");
	append_labelled_string(&line, "name ", applied, "name");
	append_labelled_integer(&line, "timeline ", applied, "timeline");
	append_labelled_string(&line, "since ", applied, "since");
	append_labelled_integer(&line, "zxid ", applied, "zxid");
	print_line(page, MOOD_PLAIN, "primary", &line);
}

static void print_store(const struct page *page, const json_t *store)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_labelled_string(&line, "", store, "state");
	append_labelled_string(&line, "primary ", store, "primary");
	append_labelled_integer(&line, "zxid ", store, "zxid");
	append_labelled_string(&line, "", store, "problem");
	print_line(page, *string_of(store, "problem") != '\0' ? MOOD_WATCH : MOOD_PLAIN, "store",
	           &line);
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
		print_coloured(page, mood, line.data);
		fputc('\n', page->out);
	}
}

static void print_hold(const struct page *page, const json_t *hold)
{
	const json_t *left = json_object_get(hold, "left_ms");
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_labelled_string(&line, "on the word of the ", hold, "by");
	append_labelled_string(&line, "since ", hold, "since");
	if (json_is_integer(left))
		strbuf_printf(&line, ", %.1f s left", json_number_value(left) / 1000);
	print_line(page, MOOD_WATCH,
	           strcmp(string_of(hold, "policy"), "fence") == 0 ? "fence" : "hold", &line);
}

static void print_text(const struct page *page, enum mood mood, const char *label,
                       const json_t *object, const char *key)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	append_string(object, key, &line);
	print_line(page, mood, label, &line);
}

static void print_hold_timeout(const struct page *page, const json_t *timeout)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	if (!json_is_object(timeout))
		return;
	strbuf_printf(&line, "%.1f s, by ",
	              json_number_value(json_object_get(timeout, "ms")) / 1000);
	append_string(timeout, "from", &line);
	print_line(page, MOOD_PLAIN, "may hold", &line);
}

static void print_cluster(const struct page *page, const json_t *cluster)
{
	auto_strbuf struct strbuf name = STRBUF_INIT, state = STRBUF_INIT;

	append_string(cluster, "name", &name);
	append_string(cluster, "state", &state);
	fprintf(page->out, "\ncluster %s: ", name.len > 0 ? name.data : NOTHING);
	print_coloured(page, state_mood(state.data), state.len > 0 ? state.data : NOTHING);
	fputc('\n', page->out);
	print_headlines(page, cluster);
	print_hold(page, json_object_get(cluster, "hold"));
	print_hold_timeout(page, json_object_get(cluster, "hold_timeout"));
	print_text(page, MOOD_PLAIN, "reason", cluster, "reason");
	print_applied(page, json_object_get(cluster, "applied"));
	print_store(page, json_object_get(cluster, "store"));
	print_grids(page, cluster);
}

static void print_head(const struct page *page, const json_t *document)
{
	const json_t *store = json_object_get(document, "store");
	const json_t *connected = json_object_get(store, "connected");
	auto_strbuf struct strbuf line = STRBUF_INIT, description = STRBUF_INIT;
	auto_strbuf struct strbuf refused = STRBUF_INIT;

	append_labelled_string(&line, "segue ", document, "segue");
	append_labelled_string(&line, "name ", document, "name");
	append_labelled_integer(&line, "pid ", document, "pid");
	append_labelled_string(&line, "since ", document, "started");
	fprintf(page->out, "%s\nstore: ", line.data);
	if (json_is_boolean(connected))
		print_coloured(page, json_is_true(connected) ? MOOD_GOOD : MOOD_BAD,
		               json_is_true(connected) ? "connected" : "not connected");
	else
		fputs(NOTHING, page->out);
	append_string(store, "description", &description);
	if (json_is_true(connected) && strncmp(description.data, "connected ", 10) == 0)
		fprintf(page->out, " %s\n", description.data + 10);
	else
		fprintf(page->out, "%s%s\n", description.len > 0 ? ", " : "", description.data);
	append_string(document, "config_refused", &refused);
	if (refused.len > 0) {
		print_coloured(page, MOOD_BAD, refused.data);
		fputc('\n', page->out);
	}
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
