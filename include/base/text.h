/* Distance between names (to suggest the name that was meant), and UTF-8. Pure. */
#ifndef SEGUE_BASE_TEXT_H
#define SEGUE_BASE_TEXT_H

#include <stddef.h>

/* The number of bytes to add, remove or replace to make one name the other (Levenshtein). Of `b`,
 * only the first 64 bytes count. */
size_t letters_apart(const char *a, const char *b);

/* UTF-8, as table 3-7 of Unicode 15 defines it. */

/* Bytes of the first character of `text`; 1 for the final NUL; 0 if it is not valid UTF-8. */
size_t utf8_length(const char *text);

/* The length of the longest start of `text` that has at most `max` bytes and ends with a whole
 * character. A byte that is not valid UTF-8 counts as one character. */
size_t utf8_cut(const char *text, size_t max);

#endif
