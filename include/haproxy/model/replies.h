/* A reply of HAProxy's runtime socket, line by line and field by field. Borrows the bytes. */
#ifndef SEGUE_HAPROXY_MODEL_REPLIES_H
#define SEGUE_HAPROXY_MODEL_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct span {
	const char *at;
	size_t len;
};

bool span_starts(struct span span, const char *prefix);

/* The first blank-separated field of `rest`, which then starts after it; empty at the end. */
struct span span_field(struct span *rest);

/* What follows `mark` in `span`; false, and nothing written, where `mark` does not occur. */
bool span_after(struct span span, const char *mark, struct span *out);

struct haproxy_reply {
	const char *at, *end;
	bool complete; /* the blank line that ends every reply has been read */
};

/* Err "WHAT: HAProxy answered '...'", with the start of what came instead of the reply to WHAT. */
bool haproxy_reply_unexpected(struct err *err, const char *what, struct span got);
bool haproxy_reply_cut_short(struct err *err, const char *what);

/* HAProxy's replies on the runtime socket as values. Pure; every reply is checked, as HAProxy of
 * another version, or something else at that path, may answer. Management Guide 9.3 "Unix Socket
 * commands". A parser reads the reply to one command, up to the blank line that ends it; without
 * that line it is cut short, which is an error. */

/* One line of `show servers state` (format version 1, the same 25 fields from 2.4 on). */
struct haproxy_live_server {
	char *backend, *name;
	char *address; /* numeric, "" when unset ("-") */
	uint16_t port;
	unsigned operational; /* 0 stopped, 1 starting, 2 running, 3 stopping */
	unsigned admin; /* bits of SRV_ADMF_*: 1 forced maint, 2 inherited maint, 4 maint in config,
	                   8 forced drain, 16 inherited drain, 32 maint by resolution */
	unsigned weight;  /* the effective user weight (srv_uweight) */
	unsigned check;   /* bits of CHK_ST_*: 2 there is a health check, 4 it is enabled */
	bool counted;     /* the two below are known; see haproxy_live_count() */
	uint64_t maxconn; /* 0: no limit */
	uint64_t queued;  /* clients in the queues of the server and of its backend */
};

struct haproxy_live {
	struct haproxy_live_server *servers;
	size_t count;
};

bool haproxy_live_parse(const char *reply, size_t len, struct haproxy_live *out,
                        struct err *err) MUST_CHECK;
void haproxy_live_free(struct haproxy_live *live);

/* Adds what `show stat` says of these servers and their backends; of others it may say anything. */
bool haproxy_live_count(const char *reply, size_t len, struct haproxy_live *live,
                        struct err *err) MUST_CHECK;
const struct haproxy_live_server *haproxy_live_find(const struct haproxy_live *live,
                                                    const char *backend, const char *name);

/* `show info`: what segue needs of it. */
struct haproxy_info {
	char version[64]; /* "2.6.12-1+deb12u4" */
	unsigned major, minor;
	int64_t pid;
	bool stopping; /* an old worker */
};
bool haproxy_info_parse(const char *reply, size_t len, struct haproxy_info *out,
                        struct err *err) MUST_CHECK;

/* Where the sessions of each server may stay. */
struct haproxy_stay {
	char *backend, *server;
	char *here;       /* "ADDRESS:PORT", as HAProxy writes it; "": nowhere */
	bool left_behind; /* see haproxy_expected_judge() */
};

struct haproxy_expected {
	struct haproxy_stay *list; /* sorted by backend and server once `ready` */
	size_t count, capacity;
	bool ready;
};

/* `address` is in its canonical spelling; NULL: every session of the server is stale. */
void haproxy_expected_add(struct haproxy_expected *stays, const char *backend, const char *server,
                          const char *address, uint16_t port);

/* Which backends are left behind in an old worker, where no command changes a server any more: all
 * servers that it has there lead to where no session may stay. Who waits there waits in vain.
 * `live` NULL: none is, as in the current worker. */
void haproxy_expected_judge(struct haproxy_expected *stays, const struct haproxy_live *live);
void haproxy_expected_free(struct haproxy_expected *stays);

#define HAPROXY_SESSIONS_MAX 65536

/* `show sess all`: sessions of a server in `stays` whose connected address is another, and that are
 * established there (not waiting for a connection, in the queue or between retries); and those
 * that wait in a backend that is left behind. */
struct haproxy_sessions {
	uint64_t *ids; /* HAPROXY_SESSIONS_MAX at most */
	size_t count;
	bool more;         /* there were more than that: end these, and ask again */
	size_t waiting;    /* of `ids`, those that wait in a backend that is left behind */
	size_t connecting; /* still on their way to another address, where they may yet arrive:
	                      cleanup again after the connect timeout */
};
void haproxy_sessions_free(struct haproxy_sessions *sessions);

/* Takes the reply in pieces, as it comes: 50,000 sessions are 65 MB. `stays` is borrowed. */
struct haproxy_session_reader;
struct haproxy_session_reader *
haproxy_session_reader_create(struct haproxy_expected *stays) MUST_CHECK;
bool haproxy_session_reader_take(struct haproxy_session_reader *reader, const char *text,
                                 size_t len, struct err *err) MUST_CHECK;

/* Frees the reader; `out` is empty on an error. */
bool haproxy_session_reader_end(struct haproxy_session_reader *reader, struct haproxy_sessions *out,
                                struct err *err) MUST_CHECK;
void haproxy_session_reader_destroy(struct haproxy_session_reader *reader);

/* `show proc` of the master CLI. In a line of several commands for one worker each needs its own
 * "@!PID " in front, or "@!PID" stands alone as the first; the master itself takes the rest. */
struct haproxy_procs {
	int64_t master_pid, worker_pid; /* worker: the newest current one; 0 when there is none */
	int64_t *old_pids;              /* old workers that still run */
	size_t old_count;
	unsigned reloads; /* of the current worker: 0 is the newest */
	unsigned failed;  /* reloads failed, "[failed: N]"; 0 where the version does not say */
};
bool haproxy_procs_parse(const char *reply, size_t len, struct haproxy_procs *out,
                         struct err *err) MUST_CHECK;
void haproxy_procs_free(struct haproxy_procs *procs);

#endif
