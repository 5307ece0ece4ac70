/* Finds the values of segue.ini that only a person can know. `segue init` leaves such a value
 * empty, below a comment "FILL IN: what", so that segue never runs with a guessed value. */
#ifndef SEGUE_SETUP_FILL_IN_H
#define SEGUE_SETUP_FILL_IN_H

#include <stddef.h>

#define MARK "FILL IN"

/* `what` is the text of the comment after the mark, on one line. */
typedef void fill_in_cb(unsigned line, const char *key, const char *what, void *arg);

/* Calls `cb` for each marked key whose value is still empty. Returns the number of such keys. */
size_t fill_in_find(const char *text, fill_in_cb *cb, void *arg);

#endif
