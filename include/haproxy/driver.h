#ifndef SEGUE_HAPROXY_DRIVER_H
#define SEGUE_HAPROXY_DRIVER_H

#include "target/target_ops.h"

/* A target that drives one HAProxy. Free it with target_destroy(). */
struct target *haproxy_target_create(const struct target_setup *setup) MUST_CHECK;

#endif
