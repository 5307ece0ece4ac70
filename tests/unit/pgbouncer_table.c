/* Tables written as text; see the header. */
#include "pgbouncer_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *cell_of(const char *at, size_t len)
{
	while (len > 0 && *at == ' ') {
		at++;
		len--;
	}
	while (len > 0 && at[len - 1] == ' ')
		len--;
	return len == 4 && memcmp(at, "NULL", 4) == 0 ? NULL : xstrndup(at, len);
}

static char **append(char **list, size_t *count, char *cell)
{
	list = xreallocarray(list, *count + 1, sizeof(char *));
	list[(*count)++] = cell;
	return list;
}

struct pgbouncer_table table_of(const char *text)
{
	struct pgbouncer_table table = {0};
	size_t cells = 0;

	for (bool head = true; *text != '\0'; head = false) {
		size_t line = strcspn(text, "\n");

		for (const char *end = text + line;; text++) {
			size_t len = strcspn(text, "|\n");
			char *cell = cell_of(text, len);

			if (head)
				table.columns = append(table.columns, &table.column_count, cell);
			else
				table.cells = append(table.cells, &cells, cell);
			text += len;
			if (text == end)
				break;
		}
		text += *text == '\n';
	}
	if (table.column_count == 0)
		return table;
	table.row_count = cells / table.column_count;
	cr_assert_eq(table.row_count * table.column_count, cells, "a row of another length");
	return table;
}
