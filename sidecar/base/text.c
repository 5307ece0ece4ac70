/* UTF-8 and the distance between names; see the header. Overlong forms, surrogates and values above
 * U+10FFFF are not valid. */
#include "base/text.h"

#include <string.h>

size_t utf8_length(const char *text)
{
	static const struct {
		unsigned char mask, lead;
	} forms[] = {{0x80, 0x00}, {0xe0, 0xc0}, {0xf0, 0xe0}, {0xf8, 0xf0}};
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t len = 1; len <= 4; len++) {
		if ((bytes[0] & forms[len - 1].mask) != forms[len - 1].lead)
			continue;
		for (size_t i = 1; i < len; i++)
			if ((bytes[i] & 0xc0) != 0x80)
				return 0;
		if ((len == 2 && bytes[0] < 0xc2) || (bytes[0] == 0xe0 && bytes[1] < 0xa0) ||
		    (bytes[0] == 0xed && bytes[1] > 0x9f) ||
		    (bytes[0] == 0xf0 && bytes[1] < 0x90) ||
		    (bytes[0] == 0xf4 && bytes[1] > 0x8f) || bytes[0] > 0xf4)
			return 0;
		return len;
	}
	return 0;
}

size_t utf8_cut(const char *text, size_t max)
{
	size_t end = 0;

	while (text[end] != '\0') {
		size_t len = utf8_length(text + end);

		len = len > 0 ? len : 1;
		if (end + len > max)
			break;
		end += len;
	}
	return end;
}

/* --- the distance between two names: Levenshtein --- */

#define NAME_LEN_MAX 64 /* bytes of the second name; the rest is ignored */

size_t letters_apart(const char *a, const char *b)
{
	size_t row[NAME_LEN_MAX + 1], len = strnlen(b, NAME_LEN_MAX);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t before = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= len; j++) {
			size_t above = row[j], least = before + (a[i] != b[j - 1]);

			least = above + 1 < least ? above + 1 : least;
			row[j] = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
			before = above;
		}
	}
	return row[len];
}
