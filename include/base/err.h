/* An error as a value. The function that fails writes the message into a fixed buffer, so that
 * reporting an error cannot fail. Functions that can fail take `struct err *err` last, call
 * err_set() and return false or NULL. The caller that handles the error logs it, once. */
#ifndef SEGUE_BASE_ERR_H
#define SEGUE_BASE_ERR_H

#include <stdbool.h>

#include "base/util.h"

#define ERR_MAX 1024 /* bytes, with the final NUL; longer messages are truncated */

struct err {
	char message[ERR_MAX];
	unsigned line; /* the line of a text that `message` begins with; 0: it begins with none */
};

/* Sets the message. Always returns false, for `return err_set(err, "...")`. */
bool err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Like err_set(), and appends ": " and the text of `errnum`. Always returns false. */
bool err_set_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts context in front of the message: "<context>: <message>". Always returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "line N: " in front of the message, and sets `line`. Always returns false. */
bool err_at_line(struct err *err, unsigned line);

#endif
