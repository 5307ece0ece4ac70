/* Output of segue fleet for people: a first line with what the store says, one line per sidecar,
 * and below it what is wrong with a sidecar. Host and version are shown only if they distinguish
 * sidecars, so that everything fits into 80 columns. */
#include <inttypes.h>
#include <string.h>

#include "report/fleet.h"

#define CELL_MAX 64
#define MINUTE   INT64_C(60) /* seconds */
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)

struct row {
	const struct fleet_view *view;
	const struct fleet_entry *entry;
	const struct fleet_note *note; /* never NULL: an empty one if it cannot be read */
};

static void fill_name(const struct row *row, char out[CELL_MAX])
{
	fleet_copy(out, CELL_MAX, row->entry->name);
}

static void fill_host(const struct row *row, char out[CELL_MAX])
{
	fleet_copy(out, CELL_MAX, row->note->host);
}

static void fill_version(const struct row *row, char out[CELL_MAX])
{
	fleet_copy(out, CELL_MAX, row->note->segue);
}

static void fill_state(const struct row *row, char out[CELL_MAX])
{
	fleet_copy(out, CELL_MAX, row->note->state);
}

static void fill_primary(const struct row *row, char out[CELL_MAX])
{
	fleet_copy(out, CELL_MAX, row->note->primary);
}

static void fill_zxid(const struct row *row, char out[CELL_MAX])
{
	if (row->note->zxid > 0)
		snprintf(out, CELL_MAX, "%" PRId64, row->note->zxid);
}

/* Time since the confirmation. It compares the clocks of two hosts. */
static void fill_age(const struct row *row, char out[CELL_MAX])
{
	struct tm tm = {.tm_year = 0};
	int64_t age;

	if (strptime(row->note->at, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return;
	age = (int64_t)row->view->now - (int64_t)timegm(&tm);
	if (age < 2 * MINUTE)
		snprintf(out, CELL_MAX, "%" PRId64 "s", age > 0 ? age : 0);
	else if (age < 2 * HOUR)
		snprintf(out, CELL_MAX, "%" PRId64 "m", age / MINUTE);
	else if (age < 2 * DAY)
		snprintf(out, CELL_MAX, "%" PRId64 "h", age / HOUR);
	else
		snprintf(out, CELL_MAX, "%" PRId64 "d", age / DAY);
}

static void fill_sync(const struct row *row, char out[CELL_MAX])
{
	if (row->entry->note != NULL)
		snprintf(out, CELL_MAX, "%zu/%zu", fleet_in_sync(row->note),
		         row->note->target_total);
}

static void fill_old(const struct row *row, char out[CELL_MAX])
{
	int64_t old = fleet_old_sessions(row->note);

	if (old >= 0)
		snprintf(out, CELL_MAX, "%" PRId64, old);
}

static void fill_mark(const struct row *row, char out[CELL_MAX])
{
	enum fleet_mark mark = fleet_judge(row->view, row->entry);

	snprintf(out, CELL_MAX, "%s", fleet_mark_name(mark));
	for (char *c = out; mark != FLEET_OK && *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
}

static const struct column {
	const char *title;
	void (*fill)(const struct row *row, char out[CELL_MAX]);
	bool only_different; /* shown only if the rows differ in it, or (HOST) name and host */
} columns[] = {{"SIDECAR", fill_name, false},    {"HOST", fill_host, true},
               {"VERSION", fill_version, true},  {"STATE", fill_state, false},
               {"PRIMARY", fill_primary, false}, {"ZXID", fill_zxid, false},
               {"AGE", fill_age, false},         {"SYNC", fill_sync, false},
               {"OLD", fill_old, false},         {"", fill_mark, false}};

static const struct fleet_note nothing;

static struct row row_at(const struct fleet_view *view, size_t i)
{
	const struct fleet_entry *entry = &view->entries[i];

	return (struct row){
	    .view = view, .entry = entry, .note = entry->note != NULL ? entry->note : &nothing};
}

static void fill(const struct column *column, const struct row *row, char out[CELL_MAX])
{
	out[0] = '\0';
	column->fill(row, out);
	if (out[0] == '\0')
		snprintf(out, CELL_MAX, "-");
}

/* The host is shown if it is not the name, the version if there are two. */
static bool is_shown(const struct fleet_view *view, const struct column *column)
{
	char first[CELL_MAX] = "", cell[CELL_MAX];

	if (!column->only_different)
		return true;
	for (size_t i = 0; i < view->count; i++) {
		const struct row row = row_at(view, i);

		if (row.entry->note == NULL)
			continue;
		fill(column, &row, cell);
		if (column->fill == fill_host)
			fleet_copy(first, sizeof(first), row.entry->name);
		else if (first[0] == '\0')
			memcpy(first, cell, sizeof(first));
		if (strcmp(first, cell) != 0)
			return true;
	}
	return false;
}

/* 0: not shown. */
static int width_of(const struct fleet_view *view, const struct column *column)
{
	size_t width = strlen(column->title);
	char cell[CELL_MAX];

	if (!is_shown(view, column))
		return 0;
	for (size_t i = 0; i < view->count; i++) {
		const struct row row = row_at(view, i);

		fill(column, &row, cell);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

static const char *colour_of(enum fleet_mark mark)
{
	switch (mark) {
	case FLEET_OK:
		return "";
	case FLEET_UNREADABLE:
	case FLEET_ELSEWHERE:
		return "1;31";
	case FLEET_BEHIND:
	case FLEET_OUT_OF_SYNC:
	case FLEET_UNKNOWN:
		return "33";
	}
	return "";
}

static void print_coloured(FILE *out, const char *colour, const char *text)
{
	if (*colour != '\0')
		fprintf(out, "\033[%sm%s\033[0m\n", colour, text);
	else
		fprintf(out, "%s\n", text);
}

/* `row` NULL: prints the titles. */
static void print_row(const int *widths, const struct row *row, const char *colour, FILE *out)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	char cell[CELL_MAX];

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (widths[i] == 0 && columns[i].only_different)
			continue;
		snprintf(cell, sizeof(cell), "%s", columns[i].title);
		if (row != NULL)
			fill(&columns[i], row, cell);
		strbuf_printf(&line, "%s%-*s", i == 0 ? "" : "  ", widths[i], cell);
	}
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	print_coloured(out, colour, line.data);
}

static void print_head(const struct fleet_view *view, FILE *out)
{
	char problem[2 * FLEET_TEXT_MAX];

	fprintf(out, "cluster %s: ", view->cluster);
	if (view->primary[0] != '\0')
		fprintf(out, "the store names %s, zxid %" PRId64, view->primary, view->zxid);
	else
		fprintf(out, "the store names no primary, zxid %" PRId64, view->zxid);
	fleet_copy(problem, sizeof(problem), view->store_problem);
	fprintf(out, "%s%s; sidecars: %zu\n", problem[0] != '\0' ? ": " : "", problem, view->count);
}

static void print_trouble(const struct row *row, bool colour, FILE *out)
{
	enum fleet_mark mark = fleet_judge(row->view, row->entry);
	auto_strbuf struct strbuf line = STRBUF_INIT;

	if (mark == FLEET_OK)
		return;
	if (row->entry->note != NULL && !row->entry->alive) {
		strbuf_append_escaped(&line, row->entry->path, strlen(row->entry->path),
		                      FLEET_TEXT_MAX);
		strbuf_append_str(&line,
		                  ": a persistent znode, of no sidecar that lives: delete it");
	} else {
		fleet_say_missing(row->entry, &line);
	}
	print_coloured(out, colour ? colour_of(mark) : "", line.data);
}

static void print_alarm(const struct row *row, bool colour, FILE *out)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	char name[CELL_MAX];

	if (row->note->alarm[0] == '\0')
		return;
	fill_name(row, name);
	strbuf_printf(&line, "ALARM of %s: %s", name, row->note->alarm);
	print_coloured(out, colour ? "1;31" : "", line.data);
}

void fleet_table_print(const struct fleet_view *view, bool colour, FILE *out)
{
	int widths[ARRAY_LEN(columns)];

	print_head(view, out);
	if (view->count == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		widths[i] = width_of(view, &columns[i]);
	fputc('\n', out);
	print_row(widths, NULL, "", out);
	for (size_t i = 0; i < view->count; i++) {
		const struct row row = row_at(view, i);

		print_row(widths, &row, colour ? colour_of(fleet_judge(view, row.entry)) : "", out);
	}
	if (!fleet_is_well(view))
		fputc('\n', out);
	for (size_t i = 0; i < view->count; i++) {
		const struct row row = row_at(view, i);

		print_trouble(&row, colour, out);
		print_alarm(&row, colour, out);
	}
}
