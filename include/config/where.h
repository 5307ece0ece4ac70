/* Where something stands in segue.ini, for messages about what is only found out later. */
#ifndef SEGUE_CONFIG_WHERE_H
#define SEGUE_CONFIG_WHERE_H

#include "config.h"

/* Puts "FILE line N" in front of an error that begins with "var.NAME: ", as view_compile() makes
 * them. False: it is another one, and stays as it is. */
bool config_place_var(const struct config *config, const struct config_target *target,
                      struct err *err);

#endif
