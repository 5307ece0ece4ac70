#ifndef SEGUE_HAPROXY_MASTER_RELOAD_INTERNAL_H
#define SEGUE_HAPROXY_MASTER_RELOAD_INTERNAL_H

#include "target/reload.h"

#define MASTER_RELOAD_CONFIRM_MS 5000 /* after it: until the stats socket shows the new worker */

/* Reload by the master CLI. The object is the path of a master socket. Succeeds when the master
 * shows a new worker. */
extern const struct reload_method haproxy_master_reload;

#endif
