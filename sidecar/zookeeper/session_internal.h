/* The types and functions that the files of this folder share. No other file includes it. */
#ifndef SEGUE_ZOOKEEPER_SESSION_INTERNAL_H
#define SEGUE_ZOOKEEPER_SESSION_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "topology/topology.h"
#include "zookeeper/resolver.h"
#include "zookeeper/session.h"

/* Parses the `hosts` setting, "host:port,host:port/chroot", and builds libzookeeper's connect
 * string from the numeric addresses of the hosts. Pure. */

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

#define ZK_SERVER_MAX 64 /* "[v6 address]:port" */

/*
 *  RESOLVING --address--> CONNECTING --session--> SYNCING --sync answered--> SYNCED
 *   ^    |                 ^      |                |   ^                     |   |
 *   |    | no address      |      | failed         |   +---- was paused -----+   |
 *   |    v                 |      v                v                             |
 *   +- WAITING ------------+   WAITING <-----------+------ connection lost ------+
 *  no handle    handle kept
 */
enum zk_state {
	ZK_RESOLVING,  /* no handle; host names are being resolved: RESOLVE_MS if any is known */
	ZK_WAITING,    /* no connection; the next attempt begins at the deadline (back-off) */
	ZK_CONNECTING, /* TCP connect and session handshake, until the deadline */
	ZK_SYNCING,    /* a session, but no value is trusted before the sync is answered */
	ZK_SYNCED,     /* values that are read are current */
};

struct zk_lookup { /* one host name being resolved */
	struct zk *zk;
	size_t index;
	struct resolver_query *query;
};

struct zk {
	struct event_base *base;
	struct resolver *resolver;
	struct event event; /* one-shot, assigned again each time: fd numbers are reused */
	int64_t ran_ms;     /* when run() last ran; a long gap means that the process was paused */

	/* the configuration */
	struct zk_hosts hosts;
	size_t tries_per_round; /* entries of the connect string */
	int session_timeout_ms;
	char *user; /* "user:password" for the scheme digest; NULL: without authentication */

	/* the connection */
	zhandle_t *handle;
	int fd;         /* -1: no attempt has begun */
	short interest; /* POLLIN, POLLOUT */
	enum zk_state state;
	int64_t deadline_ms;
	char server[ZK_SERVER_MAX]; /* the server connected to or being tried */
	unsigned failures;          /* in a row, since a connection that lasted STABLE_MS */
	int64_t lost_ms;   /* since when there is no working session; a new handle resets it */
	int64_t synced_ms; /* when this connection was first synced */
	int64_t down_ms;   /* since when there is no connection, for the log */
	int64_t outage_logged_ms; /* when the outage was logged last; 0: not yet */
	bool announced;           /* store_connected was logged for this connection */
	struct zk_lookup lookups[ZK_HOSTS_MAX];
	unsigned syncs;    /* sync requests without an answer */
	char trouble[160]; /* why the library dropped the connection; "" when not known */
	char description[512];

	/* the requests */
	uint64_t epoch;     /* a reply to a request of another epoch is not trusted */
	unsigned in_flight; /* requests without a reply */
	int64_t replied_ms; /* last reply, or first request sent while none was in flight */
	int64_t probe_ms;   /* when the next probe is due */
	size_t probe_next;  /* index of the node to probe next */

	/* Every node stays in memory until the handle is closed, even when nobody watches it any
	 * more, because the library keeps pointers to it. */
	struct zk_node **nodes;
	size_t node_count, unwatched;
	struct zk_node *queue, **queue_end; /* nodes to be read */

	struct zk_write *writes; /* waiting, or sent and not answered */
};

struct zk_node {
	struct zk *zk;
	char *path;
	enum zk_watch_flags flags;
	size_t max_size;
	zk_node_cb *cb; /* NULL: nobody watches it any more */
	void *arg;
	struct zk_node_fact fact; /* as reported last; data is NULL */
	int64_t pzxid;            /* zxid of the last creation or deletion of a child */
	bool reported;            /* cb has been called */
	bool read_failed;         /* the last read; it is repeated with the next probe */
	struct strbuf problem;    /* of `fact` */

	struct zk_node *next; /* in the queue */
	bool queued;
	int64_t queued_us; /* when the reason for the next read arrived */

	/* the read under way */
	unsigned pending;    /* replies that have not arrived yet */
	int64_t notified_us; /* when the reason for it arrived */
	uint64_t read_epoch;
	bool asked_exists; /* exists was requested too, so the watch covers an absent znode */
	bool again;        /* another event arrived: read once more afterwards */
	int read_rc;       /* the result: ZOK, ZNONODE or the first failure */
	struct Stat stat;
	int ephemerals;
	struct zk_child_search *children; /* ZK_WATCH_CHILDREN only; NULL: never had a child */
};

/* --- session.c --- */

bool zk_auth_check(const char *auth, struct err *err) MUST_CHECK; /* "digest user:password" */
void zk_wake(struct zk *zk);                     /* runs the session in the next turn of the loop */
bool zk_session_up(const struct zk *zk);         /* requests can be sent */
int64_t zk_session_timeout(const struct zk *zk); /* ms; as negotiated, once there is a handle */
bool zk_handle_open(const struct zk *zk);        /* the library holds an open socket */

/* --- read.c --- */

void zk_nodes_refresh(struct zk *zk);                /* queues a read of every node */
void zk_nodes_disconnected(struct zk *zk);           /* reports every fact as not current */
void zk_nodes_forget(struct zk *zk, bool all);       /* frees unwatched nodes, or all of them */
void zk_read_queued(struct zk *zk);                  /* starts the queued reads */
void zk_read_probe(struct zk *zk);                   /* sends the probes that are due */
int64_t zk_read_probe_interval(const struct zk *zk); /* ms, with jitter */
void zk_reply(struct zk *zk, int rc);                /* every completion calls it first */
/* Every request calls it with the library's return code. False: the request was not sent. */
bool zk_sent(struct zk *zk, int rc);

/* For child_search.c. Counts a request of the read; `rc` is what the library returned for it. */
void zk_read_ask(struct zk_node *node, int rc);
void zk_read_names(struct zk_node *node); /* requests the names of the children again */
/* Counts a reply of the read. False: it must not be used, as its request is of another epoch. */
bool zk_read_replied(struct zk_node *node, int rc);
/* To be called after zk_read_replied(); `rc` is what the reply means for the read. */
void zk_read_go_on(struct zk_node *node, int rc);

/* --- child_search.c --- */

void zk_child_search_begin(struct zk_node *node); /* to be called when a read begins */
/* The names have arrived: sends the first batch. */
void zk_child_search_named(struct zk_node *node, const struct String_vector *names);
/* All replies have arrived: continues the search, unless it is over. True: it has made requests. */
bool zk_child_search_more(struct zk_node *node);
void zk_child_search_free(struct zk_node *node);

/* --- write.c --- */

/* Ends requests that are past their deadline, then sends those that wait. */
void zk_writes_step(struct zk *zk);
void zk_writes_lost(struct zk *zk); /* ends the requests sent on a connection that is gone */
int64_t zk_writes_deadline(const struct zk *zk);
void zk_writes_silence(struct zk *zk); /* removes all callbacks */
/* Sends the requests without a callback, if that is possible at once. */
void zk_writes_flush(struct zk *zk);
void zk_writes_forget(struct zk *zk); /* frees all requests; the handle must be closed */

#endif
