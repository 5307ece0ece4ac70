/* Output of segue fleet for people: a first line with what the store says, one line per sidecar,
 * and below it what is wrong with a sidecar. Host and version are shown only if they distinguish
 * sidecars, so that everything fits into 80 columns. */
#include <inttypes.h>
#include <string.h>

#include "report/fleet.h"
#include "table_internal.h"

#define MINUTE INT64_C(60) /* seconds */
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

struct row {
	const struct fleet_view *view;
	const struct fleet_entry *entry;
	const struct fleet_note *note; /* never NULL: an empty one if it cannot be read */
};

static void append_name(const struct row *row, struct strbuf *out)
{
	char name[FLEET_WORD_MAX];

	fleet_copy(name, sizeof(name), row->entry->name);
	strbuf_append_str(out, name);
}

static void append_zxid(const struct row *row, struct strbuf *out)
{
	if (row->note->zxid > 0)
		strbuf_printf(out, "%" PRId64, row->note->zxid);
}

/* Time since the confirmation. It compares the clocks of two hosts. */
static void append_age(const struct row *row, struct strbuf *out)
{
	struct tm tm = {.tm_year = 0};
	int64_t age;

	if (strptime(row->note->at, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return;
	age = larger((int64_t)row->view->now - (int64_t)timegm(&tm), 0);
	if (age < 2 * MINUTE)
		strbuf_printf(out, "%" PRId64 "s", age);
	else if (age < 2 * HOUR)
		strbuf_printf(out, "%" PRId64 "m", age / MINUTE);
	else if (age < 2 * DAY)
		strbuf_printf(out, "%" PRId64 "h", age / HOUR);
	else
		strbuf_printf(out, "%" PRId64 "d", age / DAY);
}

static void append_sync(const struct row *row, struct strbuf *out)
{
	if (row->entry->note != NULL)
		strbuf_printf(out, "%zu/%zu", fleet_in_sync(row->note), row->note->target_total);
}

static void append_old(const struct row *row, struct strbuf *out)
{
	int64_t old = fleet_old_sessions(row->note);

	if (old >= 0)
		strbuf_printf(out, "%" PRId64, old);
}

static void append_mark(const struct row *row, struct strbuf *out)
{
	enum fleet_mark mark = fleet_judge(row->view, row->entry);

	strbuf_append_str(out, fleet_mark_name(mark));
	for (char *c = out->data; mark != FLEET_OK && *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
}

static const struct column {
	const char *title;
	void (*append)(const struct row *row, struct strbuf *out); /* NULL: the text `at` */
	size_t at;                                                 /* offset in the note */
	bool only_different; /* shown only if the rows differ in it, or (HOST) name and host */
} columns[] = {{"SIDECAR", append_name, 0, false},
               {"HOST", NULL, offsetof(struct fleet_note, host), true},
               {"VERSION", NULL, offsetof(struct fleet_note, segue), true},
               {"STATE", NULL, offsetof(struct fleet_note, state), false},
               {"PRIMARY", NULL, offsetof(struct fleet_note, primary), false},
               {"ZXID", append_zxid, 0, false},
               {"AGE", append_age, 0, false},
               {"SYNC", append_sync, 0, false},
               {"OLD", append_old, 0, false},
               {"", append_mark, 0, false}};

static bool is_shown(const struct fleet_view *view, const struct column *column)
{
	char first[FLEET_WORD_MAX] = "";
	bool known = false;

	for (size_t i = 0; i < view->count && column->only_different; i++) {
		const struct fleet_note *note = view->entries[i].note;
		const char *text = note != NULL ? (const char *)note + column->at : NULL;

		if (text == NULL)
			continue;
		if (text == note->host)
			fleet_copy(first, sizeof(first), view->entries[i].name);
		else if (!known)
			fleet_copy(first, sizeof(first), text);
		known = true;
		if (strcmp(first, text) != 0)
			return true;
	}
	return !column->only_different;
}

static const enum mood moods[] = {
    [FLEET_OK] = MOOD_PLAIN,     [FLEET_UNREADABLE] = MOOD_BAD,    [FLEET_ELSEWHERE] = MOOD_BAD,
    [FLEET_BEHIND] = MOOD_WATCH, [FLEET_OUT_OF_SYNC] = MOOD_WATCH, [FLEET_UNKNOWN] = MOOD_WATCH};

static struct row row_at(const struct fleet_view *view, size_t i)
{
	static const struct fleet_note nothing;
	const struct fleet_entry *entry = &view->entries[i];

	return (struct row){
	    .view = view, .entry = entry, .note = entry->note != NULL ? entry->note : &nothing};
}

static void print_table(const struct fleet_view *view, const struct page *page)
{
	struct table table = {.columns = ARRAY_LEN(columns)};
	auto_strbuf struct strbuf cell = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		table_add(&table, MOOD_PLAIN,
		          is_shown(view, &columns[i]) ? columns[i].title : NULL);
	for (size_t i = 0; i < view->count * ARRAY_LEN(columns); i++) {
		const struct row row = row_at(view, i / ARRAY_LEN(columns));
		const struct column *column = &columns[i % ARRAY_LEN(columns)];

		strbuf_reset(&cell);
		if (column->append != NULL)
			column->append(&row, &cell);
		else
			strbuf_append_str(&cell, (const char *)row.note + column->at);
		table_add(&table, moods[fleet_judge(view, row.entry)], cell.data);
	}
	fputc('\n', page->out);
	table_print(&table, "", page);
}

static void print_head(const struct fleet_view *view, FILE *out)
{
	char problem[2 * FLEET_TEXT_MAX];

	fprintf(out, "cluster %s: the store names %s, zxid %" PRId64, view->cluster,
	        view->primary[0] != '\0' ? view->primary : "no primary", view->zxid);
	fleet_copy(problem, sizeof(problem), view->store_problem);
	fprintf(out, "%s%s; sidecars: %zu\n", problem[0] != '\0' ? ": " : "", problem, view->count);
}

static void print_trouble(const struct row *row, const struct page *page)
{
	enum fleet_mark mark = fleet_judge(row->view, row->entry);
	auto_strbuf struct strbuf line = STRBUF_INIT;

	if (mark == FLEET_OK)
		return;
	if (row->entry->note != NULL && !row->entry->alive) {
		strbuf_append_escaped(&line, row->entry->path, strlen(row->entry->path),
		                      FLEET_TEXT_MAX);
		strbuf_append_str(&line,
		                  ": a persistent znode that no live sidecar owns: delete it");
	} else {
		fleet_say_missing(row->entry, &line);
	}
	page_print_line(page, moods[mark], line.data);
}

void fleet_table_print(const struct fleet_view *view, bool colour, FILE *out)
{
	const struct page page = {.out = out, .colour = colour};

	print_head(view, out);
	if (view->count == 0)
		return;
	print_table(view, &page);
	if (!fleet_is_well(view))
		fputc('\n', out);
	for (size_t i = 0; i < view->count; i++) {
		const struct row row = row_at(view, i);

		print_trouble(&row, &page);
		if (row.note->alarm[0] != '\0') {
			auto_strbuf struct strbuf line = STRBUF_INIT;

			strbuf_append_str(&line, "ALARM of ");
			append_name(&row, &line);
			strbuf_printf(&line, ": %s", row.note->alarm);
			page_print_line(&page, MOOD_BAD, line.data);
		}
	}
}
