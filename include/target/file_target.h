#ifndef SEGUE_TARGET_FILE_TARGET_H
#define SEGUE_TARGET_FILE_TARGET_H

#include "target/target_ops.h"

/* A target that keeps one file as the rendered text says, and reloads whoever reads it; ended with
 * target_destroy(). */
struct target *file_target_create(const struct target_setup *setup) MUST_CHECK;

#endif
