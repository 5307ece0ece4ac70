/* Sections and entries -> struct config, section by section: values and defaults by the table.
 * What one section cannot show (names that must exist elsewhere) is checked in config.c. */
#ifndef SEGUE_CONFIG_BUILD_H
#define SEGUE_CONFIG_BUILD_H

#include "config.h"
#include "config/parse.h"

/* `config` is zeroed but for `file`. The clusters and targets come out in the order of their
 * sections, one for each section of a known kind, whatever is wrong with it; no string is NULL. */
void config_build(const struct config_document *document, struct config *config,
                  struct config_problems *errors);

#endif
