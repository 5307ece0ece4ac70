/* Finds the marked keys that have no value. A comment is a mark only if it begins with the mark;
 * other comments may mention it. */
#include "setup/fill_in.h"

#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/util.h"

#define BLANKS " \t\r"

/* Without the blanks around it. Caller frees. */
static char *trimmed(const char *text, size_t len)
{
	while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
		len--;
	for (; len > 0 && strchr(BLANKS, *text) != NULL; len--)
		text++;
	return xstrndup(text, len);
}

/* "; FILL IN: what" begins a mark; the comment lines after it continue its text. */
static void take_comment(const char *comment, bool *marked, struct strbuf *what)
{
	if (strncmp(comment, MARK, strlen(MARK)) == 0) {
		*marked = true;
		strbuf_reset(what);
		comment += strlen(MARK);
		comment += *comment == ':';
		comment += strspn(comment, BLANKS);
	}
	strbuf_printf(what, "%s%s", what->len > 0 && *comment != '\0' ? " " : "", comment);
}

size_t fill_in_find(const char *text, fill_in_cb *cb, void *arg)
{
	auto_strbuf struct strbuf what = STRBUF_INIT;
	bool marked = false;
	size_t count = 0;

	for (unsigned line = 1; *text != '\0'; line++) {
		size_t len = strcspn(text, "\n");
		const char *end = text + len, *equals = memchr(text, '=', len);
		const bool is_comment = *text == ';' || *text == '#';

		if (is_comment) {
			auto_free char *comment = trimmed(text + 1, len - 1);

			take_comment(comment, &marked, &what);
		} else if (marked && equals != NULL) {
			auto_free char *key = trimmed(text, (size_t)(equals - text));
			auto_free char *value = trimmed(equals + 1, (size_t)(end - equals - 1));

			if (*value == '\0' || *value == ';') {
				count++;
				cb(line, key, what.data, arg);
			}
		}
		if (!is_comment) {
			marked = false;
			strbuf_reset(&what);
		}
		text += len + (*end == '\n');
	}
	return count;
}
