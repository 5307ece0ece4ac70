/* An error as a value: a message made where the failure happened, in a fixed buffer, so that
 * reporting cannot fail. Functions that can fail take `struct err *err` last and return false or
 * NULL after err_set(). Whoever decides what to do about it logs it, once. */
#ifndef SEGUE_BASE_ERR_H
#define SEGUE_BASE_ERR_H

#include <stdbool.h>

#include "base/util.h"

#define ERR_MAX 1024 /* bytes, with the final NUL; longer messages are cut */

struct err {
	char message[ERR_MAX];
};

/* Sets the message; always returns false: `return err_set(err, "...")`. */
bool err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As err_set, and appends ": " and the text of `errnum`. */
bool err_set_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts context in front of the message: "<context>: <message>"; always returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
