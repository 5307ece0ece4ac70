/* A growing list of strings; see the header. */
#include "base/string_list.h"

#include <stdarg.h>
#include <stdlib.h>

void string_list_add(struct string_list *list, char *item)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = item;
}

void string_list_printf(struct string_list *list, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	string_list_add(list, strbuf_detach(&text));
}

void string_list_join(const struct string_list *list, const char *between, struct strbuf *out)
{
	for (size_t i = 0; i < list->count; i++)
		strbuf_printf(out, "%s%s", i > 0 ? between : "", list->items[i]);
}

void string_list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){.count = 0};
}
