#ifndef SEGUE_PGBOUNCER_DRIVER_H
#define SEGUE_PGBOUNCER_DRIVER_H

#include "target/target_ops.h"

/* A target that drives one PgBouncer. Free with target_destroy(). */
struct target *pgbouncer_target_create(const struct target_setup *setup) MUST_CHECK;

#endif
