/* Texts seen, in a tree of the C library; see the header. */
#include "config/index.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct config_seen *)a)->text, ((const struct config_seen *)b)->text);
}

static void free_seen(void *item)
{
	struct config_seen *seen = item;

	free(seen->text);
	free(seen);
}

const struct config_seen *config_index_add(struct config_index *index, const char *text,
                                           unsigned line, size_t number)
{
	struct config_seen *item = xcalloc(1, sizeof(*item));
	struct config_seen *const *kept;

	*item = (struct config_seen){.text = xstrdup(text), .line = line, .number = number};
	kept = tsearch(item, &index->root, compare);
	if (kept == NULL)
		abort(); /* as xcalloc() does without memory */
	if (*kept == item)
		return NULL;
	free_seen(item);
	return *kept;
}

const struct config_seen *config_index_find(const struct config_index *index, const char *text)
{
	auto_free char *copy = xstrdup(text);
	const struct config_seen probe = {.text = copy};
	struct config_seen *const *found = tfind(&probe, &index->root, compare);

	return found != NULL ? *found : NULL;
}

void config_index_free(struct config_index *index)
{
	tdestroy(index->root, free_seen);
	index->root = NULL;
}
