/* Reads names and addresses as HAProxy spells them, and checks that they can stand in a command of
 * the runtime API. Refuses host names, which HAProxy would resolve at start. Pure. Configuration
 * Manual 11.1. */
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

/* Splits the address word of a server line. */
enum haproxy_address_kind haproxy_address_read(const char *word, char **address, uint16_t *port,
                                               struct err *err) MUST_CHECK;

/* Skips the prefix of an address ("ipv4@") and returns the family of what follows: AF_INET,
 * AF_INET6, AF_UNSPEC for an IP of either, AF_UNIX for a socket, before which "/" or "abns@" stays.
 * -1: another kind of address. */
int haproxy_address_family(const char **text);

/* Splits `text` at the last colon, as HAProxy does, and removes brackets around *host. Returns the
 * port; "": there is none. */
const char *haproxy_address_split(char *text, const char **host);

/* Returns a numeric address as inet_ntop(3) spells it; caller frees. NULL: `text` is not a numeric
 * address. */
char *haproxy_address_canonical(const char *text) MUST_CHECK;

/* True when HAProxy accepts `name` as the name of a proxy or a server. */
bool haproxy_name_is_valid(const char *name);

#endif
