/* Parses the replies of HAProxy's runtime API into values. Checks every reply, as another version
 * of HAProxy, or another program at that path, may answer. Pure. Management Guide 9.3 "Unix Socket
 * commands". */
#ifndef SEGUE_HAPROXY_MODEL_REPLIES_H
#define SEGUE_HAPROXY_MODEL_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* --- lines and fields --- */

/* A part of a reply; the bytes are borrowed. */
struct span {
	const char *at;
	size_t len;
};

bool span_is(struct span span, const char *text);
bool span_starts(struct span span, const char *prefix);

/* Returns the first field of `rest`, and removes it from `rest`. Fields are separated by blanks.
 * Empty at the end. */
struct span span_field(struct span *rest);

/* Sets `out` to what follows `mark` in `span`. False: no `mark`; `out` is not written. */
bool span_after(struct span span, const char *mark, struct span *out);

/* Sets the error "WHAT: HAProxy answered ...", with the start of `got`. Both return false. */
bool haproxy_reply_unexpected(struct err *err, const char *what, struct span got);
bool haproxy_reply_cut_short(struct err *err, const char *what);

/* --- replies --- */

/* A parser reads the reply to one command, up to the empty line that ends it. A reply without that
 * line is cut short, which is an error. */

enum haproxy_admin { /* SRV_ADMF_* of HAProxy */
	             HAPROXY_ADMIN_FORCED_MAINT = 1,
	             HAPROXY_ADMIN_CONFIG_MAINT = 4,
	             HAPROXY_ADMIN_FORCED_DRAIN = 8,
	             HAPROXY_ADMIN_MAINT =
	                 1 | 2 | 32, /* forced, inherited, or by name resolution */
};

enum haproxy_check { /* CHK_ST_* of HAProxy */
	             HAPROXY_CHECK_CONFIGURED = 2,
	             HAPROXY_CHECK_ENABLED = 4,
};

/* One line of `show servers state` (format version 1, the same 25 fields from 2.4 on). */
struct haproxy_live_server {
	char *backend, *name;
	char *address; /* numeric, "" when unset ("-") */
	uint16_t port;
	unsigned operational; /* 0 stopped, 1 starting, 2 running, 3 stopping */
	unsigned admin;       /* bits of enum haproxy_admin */
	unsigned weight;      /* the effective user weight (srv_uweight) */
	unsigned check;       /* bits of enum haproxy_check */
	bool counted;         /* maxconn and queued are known; see haproxy_live_count() */
	uint64_t maxconn;     /* 0: no limit */
	uint64_t queued;      /* clients in the queue of the server and in that of its backend */
};

struct haproxy_live {
	struct haproxy_live_server *servers;
	size_t count;
};

bool haproxy_live_parse(const char *reply, size_t len, struct haproxy_live *out,
                        struct err *err) MUST_CHECK;
void haproxy_live_free(struct haproxy_live *live);

/* Sets maxconn and queued of the servers in `live` from `show stat`; ignores all other servers. */
bool haproxy_live_count(const char *reply, size_t len, struct haproxy_live *live,
                        struct err *err) MUST_CHECK;

/* As haproxy_config_find(); `hint` may be NULL. */
const struct haproxy_live_server *haproxy_live_find(const struct haproxy_live *live,
                                                    const char *backend, const char *name,
                                                    size_t *hint);

/* What segue needs of `show info`. */
struct haproxy_info {
	char version[64]; /* "2.6.12-1+deb12u4" */
	unsigned major, minor;
	int64_t pid;
	bool stopping; /* it is an old worker */
};
bool haproxy_info_parse(const char *reply, size_t len, struct haproxy_info *out,
                        struct err *err) MUST_CHECK;

/* The address at which existing sessions of a server must not be killed. */
struct haproxy_stay {
	char *backend, *server;
	char *here;       /* "ADDRESS:PORT", as HAProxy writes it; "": no address */
	bool left_behind; /* see haproxy_expected_judge() */
};

struct haproxy_expected {
	struct haproxy_stay *list; /* sorted by backend and server once `ready` */
	size_t count, capacity;
	bool ready;
};

/* `address`: as haproxy_address_canonical() spells it; NULL: every session of the server is stale.
 */
void haproxy_expected_add(struct haproxy_expected *stays, const char *backend, const char *server,
                          const char *address, uint16_t port);

/* Finds the backends that are left behind in an old worker, where no command can change a server
 * any more: all their servers that are not in maintenance have an address at which no session may
 * stay. Clients that wait there would never get through. `live`: the servers of that worker; NULL:
 * no backend is left behind, as in the current worker. */
void haproxy_expected_judge(struct haproxy_expected *stays, const struct haproxy_live *live);
void haproxy_expected_free(struct haproxy_expected *stays);

#define HAPROXY_SESSIONS_MAX 65536

/* The sessions in `show sess all` that must end: those that are connected to a server in `stays` at
 * another address (not those that are connecting, in the queue or between retries), and those that
 * wait in a backend that is left behind. */
struct haproxy_sessions {
	uint64_t *ids; /* HAPROXY_SESSIONS_MAX at most */
	size_t count;
	bool more;         /* there are more than these: end these, then ask again */
	size_t waiting;    /* how many of `ids` wait in a backend that is left behind */
	size_t connecting; /* still connecting to another address, and may succeed: repeat the
	                      cleanup after the connect timeout */
};
void haproxy_sessions_free(struct haproxy_sessions *sessions);

/* Parses the reply in the pieces in which it arrives: that of 50,000 sessions has 65 MB. `stays` is
 * borrowed. */
struct haproxy_session_reader;
struct haproxy_session_reader *
haproxy_session_reader_create(struct haproxy_expected *stays) MUST_CHECK;
bool haproxy_session_reader_take(struct haproxy_session_reader *reader, const char *text,
                                 size_t len, struct err *err) MUST_CHECK;

/* Frees the reader. On an error `out` is empty. */
bool haproxy_session_reader_end(struct haproxy_session_reader *reader, struct haproxy_sessions *out,
                                struct err *err) MUST_CHECK;
void haproxy_session_reader_destroy(struct haproxy_session_reader *reader);

/* `show proc` of the master CLI. In a line of several commands for one worker, each command needs
 * its own prefix "@!PID ", or "@!PID" stands alone as the first command. The master runs commands
 * without a prefix itself. */
struct haproxy_procs {
	int64_t master_pid, worker_pid; /* worker: the newest current one; 0: there is none */
	int64_t *old_pids;              /* old workers that still run */
	size_t old_count;
	unsigned reloads; /* of the current worker: 0 is the newest */
	unsigned failed;  /* failed reloads, "[failed: N]"; 0 if the version does not report it */
};
bool haproxy_procs_parse(const char *reply, size_t len, struct haproxy_procs *out,
                         struct err *err) MUST_CHECK;
void haproxy_procs_free(struct haproxy_procs *procs);

#endif
