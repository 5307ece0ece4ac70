/* Allocation that cannot fail, and the cleanup functions of auto_free and auto_close. */
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void util_cleanup_free(void *pointer_to_pointer)
{
	void *pointer;

	memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
	free(pointer);
}

void util_cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void *checked(void *pointer)
{
	if (pointer == NULL) {
		fputs("segue: out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *xcalloc(size_t count, size_t size)
{
	return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xreallocarray(void *old, size_t count, size_t size)
{
	return checked(reallocarray(old, count > 0 ? count : 1, size > 0 ? size : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t len)
{
	return checked(strndup(s, len));
}

char *xasprintf(const char *fmt, ...)
{
	va_list args;
	char *out;

	va_start(args, fmt);
	if (vasprintf(&out, fmt, args) < 0)
		out = NULL;
	va_end(args);
	return checked(out);
}

bool util_replace(char **text, char *now)
{
	auto_free char *before = *text;

	*text = now;
	return strcmp(before != NULL ? before : "", now != NULL ? now : "") != 0;
}
