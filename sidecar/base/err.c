/* Error values; see the header. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	err->line = 0;
	return false;
}

bool err_set_errno(struct err *err, int errnum, const char *fmt, ...)
{
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %s", strerror(errnum));
	err->line = 0;
	return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_MAX];
	va_list args;
	size_t len;

	memcpy(inner, err->message, sizeof(inner));
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %s", inner);
	err->line = 0;
	return false;
}

bool err_at_line(struct err *err, unsigned line)
{
	err_wrap(err, "line %u", line);
	err->line = line;
	return false;
}
