/* The mark of what only a person can know: a comment "FILL IN: what" above a key of segue.ini whose
 * value is left empty, so that nothing runs with a guess. */
#ifndef SEGUE_SETUP_FILL_IN_H
#define SEGUE_SETUP_FILL_IN_H

#include <stddef.h>

#define MARK "FILL IN"

/* `what` is what the comment says behind the mark, on one line. */
typedef void fill_in_cb(unsigned line, const char *key, const char *what, void *arg);

/* Calls back for each marked key of the text whose value is still empty; returns how many. */
size_t fill_in_find(const char *text, fill_in_cb *cb, void *arg);

#endif
