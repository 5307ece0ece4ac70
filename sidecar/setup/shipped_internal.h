/* The templates that ship, in the binary: segue init writes them out wherever segue was installed,
 * or not installed at all. And the segue.ini of the Debian package, which it may write over. */
#ifndef SEGUE_SETUP_SHIPPED_INTERNAL_H
#define SEGUE_SETUP_SHIPPED_INTERNAL_H

extern const char shipped_haproxy[];    /* templates/haproxy.cfg.mustache */
extern const char shipped_pgbouncer[];  /* templates/pgbouncer.ini.mustache */
extern const char shipped_debian_ini[]; /* packaging/debian/segue.ini */

#endif
