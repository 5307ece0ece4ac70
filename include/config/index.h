/* An index of texts and the line where each was first seen, to find duplicates and names. It is a
 * tree, so that a large file does not make it slow. */
#ifndef SEGUE_CONFIG_INDEX_H
#define SEGUE_CONFIG_INDEX_H

#include <stddef.h>

struct config_seen {
	char *text;
	unsigned line;
	size_t number; /* free for use by the caller */
};

struct config_index {
	void *root; /* tsearch(3) */
};

/* Adds `text` and returns NULL if it is new. Otherwise returns what was added for it before,
 * borrowed until config_index_free(). */
const struct config_seen *config_index_add(struct config_index *index, const char *text,
                                           unsigned line, size_t number);
const struct config_seen *config_index_find(const struct config_index *index, const char *text);
void config_index_free(struct config_index *index);

#endif
