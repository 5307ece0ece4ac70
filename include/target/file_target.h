#ifndef SEGUE_TARGET_FILE_TARGET_H
#define SEGUE_TARGET_FILE_TARGET_H

#include "target/target_ops.h"

/* Creates a target that writes the rendered text to one file and runs reload_command for the
 * program that reads it. Ended with target_destroy(). */
struct target *file_target_create(const struct target_setup *setup) MUST_CHECK;

#endif
