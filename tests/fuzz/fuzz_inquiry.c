/* What a server may answer to the publisher, whoever it is: a column a line. */
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "publisher/conninfo_list.h"
#include "publisher/node_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	const char *row[NODE_QUERY_COLUMNS] = {NULL}, *list = text;
	struct node_query_answer answer = {.receiving = false};
	struct err err;
	char *at, *item;

	while ((item = conninfo_list_next(&list)) != NULL)
		util_cleanup_free(&item);
	at = text;
	for (int i = 0; i < NODE_QUERY_COLUMNS && at != NULL; i++) {
		char *line = strsep(&at, "\n");

		row[i] = *line != '\0' ? line : NULL;
	}
	if (node_query_parse(row, &answer, &err)) {
		for (size_t i = 0; i < answer.node_count; i++)
			if (answer.nodes[i].conninfo == NULL)
				__builtin_trap();
		node_query_answer_fini(&answer);
	}
	return 0;
}
