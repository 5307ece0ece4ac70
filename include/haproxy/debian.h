/* Debian's /etc/default/haproxy: the environment file of haproxy.service, with the arguments that
 * HAProxy is started with. */
#ifndef SEGUE_HAPROXY_DEBIAN_H
#define SEGUE_HAPROXY_DEBIAN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/string_list.h"

#define DEBIAN_DEFAULTS       "/etc/default/haproxy"
#define DEBIAN_CONFIG         "/etc/haproxy/haproxy.cfg"
#define DEBIAN_UNIT           "segue" /* of segue's own package; it runs as user segue */
#define DEBIAN_POOLER_UNIT    "segue-pgbouncer"
#define DEBIAN_PUBLISHER_UNIT "segue-publish"
#define DEBIAN_MASTER_SOCKET  "/run/haproxy-master.sock"

/* Appended to a master socket in -S: opens it to the group that segue's user is in. */
#define DEBIAN_MASTER_OPEN ",mode,660,group,haproxy"

struct debian_haproxy {
	bool there;               /* the file exists */
	char *config;             /* CONFIG */
	char *extraopts;          /* EXTRAOPTS; if it is not set, the default in the unit */
	char *master_socket;      /* -S in extraopts, without what follows a comma; NULL: none */
	struct string_list files; /* -f in extraopts */
};

/* The unit is installed, by the package or by `make install`. The folders are those of
 * systemd.unit(5), Unit File Load Path. */
bool debian_has_unit(const char *unit);
bool debian_has_unit_below(const char *root, const char *unit);

/* Appends the files and folders after each -f, and all that follow "--", as they are written. */
void haproxy_files_of_arguments(char *const *argv, struct string_list *out);

/* A missing file is no error. Call debian_haproxy_free() in any case. */
bool debian_haproxy_load(const char *file, struct debian_haproxy *out, struct err *err) MUST_CHECK;
bool debian_haproxy_parse(const char *text, struct debian_haproxy *out, struct err *err) MUST_CHECK;

/* The master socket admits another user than root: by group, by user, or everybody. */
bool debian_master_is_open(const struct debian_haproxy *debian) MUST_CHECK;

/* The present EXTRAOPTS, changed so that HAProxy has the master socket `master` and loads `folder`
 * (NULL: nothing to add). `open`: segue is not root, but in HAProxy's group, and the socket has to
 * admit it. Caller frees. */
char *debian_haproxy_arguments(const struct debian_haproxy *debian, const char *master, bool open,
                               const char *folder) MUST_CHECK;

void debian_haproxy_free(struct debian_haproxy *debian);

#endif
