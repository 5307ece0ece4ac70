/* The kinds of sections of segue.ini; see config/table.h. */
#include <string.h>

#include "base/util.h"
#include "config/table.h"

static const struct config_section_info sections[] = {
    {.kind = CONFIG_SECTION_SEGUE, .word = "segue", .help = "The sidecar itself."},
    {.kind = CONFIG_SECTION_ZOOKEEPER,
     .word = "zookeeper",
     .help = "The store that names the primary of every cluster."},
    {.kind = CONFIG_SECTION_CLUSTER,
     .word = "cluster",
     .named = true,
     .example_name = "orders",
     .help = "A cluster: one primary and its standbys. One section each, at least one."},
    {.kind = CONFIG_SECTION_HAPROXY,
     .word = "haproxy",
     .named = true,
     .example_name = "local",
     .help = "A HAProxy that is moved through its runtime socket. One section each."},
    {.kind = CONFIG_SECTION_PGBOUNCER,
     .word = "pgbouncer",
     .named = true,
     .example_name = "local",
     .help = "A PgBouncer that is moved by PAUSE, RELOAD and RESUME. One section each."},
    {.kind = CONFIG_SECTION_FILE,
     .word = "file",
     .named = true,
     .example_name = "app",
     .help = "Any other reader of the fact: the file is rendered, checked and installed, then the "
             "command runs. One section each."},
    {.kind = CONFIG_SECTION_PUBLISHER,
     .word = "publisher",
     .named = true,
     .example_name = "orders",
     .help =
         "Read by segue publish, which writes the master znode of a cluster. One section each."},
};

const struct config_section_info *config_sections(size_t *count)
{
	*count = ARRAY_LEN(sections);
	return sections;
}

const struct config_section_info *config_section_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (strcmp(sections[i].word, word) == 0)
			return &sections[i];
	return NULL;
}
