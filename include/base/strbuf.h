/* A growing byte string. After strbuf_init(), `data` is never NULL and always NUL terminated. */
#ifndef SEGUE_BASE_STRBUF_H
#define SEGUE_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/util.h"

struct strbuf {
	char *data;
	size_t len;      /* bytes in use, without the NUL */
	size_t capacity; /* bytes allocated; 0: `data` points at a shared empty string */
};

#define STRBUF_INIT                  \
	{                            \
		.data = strbuf_empty \
	}
extern char strbuf_empty[1];

void strbuf_init(struct strbuf *buf);
void strbuf_fini(struct strbuf *buf);  /* frees; the buffer is then empty and initialised */
void strbuf_reset(struct strbuf *buf); /* empties; keeps the memory */
void strbuf_reserve(struct strbuf *buf, size_t more); /* for `more` bytes and the NUL */

void strbuf_append(struct strbuf *buf, const void *data, size_t len);
void strbuf_append_str(struct strbuf *buf, const char *s);
void strbuf_append_char(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args);

/* Appends `len` bytes as one line of printable ASCII: printable bytes as they are, then \n \r \t
 * \" \\, and \xHH for all others. After `max` input bytes appends "...(N bytes)", N being `len`. */
void strbuf_append_escaped(struct strbuf *buf, const void *data, size_t len, size_t max);

/* Returns the bytes, which the caller frees. The buffer is then empty. */
char *strbuf_detach(struct strbuf *buf) MUST_CHECK;

#define auto_strbuf __attribute__((cleanup(strbuf_fini)))

#endif
