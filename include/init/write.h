/* The files that segue init writes. */
#ifndef SEGUE_INIT_WRITE_H
#define SEGUE_INIT_WRITE_H

#include <stdbool.h>

#include "base/err.h"
#include "init/plan.h"

/* Somebody's, and something else; what a package puts there is nobody's. */
bool init_file_is_in_the_way(const struct init_file *file) MUST_CHECK;

/* Writes it, with the folders that it needs, and prints its name. `keep`: what was there stays,
 * under a name that is printed. */
bool init_file_write(const struct init_file *file, bool keep, struct err *err) MUST_CHECK;

#endif
