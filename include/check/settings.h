/* Inside `segue check`: the files that a HAProxy was started with. Nobody else includes this. */
#ifndef SEGUE_CHECK_SETTINGS_H
#define SEGUE_CHECK_SETTINGS_H

#include <stdint.h>

#include "apply/haproxy_files.h"
#include "check/check.h"

#define CHECK_SETTINGS_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of one file of HAProxy's */

/* Finds the -f arguments of the process `pid` (0, or one that cannot be seen: of check_command),
 * notes what in those files would hurt a failover, and which outputs HAProxy would not load. For
 * all targets of `target`'s socket. */
void check_settings(struct check *check, const struct config_target *target, int64_t pid);

/* The line of Debian's /etc/default/haproxy, EXTRAOPTS="...", that gives HAProxy the target's
 * master socket, open to segue's user, and has it load `folder` (NULL: none). Caller frees. */
char *check_haproxy_arguments(const struct config_target *target, const char *folder) MUST_CHECK;

/* The part of it for the addresses that both `own`, HAProxy's files without the outputs, and the
 * rendered texts listen at. */
void check_binds(struct check *check, const struct config_target *first,
                 const struct haproxy_files *own);

#endif
