/* Names and addresses as HAProxy spells them, checked so that they can stand in a command. Pure.
 * Configuration Manual 11.1; its "host names resolved at start" are refused. */
#ifndef SEGUE_HAPROXY_MODEL_ADDRESS_H
#define SEGUE_HAPROXY_MODEL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum haproxy_address_kind {
	HAPROXY_ADDRESS_BAD,   /* `err` is set */
	HAPROXY_ADDRESS_IP,    /* address (caller frees) and port are set */
	HAPROXY_ADDRESS_OTHER, /* a unix socket, an inherited descriptor, ... */
};

/* Takes apart the address word of a server line. */
enum haproxy_address_kind haproxy_address_read(const char *word, char **address, uint16_t *port,
                                               struct err *err) MUST_CHECK;

/* The one spelling that inet_ntop(3) gives to a numeric address, caller frees; NULL when `text` is
 * none. */
char *haproxy_address_canonical(const char *text) MUST_CHECK;

/* True for what HAProxy takes as name of a proxy or a server. */
bool haproxy_name_is_valid(const char *name);

#endif
