/* Parses the `hosts` setting, "host:port,host:port/chroot", and builds libzookeeper's connect
 * string from the numeric addresses of the hosts. Pure. */
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
#define ZK_HOST_ADDRESSES_MAX 16   /* per name */
#define ZK_HOSTS_CHROOT_MAX   1024 /* bytes, with the NUL */

struct zk_host {
	char host[TOPOLOGY_HOST_MAX]; /* a name or an address, no brackets */
	uint16_t port;
	bool numeric; /* `host` is an address, the only one in `addresses` */
	char addresses[ZK_HOST_ADDRESSES_MAX][TOPOLOGY_ADDRESS_MAX]; /* no brackets */
	size_t address_count;                                        /* 0: until resolved */
};

struct zk_hosts {
	struct zk_host *hosts; /* owned */
	size_t count;
	char chroot[ZK_HOSTS_CHROOT_MAX]; /* "" or "/a/b" */
};

/* IPv6 addresses need brackets; the port is optional. The error names the part that is wrong. `out`
 * is initialised by the call, and after success only it has to be freed with zk_hosts_free(). */
bool zk_hosts_parse(const char *text, struct zk_hosts *out, struct err *err) MUST_CHECK;
void zk_hosts_free(struct zk_hosts *hosts);

/* Appends "address:port,...[/chroot]" with all known addresses. If their number is even, the first
 * one is appended once more, because with an even number libzookeeper tries only every other host
 * (ZOOKEEPER-2466). Returns the number of entries; 0: nothing was appended. */
size_t zk_hosts_connect_string(const struct zk_hosts *hosts, struct strbuf *out);

#endif
