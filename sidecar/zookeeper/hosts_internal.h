/* The `hosts` setting: "host:port,host:port/chroot" -> hosts, and their numeric addresses -> the
 * connect string that libzookeeper takes. Pure. */
#ifndef SEGUE_ZOOKEEPER_HOSTS_INTERNAL_H
#define SEGUE_ZOOKEEPER_HOSTS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "topology/topology.h"

#define ZK_HOSTS_MAX          64
#define ZK_PORT_DEFAULT       2181
#define ZK_HOST_ADDRESSES_MAX 16   /* of one name */
#define ZK_HOSTS_CHROOT_MAX   1024 /* bytes, with the NUL */

struct zk_host {
	char host[TOPOLOGY_HOST_MAX]; /* a name or an address, no brackets */
	uint16_t port;
	bool numeric; /* its one address is known from the start */
	char addresses[ZK_HOST_ADDRESSES_MAX][TOPOLOGY_ADDRESS_MAX]; /* no brackets */
	size_t address_count;                                        /* 0: until resolved */
};

struct zk_hosts {
	struct zk_host *hosts; /* owned */
	size_t count;
	char chroot[ZK_HOSTS_CHROOT_MAX]; /* "" or "/a/b" */
};

/* IPv6 addresses stand in brackets; the port may be left out. The error names the part that is
 * wrong. `out` is initialised by the call and, on success only, to be ended with zk_hosts_free().
 */
bool zk_hosts_parse(const char *text, struct zk_hosts *out, struct err *err) MUST_CHECK;
void zk_hosts_free(struct zk_hosts *hosts);

/* Appends "address:port,...[/chroot]" of all known addresses, the first one twice
 * where the number would be even: with an even number libzookeeper tries only every other host
 * (ZOOKEEPER-2466). Returns how many entries that are; 0: nothing appended. */
size_t zk_hosts_connect_string(const struct zk_hosts *hosts, struct strbuf *out);

#endif
