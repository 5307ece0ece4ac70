/* What is left to be filled in; see the header. Only a comment that begins with the mark is one: it
 * may be named in others. */
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

/* The text of a comment: "; FILL IN: what" begins one, any other line of the same comment goes on.
 */
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

/* "key =", with nothing behind it but perhaps a comment. */
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
