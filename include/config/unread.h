/* Variables of the environment that are meant for segue.ini, and that it does not read. Pure. */
#ifndef SEGUE_CONFIG_UNREAD_H
#define SEGUE_CONFIG_UNREAD_H

#include "config/parse.h"

/* Of a `text` of segue.ini that reads a ${SEGUE_...}, every SEGUE_... of `environment` (NAME=VALUE,
 * NULL at the end) that it does not read: an error where it is one letter off one that it reads and
 * that is not set, as the default would be taken without a word; else a warning. `text` ends with
 * a NUL. */
void config_unread_find(const char *text, char *const *environment, struct config_problems *errors,
                        struct config_problems *warnings);

#endif
