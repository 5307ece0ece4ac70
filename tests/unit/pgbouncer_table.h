/* Tables as the console gives them, written as text: a line of columns, then a line a row, cells
 * separated by " | " as psql prints them; an empty cell is an empty text, NULL is SQL NULL. */
#ifndef SEGUE_TESTS_UNIT_PGBOUNCER_TABLE_H
#define SEGUE_TESTS_UNIT_PGBOUNCER_TABLE_H

#include "pgbouncer/model/show.h"

/* pgbouncer_table_free() it. */
struct pgbouncer_table table_of(const char *text);

#endif
