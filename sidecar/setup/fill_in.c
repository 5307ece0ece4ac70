/* Finds the marked keys that have no value. A comment is a mark only if it begins with the mark;
 * other comments may mention it. */
#include "setup/fill_in.h"

#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/util.h"

static void append_trimmed(struct strbuf *to, const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r", *text) != NULL) {
		text++;
		len--;
	}
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		len--;
	if (to->len > 0 && len > 0)
		strbuf_append_char(to, ' ');
	strbuf_append(to, text, len);
}

/* Reads one comment line. "; FILL IN: what" begins a mark; the comment lines after it continue its
 * text. */
static void take_comment(const char *text, size_t len, bool *marked, struct strbuf *what)
{
	auto_strbuf struct strbuf words = STRBUF_INIT;
	size_t skip = 0;

	append_trimmed(&words, text, len);
	if (strncmp(words.data, MARK, strlen(MARK)) == 0) {
		*marked = true;
		strbuf_reset(what);
		skip = strlen(MARK) + (words.data[strlen(MARK)] == ':');
	}
	append_trimmed(what, words.data + skip, words.len - skip);
}

/* True for "key =" without a value, perhaps with a comment. `key` becomes its name. */
static bool is_empty_key(const char *line, size_t len, struct strbuf *key)
{
	const char *equals = memchr(line, '=', len);
	auto_strbuf struct strbuf value = STRBUF_INIT;

	if (equals == NULL)
		return false;
	append_trimmed(key, line, (size_t)(equals - line));
	append_trimmed(&value, equals + 1, len - (size_t)(equals + 1 - line));
	return value.len == 0 || *value.data == ';';
}

size_t fill_in_find(const char *text, fill_in_cb *cb, void *arg)
{
	auto_strbuf struct strbuf what = STRBUF_INIT;
	bool marked = false;
	size_t count = 0;

	for (unsigned line = 1; *text != '\0'; line++) {
		auto_strbuf struct strbuf key = STRBUF_INIT;
		size_t len = strcspn(text, "\n");

		if (*text == ';' || *text == '#') {
			take_comment(text + 1, len - 1, &marked, &what);
		} else {
			if (marked && is_empty_key(text, len, &key)) {
				count++;
				cb(line, key.data, what.data, arg);
			}
			marked = false;
			strbuf_reset(&what);
		}
		text += len + (text[len] == '\n');
	}
	return count;
}
