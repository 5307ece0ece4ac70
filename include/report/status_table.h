/* Prints the /status document as a table for people. Pure, except that it writes to `out`. Anything
 * in the document may be missing or of another type, and no text in it can control the terminal. */
#ifndef SEGUE_REPORT_STATUS_TABLE_H
#define SEGUE_REPORT_STATUS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `cluster`: prints only this one; NULL: all. False if the document does not have it. */
bool status_table_print(const json_t *document, const char *cluster, bool colour, FILE *out);

#endif
