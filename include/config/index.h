/* Texts and where each was first seen: finds duplicates and names in a file of any size. */
#ifndef SEGUE_CONFIG_INDEX_H
#define SEGUE_CONFIG_INDEX_H

#include <stddef.h>

struct config_seen {
	char *text;
	unsigned line;
	size_t number; /* whatever the caller counts */
};

struct config_index {
	void *root; /* tsearch(3) */
};

/* NULL when `text` is new, and noted now; else what was noted for it before. */
const struct config_seen *config_index_add(struct config_index *index, const char *text,
                                           unsigned line, size_t number);
const struct config_seen *config_index_find(const struct config_index *index, const char *text);
void config_index_free(struct config_index *index);

#endif
