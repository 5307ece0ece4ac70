/* Debian's /etc/default/haproxy: the environment file of haproxy.service, which says with what
 * arguments HAProxy is started. */
#ifndef SEGUE_HAPROXY_DEBIAN_H
#define SEGUE_HAPROXY_DEBIAN_H

#include <stdbool.h>

#include "base/err.h"
#include "haproxy/process_args.h"

#define DEBIAN_DEFAULTS       "/etc/default/haproxy"
#define DEBIAN_CONFIG         "/etc/haproxy/haproxy.cfg"
#define DEBIAN_UNIT           "segue" /* of segue's own package, which runs as user segue */
#define DEBIAN_POOLER_UNIT    "segue-pgbouncer"
#define DEBIAN_PUBLISHER_UNIT "segue-publish"
#define DEBIAN_MASTER_SOCKET  "/run/haproxy-master.sock"

/* Behind a master socket: it is not root's alone, but of the group that segue's user is in. */
#define DEBIAN_MASTER_OPEN ",mode,660,group,haproxy"

struct debian_haproxy {
	bool there;                 /* the file is */
	char *config;               /* CONFIG */
	char *extraopts;            /* EXTRAOPTS; what the unit has where it is not set */
	char *master_socket;        /* its -S, without the options behind a comma; NULL: none */
	struct haproxy_files files; /* its -f */
};

/* It is installed here, by the package or `make install`: systemd.unit(5), Unit File Load Path. */
bool debian_has_unit(const char *unit);
bool debian_has_unit_below(const char *root, const char *unit);

/* A file that is not there is no error. debian_haproxy_free() either way. */
bool debian_haproxy_load(const char *file, struct debian_haproxy *out, struct err *err) MUST_CHECK;
bool debian_haproxy_parse(const char *text, struct debian_haproxy *out, struct err *err) MUST_CHECK;

/* Its -S lets somebody in beside root: by group, by user, or all. */
bool debian_master_is_open(const struct debian_haproxy *debian) MUST_CHECK;

/* The EXTRAOPTS with which HAProxy has the master socket `master` and loads `folder` (NULL: it does
 * already), and all that it had before. `open`: segue is not root, but in HAProxy's group. Caller
 * frees. */
char *debian_haproxy_arguments(const struct debian_haproxy *debian, const char *master, bool open,
                               const char *folder) MUST_CHECK;

void debian_haproxy_free(struct debian_haproxy *debian);

#endif
