/* The templates that ship, in the binary: segue init writes them out wherever segue was installed,
 * or not installed at all. */
#ifndef SEGUE_INIT_SHIPPED_H
#define SEGUE_INIT_SHIPPED_H

extern const char shipped_haproxy[];   /* templates/haproxy.cfg.mustache */
extern const char shipped_pgbouncer[]; /* templates/pgbouncer.ini.mustache */

#endif
