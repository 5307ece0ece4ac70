/* Finds texts that HAProxy would accept, but that would lead clients nowhere. Pure. */
#ifndef SEGUE_HAPROXY_MODEL_TEXT_CHECK_H
#define SEGUE_HAPROXY_MODEL_TEXT_CHECK_H

#include "base/err.h"
#include "config/config.h"

/* As text_check_leads() and, with `whole`, text_check_judge() (cluster/target_kinds.h). */
bool haproxy_text_leads(const struct config_target *config, bool whole, const char *text,
                        size_t len, const char *address, uint16_t port, struct err *err) MUST_CHECK;

/* As text_check_keeps(). */
bool haproxy_text_keeps(const char *before, size_t before_len, const char *text, size_t len,
                        struct err *err) MUST_CHECK;

#endif
