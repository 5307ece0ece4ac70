/* Texts and tables for people, in colours where they are wanted. Texts are UTF-8 without control
 * characters. */
#ifndef SEGUE_REPORT_TABLE_INTERNAL_H
#define SEGUE_REPORT_TABLE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum mood { MOOD_PLAIN, MOOD_GOOD, MOOD_WATCH, MOOD_BAD };

struct page {
	FILE *out;
	bool colour;
};

void page_print(const struct page *page, enum mood mood, const char *text);
void page_print_line(const struct page *page, enum mood mood, const char *text);

struct table { /* set `columns`; the rest is zero at first */
	size_t columns, count;
	struct table_cell *cells; /* owned */
};

/* Adds the next cell, row by row; the first row is that of the titles. A column with the title NULL
 * is not shown. Below the titles "" becomes "-". A row is in the mood of its first cell. */
void table_add(struct table *table, enum mood mood, const char *text);

/* Prints each column as wide as its widest cell, with `indent` before each row; then frees the
 * cells. */
void table_print(struct table *table, const char *indent, const struct page *page);

#endif
