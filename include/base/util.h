/* Small things that every file uses: checked results, locals that clean themselves up,
 * allocation that cannot fail (a sidecar without memory is better restarted than half alive). */
#ifndef SEGUE_BASE_UTIL_H
#define SEGUE_BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK          __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, a) __attribute__((format(printf, fmt, a)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Takes the pointer out of `p`, leaving NULL, so that the auto_ cleanup of `p` does nothing. */
#define STEAL(p)                             \
	({                                   \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

void util_cleanup_free(void *pointer_to_pointer);
void util_cleanup_close(const int *fd);

#define auto_free  __attribute__((cleanup(util_cleanup_free)))
#define auto_close __attribute__((cleanup(util_cleanup_close)))

/* As malloc/calloc/realloc/strdup; on lack of memory they print a line and abort. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc)) MUST_CHECK;
void *xreallocarray(void *old, size_t count, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xstrndup(const char *s, size_t len) MUST_CHECK;
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

#endif
