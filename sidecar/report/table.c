/* The printer of all tables for people; see the header. */
#include "table_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/util.h"

struct table_cell {
	char *text;
	enum mood mood;
};

void page_print(const struct page *page, enum mood mood, const char *text)
{
	static const char *const codes[] = {
	    [MOOD_GOOD] = "32", [MOOD_WATCH] = "33", [MOOD_BAD] = "1;31"};

	if (page->colour && mood != MOOD_PLAIN)
		fprintf(page->out, "\033[%sm%s\033[0m", codes[mood], text);
	else
		fputs(text, page->out);
}

void page_print_line(const struct page *page, enum mood mood, const char *text)
{
	page_print(page, mood, text);
	fputc('\n', page->out);
}

void table_add(struct table *table, enum mood mood, const char *text)
{
	bool is_title = table->count < table->columns;

	if (text != NULL && *text == '\0' && !is_title)
		text = "-";
	table->cells = xreallocarray(table->cells, table->count + 1, sizeof(*table->cells));
	table->cells[table->count++] =
	    (struct table_cell){.text = text != NULL ? xstrdup(text) : NULL, .mood = mood};
}

/* Counts the bytes that begin a character; a wide character may shift a column by one. */
static size_t width_of(const char *text)
{
	size_t count = 0;

	for (; text != NULL && *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* Blanks are printed only before a cell, so that no row ends with them. */
static void print_row(const struct table *table, size_t at, const size_t *widths,
                      const char *indent, const struct page *page)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	size_t blanks = 0;

	for (size_t i = 0; i < table->columns; i++) {
		const char *text = table->cells[at + i].text;

		if (table->cells[i].text == NULL)
			continue;
		if (*text != '\0') {
			strbuf_printf(&line, "%*s%s", (int)blanks, "", text);
			blanks = 0;
		}
		blanks += widths[i] + 2 - width_of(text);
	}
	fputs(indent, page->out);
	page_print_line(page, table->cells[at].mood, line.data);
}

void table_print(struct table *table, const char *indent, const struct page *page)
{
	auto_free size_t *widths = xcalloc(table->columns, sizeof(*widths));

	for (size_t i = 0; i < table->count; i++) {
		size_t width = width_of(table->cells[i].text);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (size_t i = 0; i < table->count; i += table->columns)
		print_row(table, i, widths, indent, page);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(STEAL(table->cells));
	table->count = 0;
}
