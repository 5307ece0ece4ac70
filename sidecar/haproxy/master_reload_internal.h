#ifndef SEGUE_HAPROXY_MASTER_RELOAD_INTERNAL_H
#define SEGUE_HAPROXY_MASTER_RELOAD_INTERNAL_H

#include "target/reload.h"

#define MASTER_RELOAD_CONFIRM_MS 5000 /* after it: for the stats socket to show the new worker */

/* The object is the path of a master socket; it went well when the master shows a new worker. */
extern const struct reload_method haproxy_master_reload;

#endif
