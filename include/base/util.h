/* Small helpers that every file uses: checked results, local variables that are freed at the end of
 * their scope, and allocation that cannot fail (without memory the process aborts, because a
 * restarted sidecar is better than one that half works). */
#ifndef SEGUE_BASE_UTIL_H
#define SEGUE_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK          __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, a) __attribute__((format(printf, fmt, a)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Returns the pointer in `p` and sets `p` to NULL, so that the auto_free of `p` does nothing. */
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

/* Frees *text and sets it to `now`, which it takes over. True if that changes it; NULL is "". */
bool util_replace(char **text, char *now);

/* Like calloc, realloc, strdup, ...; without memory they print one line and call abort(). */
void *xcalloc(size_t count, size_t size) __attribute__((malloc)) MUST_CHECK;
void *xreallocarray(void *old, size_t count, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xstrndup(const char *s, size_t len) MUST_CHECK;
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

#endif
