/* What the parts of the table of keys share. Nobody else includes it. */
#ifndef SEGUE_CONFIG_TABLE_INTERNAL_H
#define SEGUE_CONFIG_TABLE_INTERNAL_H

#include "config/table.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

#define AT(type, field) offsetof(struct type, field)

const struct config_key *table_publisher(size_t index); /* NULL: behind the last one */

#endif
