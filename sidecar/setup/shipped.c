/* Embeds the shipped files as strings. The paths are relative to the top of the repository, where
 * the compiler runs. */
#include "init_internal.h"

#define SHIPPED(symbol, file)                                \
	__asm__(".pushsection .rodata\n"                     \
	        ".global " #symbol "\n"                      \
	        ".type " #symbol ", @object\n" #symbol ":\n" \
	        ".incbin \"" file "\"\n"                     \
	        ".byte 0\n"                                  \
	        ".size " #symbol ", .-" #symbol "\n"         \
	        ".popsection\n")

SHIPPED(shipped_haproxy, "templates/haproxy.cfg.mustache");
SHIPPED(shipped_pgbouncer, "templates/pgbouncer.ini.mustache");
SHIPPED(shipped_debian_ini, "packaging/debian/segue.ini");
