/* How near two names are: Levenshtein. */
#include "base/letters.h"

#include <string.h>

#define NAME_LEN_MAX 64 /* bytes; what the second name has more is not looked at */

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

size_t letters_apart(const char *a, const char *b)
{
	size_t row[NAME_LEN_MAX + 1], len = strnlen(b, NAME_LEN_MAX);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t before = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= len; j++) {
			size_t above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, before + (a[i] != b[j - 1]));
			before = above;
		}
	}
	return row[len];
}
