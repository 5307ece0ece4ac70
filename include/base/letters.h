/* How near two names are, to propose the one that a person may have meant. Pure. */
#ifndef SEGUE_BASE_LETTERS_H
#define SEGUE_BASE_LETTERS_H

#include <stddef.h>

/* How many letters have to be added, left out or replaced, for one name to be the other. */
size_t letters_apart(const char *a, const char *b);

#endif
