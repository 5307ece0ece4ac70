/* Shipped files, embedded in the binary. `segue init` writes the templates from here, so it also
 * works where segue is not installed. It may overwrite the Debian package's segue.ini. */
#ifndef SEGUE_SETUP_SHIPPED_INTERNAL_H
#define SEGUE_SETUP_SHIPPED_INTERNAL_H

extern const char shipped_haproxy[];    /* templates/haproxy.cfg.mustache */
extern const char shipped_pgbouncer[];  /* templates/pgbouncer.ini.mustache */
extern const char shipped_debian_ini[]; /* packaging/debian/segue.ini */

#endif
