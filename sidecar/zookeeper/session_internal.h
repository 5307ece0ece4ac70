/* What session.c (the loop), session.c (its states), session.c (the library), read.c (the
 * watched nodes), read.c (their requests) and zk_child_search.c (their ephemeral children)
 * share. Nobody else includes it. */
#ifndef SEGUE_ZOOKEEPER_SESSION_INTERNAL_H
#define SEGUE_ZOOKEEPER_SESSION_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <zookeeper/zookeeper.h>

#include "base/strbuf.h"
#include "hosts_internal.h"
#include "zookeeper/resolver.h"
#include "zookeeper/session.h"

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
	ZK_RESOLVING,  /* no handle; host names are being resolved, for a second if any is known */
	ZK_WAITING,    /* no connection and none tried until the deadline (back-off) */
	ZK_CONNECTING, /* TCP connect and session handshake, until the deadline */
	ZK_SYNCING,    /* a session, but nothing that is read is believed before sync is answered */
	ZK_SYNCED,     /* what is read is the truth */
};

struct zk_lookup { /* one host name being resolved */
	struct zk *zk;
	size_t index;
	struct resolver_query *query;
};

struct zk {
	struct event_base *base;
	struct resolver *resolver;
	struct event event; /* one-shot, made anew each time: fd numbers are reused */
	int64_t ran_ms;     /* when the loop last came here: a long gap is a pause */

	/* the configuration */
	struct zk_hosts hosts;
	size_t tries_per_round; /* entries of the connect string */
	int session_timeout_ms;
	char *auth_scheme, *auth_cert; /* NULL without auth */

	/* the connection */
	zhandle_t *handle;
	int fd;         /* -1: no attempt has begun */
	short interest; /* POLLIN, POLLOUT */
	enum zk_state state;
	int64_t deadline_ms;
	char server[ZK_SERVER_MAX]; /* the one connected or being tried */
	unsigned failures;          /* in a row, since a connection that lasted */
	int64_t lost_ms;   /* since when there is no session that works; reset by a new handle */
	int64_t synced_ms; /* when this connection was synced first */
	int64_t down_ms;   /* since when there is no connection, for the log */
	int64_t complained_ms; /* when the log last heard of it; 0: not yet */
	bool announced;        /* the log has heard of this connection */
	struct zk_lookup lookups[ZK_HOSTS_MAX];
	unsigned syncs;    /* not answered yet */
	char trouble[160]; /* why the library dropped the connection, when it said so */
	char description[512];

	/* the requests */
	uint64_t epoch;     /* a reply to a request of another epoch is not believed */
	unsigned in_flight; /* requests without a reply */
	int64_t heard_ms;   /* the last reply, or when the oldest request without one was sent */
	int64_t probe_ms;   /* when the next probe is due */
	size_t probe_next;  /* index of the node whose turn it is */

	/* The nodes. Every node stays until the handle is closed, also when nobody watches it any
	 * more: the library keeps pointers to it. */
	struct zk_node **nodes;
	size_t node_count, unwatched;
	struct zk_node *queue, **queue_end; /* to be read */

	struct zk_write *writes; /* waiting, or sent and not answered */
};

#define ZK_CHILD_SEARCH_BATCH 100 /* children that are asked for at once */

/* The search for the ephemeral ones among a node's children: see zk_child_search.c. */
struct zk_child_search {
	struct zk_child { /* one request of a batch: the library gives it back with the reply */
		struct zk_node *node;
		size_t name; /* where in `names` */
	} batch[ZK_CHILD_SEARCH_BATCH];
	struct strbuf names;  /* to be asked for: each ends with a NUL */
	size_t next;          /* where in `names` the next batch begins */
	size_t slice, slices; /* names in so many parts: this one is being asked for */
	struct strbuf live;   /* the ephemeral ones that were found last: asked for first */
	struct strbuf found;  /* ... and those of the present search */
};

struct zk_node {
	struct zk *zk;
	char *path;
	enum zk_watch_flags flags;
	size_t max_size;
	zk_node_cb *cb; /* NULL: nobody watches it any more */
	void *arg;
	struct zk_node_fact fact; /* as told last; data is NULL */
	int64_t pzxid;            /* of the last child made or gone */
	bool told;                /* cb has been called */
	bool suspect;             /* the last read failed: read again with the next probe */
	struct strbuf problem;    /* of `fact` */

	struct zk_node *next; /* in the queue */
	bool queued;
	int64_t queued_us; /* when the reason for the next read arrived */

	/* the read under way */
	unsigned pending;    /* replies that are not there yet */
	int64_t notified_us; /* when its reason arrived */
	uint64_t read_epoch;
	bool asked_exists; /* the watch covers an absent node, too */
	bool again;        /* another event came in: read once more */
	int read_rc;       /* what makes the fact; ZOK, ZNONODE or the first failure */
	struct Stat stat;
	int ephemerals;
	struct zk_child_search *children; /* ZK_WATCH_CHILDREN, once it had any; NULL: none yet */
};

/* session.c */
void zk_wake(struct zk *zk); /* the loop comes by at once */

/* session.c */
bool zk_session_up(const struct zk *zk); /* requests can be sent */
int64_t zk_session_timeout(const struct zk *zk);
/* session.c: never called inside a callback of the library */
bool zk_handle_open(const struct zk *zk);
/* read.c */
void zk_nodes_refresh(struct zk *zk);      /* queues all of them */
void zk_nodes_disconnected(struct zk *zk); /* tells that their facts are not current */
void zk_nodes_forget(struct zk *zk, bool all);
/* read.c */
void zk_read_queued(struct zk *zk);
void zk_read_probe(struct zk *zk);                   /* when due */
int64_t zk_read_probe_interval(const struct zk *zk); /* ms, with jitter */
void zk_reply(struct zk *zk, int rc);                /* every completion begins with it */
bool zk_sent(struct zk *zk, int rc); /* every request ends with it; false: it was not sent */

/* For zk_child_search.c: a request of the read is sent, or not. */
void zk_read_ask(struct zk_node *node, int rc);
void zk_read_names(struct zk_node *node); /* the children's names once more */
/* A reply of the read is here. False: it is of no use, as it was asked for in another epoch. */
bool zk_read_replied(struct zk_node *node, int rc);
void zk_read_go_on(struct zk_node *node, int rc); /* after it, with what it means for the read */

/* zk_child_search.c */
void zk_child_search_begin(struct zk_node *node); /* a read begins */
/* The names are there: the first batch is asked for. */
void zk_child_search_named(struct zk_node *node, const struct String_vector *names);
/* No reply is missing: asks for the next ones, if the search goes on. True: it has sent something.
 */
bool zk_child_search_more(struct zk_node *node);
void zk_child_search_free(struct zk_node *node);

/* write.c */
void zk_writes_step(struct zk *zk); /* gives up what is due, sends what can be sent */
void zk_writes_lost(struct zk *zk); /* the connection of all that was sent is gone */
int64_t zk_writes_deadline(const struct zk *zk);
void zk_writes_silence(struct zk *zk); /* no callback any more */
void zk_writes_flush(struct zk *zk);  /* sends what nobody waits for, if that can be done at once */
void zk_writes_forget(struct zk *zk); /* the handle is closed: frees all */

#endif
