/* A growing byte string; see the header. */
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char strbuf_empty[1] = "";

void strbuf_init(struct strbuf *buf)
{
	*buf = (struct strbuf)STRBUF_INIT;
}

void strbuf_fini(struct strbuf *buf)
{
	if (buf->capacity > 0)
		free(buf->data);
	strbuf_init(buf);
}

void strbuf_reset(struct strbuf *buf)
{
	buf->len = 0;
	if (buf->capacity > 0)
		buf->data[0] = '\0';
}

void strbuf_reserve(struct strbuf *buf, size_t more)
{
	size_t need = buf->len + more + 1, capacity = buf->capacity;

	if (need <= capacity)
		return;
	capacity = capacity < 64 ? 64 : capacity;
	while (capacity < need)
		capacity *= 2;
	buf->data = xreallocarray(buf->capacity > 0 ? buf->data : NULL, capacity, 1);
	buf->capacity = capacity;
	buf->data[buf->len] = '\0';
}

void strbuf_append(struct strbuf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	strbuf_reserve(buf, len);
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void strbuf_append_str(struct strbuf *buf, const char *s)
{
	strbuf_append(buf, s, strlen(s));
}

void strbuf_append_char(struct strbuf *buf, char c)
{
	strbuf_append(buf, &c, 1);
}

void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len <= 0)
		return;
	strbuf_reserve(buf, (size_t)len);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args);
	buf->len += (size_t)len;
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(buf, fmt, args);
	va_end(args);
}

void strbuf_append_escaped(struct strbuf *buf, const void *data, size_t len, size_t max)
{
	static const char short_names[] = "\n\r\t\"\\";
	static const char short_forms[] = "nrt\"\\";
	const unsigned char *bytes = data;
	size_t shown = len < max ? len : max;

	for (size_t i = 0; i < shown; i++) {
		const char *found = bytes[i] != '\0' ? strchr(short_names, bytes[i]) : NULL;

		if (found != NULL)
			strbuf_printf(buf, "\\%c", short_forms[found - short_names]);
		else if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
			strbuf_append_char(buf, (char)bytes[i]);
		else
			strbuf_printf(buf, "\\x%02x", bytes[i]);
	}
	if (shown < len)
		strbuf_printf(buf, "...(%zu bytes)", len);
}

char *strbuf_detach(struct strbuf *buf)
{
	char *out = buf->capacity > 0 ? buf->data : xstrdup("");

	strbuf_init(buf);
	return out;
}
