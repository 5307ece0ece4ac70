/* The operator's last command for a cluster (segue pin, freeze, release). */
#ifndef SEGUE_DECIDE_OVERRIDE_H
#define SEGUE_DECIDE_OVERRIDE_H

#include <stdint.h>

#include "topology/topology.h"

enum override_kind {
	OVERRIDE_NONE,
	OVERRIDE_PIN,    /* this server is the primary, whatever the store and the servers say */
	OVERRIDE_FREEZE, /* nothing changes: no move, no hold */
};

struct override {
	enum override_kind kind;
	char address[TOPOLOGY_ADDRESS_MAX]; /* PIN: numeric, no brackets */
	uint16_t port;
	char by[64];    /* who gave the command: user@host, "" when not known */
	char since[32]; /* ISO 8601 UTC */
};

#endif
