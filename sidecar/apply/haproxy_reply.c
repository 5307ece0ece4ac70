/* Replies in lines and fields; see the header. */
#include "apply/haproxy_reply.h"

#include <ctype.h>
#include <string.h>

#include "base/strbuf.h"

#define SHOWN_MAX 160 /* bytes of an unexpected reply in a message */

bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

bool span_starts(struct span span, const char *prefix)
{
	size_t len = strlen(prefix);

	return span.len >= len && memcmp(span.at, prefix, len) == 0;
}

bool span_number(struct span span, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (span.len == 0 || span.len > 18)
		return false;
	for (size_t i = 0; i < span.len; i++) {
		if (span.at[i] < '0' || span.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(span.at[i] - '0');
	}
	*out = value;
	return value <= max;
}

char *span_dup(struct span span)
{
	return xstrndup(span.at, span.len);
}

struct span span_field(struct span *rest)
{
	const char *at = rest->at, *end = rest->at + rest->len;
	struct span field;

	while (at < end && isspace((unsigned char)*at))
		at++;
	field.at = at;
	while (at < end && !isspace((unsigned char)*at))
		at++;
	field.len = (size_t)(at - field.at);
	*rest = (struct span){at, (size_t)(end - at)};
	return field;
}

bool span_after(struct span span, const char *mark, struct span *out)
{
	const char *found = memmem(span.at, span.len, mark, strlen(mark));

	if (found == NULL)
		return false;
	found += strlen(mark);
	*out = (struct span){found, (size_t)(span.at + span.len - found)};
	return true;
}

void haproxy_reply_init(struct haproxy_reply *reply, const char *text, size_t len)
{
	*reply = (struct haproxy_reply){.at = text, .end = text + len};
}

bool haproxy_reply_line(struct haproxy_reply *reply, struct span *line)
{
	size_t left = (size_t)(reply->end - reply->at);
	const char *end = left > 0 && !reply->complete ? memchr(reply->at, '\n', left) : NULL;

	if (end == NULL)
		return false;
	*line = (struct span){reply->at, (size_t)(end - reply->at)};
	reply->at = end + 1;
	reply->complete = line->len == 0;
	return !reply->complete;
}

bool haproxy_reply_unexpected(struct err *err, const char *what, struct span got)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	if (got.len == 0)
		return err_set(err, "%s: an empty reply: is a HAProxy behind this socket?", what);
	strbuf_append_escaped(&shown, got.at, got.len, SHOWN_MAX);
	return err_set(err, "%s: HAProxy answered \"%s\"", what, shown.data);
}

bool haproxy_reply_cut_short(struct err *err, const char *what)
{
	return err_set(err, "%s: the reply is cut short", what);
}
