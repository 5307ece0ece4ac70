/* A growing list of strings. */
#ifndef SEGUE_BASE_STRING_LIST_H
#define SEGUE_BASE_STRING_LIST_H

#include <stddef.h>

#include "base/strbuf.h"
#include "base/util.h"

struct string_list { /* all zero: empty */
	char **items;
	size_t count;
};

/* Takes ownership of `item`. */
void string_list_add(struct string_list *list, char *item);
void string_list_printf(struct string_list *list, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Appends all items to `out`, with `between` between two of them. */
void string_list_join(const struct string_list *list, const char *between, struct strbuf *out);

void string_list_free(struct string_list *list); /* the list is then empty */

#define auto_string_list __attribute__((cleanup(string_list_free)))

#endif
