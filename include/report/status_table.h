/* The /status document as a table for a person's eyes. Pure but for `out`. Everything may be
 * missing from the document, of whatever type, and no text in it gets control of the terminal. */
#ifndef SEGUE_REPORT_STATUS_TABLE_H
#define SEGUE_REPORT_STATUS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `cluster`: only that one, NULL for all. False when the document has no such cluster. */
bool status_table_print(const json_t *document, const char *cluster, bool colour, FILE *out);

#endif
