/* UTF-8, as Unicode 15 defines it in its table 3-7. */
#ifndef SEGUE_BASE_UTF8_H
#define SEGUE_BASE_UTF8_H

#include <stddef.h>

/* How many bytes the character has that `text` begins with, 1 for the final NUL; 0: it is none. */
size_t utf8_length(const char *text);

/* How many bytes of it, `max` at most, end with a character; what is none counts as a byte. */
size_t utf8_cut(const char *text, size_t max);

#endif
