/* Outputs that no longer belong to a target; see the header. No file is removed, because somebody
 * may have taken it over. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/last_good.h"
#include "pipeline_internal.h"

struct orphaned_output {
	char *target, *file;
};

struct orphaned_outputs {
	struct orphaned_output *items;
	size_t count;
};

static bool has_output(const struct config *config, const char *output)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].output, output) == 0)
			return true;
	return false;
}

static void add(struct orphaned_outputs *left, const struct config_target *target)
{
	left->items = xreallocarray(left->items, left->count + 1, sizeof(*left->items));
	left->items[left->count++] = (struct orphaned_output){
	    .target = xasprintf("%s/%s", config_target_kind_name(target->kind), target->name),
	    .file = xstrdup(target->output)};
}

struct orphaned_outputs *orphaned_outputs_find(const struct config *before,
                                               const struct config *now)
{
	struct orphaned_outputs *left = xcalloc(1, sizeof(*left));
	struct config *kept = before == NULL ? last_good_before(now) : NULL;

	if (before == NULL)
		before = kept;
	for (size_t i = 0; before != NULL && i < before->target_count; i++)
		if (!has_output(now, before->targets[i].output))
			add(left, &before->targets[i]);
	config_free(kept);
	return left;
}

void orphaned_outputs_tell(struct orphaned_outputs *left)
{
	for (size_t i = 0; i < left->count; i++) {
		const struct orphaned_output *output = &left->items[i];

		if (access(output->file, F_OK) == 0)
			log_warning("output_left", KV_STR("target", output->target),
			            KV_STR("file", output->file),
			            KV_STR("next",
			                   "segue wrote this file and no longer updates it: remove "
			                   "it, or configure it as the output again: a HAProxy "
			                   "that loads the old and the new file does not start"));
		free(output->target);
		free(output->file);
	}
	free(left->items);
	free(left);
}
