/* How near two names are, to propose the one that a person may have meant. Pure. */
#ifndef SEGUE_BASE_TEXT_H
#define SEGUE_BASE_TEXT_H

#include <stddef.h>

/* How many letters have to be added, left out or replaced, for one name to be the other. */
size_t letters_apart(const char *a, const char *b);

/* UTF-8, as Unicode 15 defines it in its table 3-7. */

/* How many bytes the character has that `text` begins with, 1 for the final NUL; 0: it is none. */
size_t utf8_length(const char *text);

/* How many bytes of it, `max` at most, end with a character; what is none counts as a byte. */
size_t utf8_cut(const char *text, size_t max);

#endif
