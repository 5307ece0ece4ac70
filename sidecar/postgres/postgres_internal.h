#ifndef SEGUE_POSTGRES_POSTGRES_INTERNAL_H
#define SEGUE_POSTGRES_POSTGRES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/util.h"
#include "config/config.h"
#include "postgres/libpq.h"
#include "topology/facts.h"
#include "topology/topology.h"

struct event_base;

struct pg_address {
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_storage tcp;
	};
	socklen_t len;
};

/* `text`: numeric, or the directory of a unix socket. False: it is neither, or too long. */
bool pg_address_parse(const char *text, uint16_t port, struct pg_address *out) MUST_CHECK;

/* Scans what a PostgreSQL server sends before libpq reads it. Pure. Only the message headers are
 * read, and the number of iterations in the first message of SCRAM: libpq would compute them and
 * block the event loop. Encrypted bytes cannot be scanned. */

#define PQ_ITERATIONS_MAX 100000 /* of SCRAM, about 50 ms; PostgreSQL's default is 4096 */
#define PQ_PARAMETERS_MAX 500    /* of one connection: libpq never frees the names */

struct pq_scan {
	enum pq_scan_state {
		PQ_SCAN_HEAD,      /* between two messages, or in the five bytes of a header */
		PQ_SCAN_BODY,      /* in the body of a message */
		PQ_SCAN_TLS_REPLY, /* one byte: whether TLS follows */
		PQ_SCAN_OPAQUE,    /* encrypted */
	} state;
	unsigned char head[5];
	size_t head_len;
	size_t left;    /* bytes of the body that have not come yet */
	char body[512]; /* the first bytes, if the message is about authentication */
	size_t body_len;
	unsigned parameters;
};

/* `state`: what comes first. */
void pq_scan_init(struct pq_scan *scan, enum pq_scan_state state);

/* Scans the next bytes. False: these bytes and all that follow must not be read. */
bool pq_scan_take(struct pq_scan *scan, const void *bytes, size_t len, struct err *err) MUST_CHECK;

/* The relay between libpq and its connection. libpq reads whatever comes, as long as it comes, into
 * memory that grows to the length that a message claims. Therefore libpq gets a socket pair in
 * place of its socket. Through it comes a limited number of bytes, a few kB per loop iteration, and
 * they are scanned first. TLS passes unchanged. */

struct pq_relay;

/* Something has come to where libpq reads it. The relay may be destroyed in it. */
typedef void pq_relay_cb(void *arg);

/* `fd` is libpq's socket: connected, nothing read from it yet, and without an event. The number
 * stays the same, and leads through the relay from now on. `first`: what comes first. */
struct pq_relay *pq_relay_insert(struct event_base *base, int fd, enum pq_scan_state first,
                                 pq_relay_cb *cb, void *arg, struct err *err) MUST_CHECK;
/* False: libpq has opened another socket under this number, or `fd` is another number. */
bool pq_relay_is_of(const struct pq_relay *relay, int fd);
/* Call this after PQfinish(): sends what libpq has written, as far as possible without waiting. */
void pq_relay_destroy(struct pq_relay *relay);

/* Sends what libpq has written now, not in the next loop iteration. */
void pq_relay_send(struct pq_relay *relay);

/* From now on the other end may send `bytes`. After these, or after bytes that the scan refuses,
 * libpq sees the end of the connection. */
void pq_relay_allow(struct pq_relay *relay, size_t bytes);
/* Why the relay ended the connection; NULL if it did not. */
const char *pq_relay_problem(const struct pq_relay *relay);

/* Asks one server again and again over one open connection. postgres/verifier.h says how often. */

struct probe;

/* Called after each attempt, and from inside probe_lose() and probe_note_end(), but from inside no
 * other function here. The probe must not be destroyed in it. `before`: the previous fact.
 * `awaited`: this is the first attempt that was started after probe_hurry(). */
typedef void probe_cb(const struct probe *probe, const struct server_fact *before, bool awaited,
                      void *arg);

/* The first question is asked in the next loop iteration. `pq` and `config` are borrowed, `member`
 * is copied. `problem`: why libpq cannot be used: it becomes the fact of a server that is never
 * asked; NULL: none. */
struct probe *probe_create(struct event_base *base, const struct libpq *pq,
                           const struct config_cluster *config, const struct member *member,
                           const char *problem, probe_cb *cb, void *arg) MUST_CHECK;
void probe_destroy(struct probe *probe); /* NULL is fine */

/* Sets what the server last answered before a reload. Call this before the first question. */
void probe_recall(struct probe *probe, const struct server_fact *before);

/* The caller has found that no process listens there any more. It has the effect of an attempt that
 * was refused right after the open connection had ended. `problem`: how it was found. */
void probe_lose(struct probe *probe, const char *problem);
/* Another connection to the server has ended, which the caller watches. If one more, or the probe's
 * own, has ended within PROBE_TOGETHER_US, the loss of the server is proven without waiting for a
 * refusal, which takes a round trip. A server that is alive (something between was restarted)
 * answers the next attempt. */
#define PROBE_TOGETHER_US INT64_C(1000)
void probe_note_end(struct probe *probe);
/* As verifier_hurry(); `slowly`: as verifier_attend(). */
void probe_hurry(struct probe *probe, bool slowly);
const struct server_fact *probe_fact(const struct probe *probe);

/* Connections to the primary that never send anything. When a postmaster dies, its child processes
 * learn it from a pipe, and Linux wakes the most recently forked ones first. Observed: in most
 * deaths the newest of three such connections ends before all sessions of the server, and in all
 * deaths one of the three does. So a PgBouncer can be paused before the last of its own server
 * connections is gone and it rejects clients.
 *
 * Each connection costs the server a process that waits for a startup packet (PostgreSQL manual,
 * 55.2.1), for at most TRIPWIRE_LIFE_MS, which is shorter than authentication_timeout. It takes no
 * connection slot and no login. With log_connections = on it writes a line to the server's log. */

#define TRIPWIRES_MAX    8
#define TRIPWIRE_LIFE_MS 30000

struct tripwire;

enum tripwire_news {
	/* The server ended a connection that was open. This alone proves nothing. */
	TRIPWIRE_ENDED,
	/* The same, and the connection that was tried right after was refused: no process listens
	 * there any more. Nothing more is reported until tripwire_arm(). */
	TRIPWIRE_REFUSED,
};

/* Called from the event loop, never from inside a function below. The tripwire may be destroyed in
 * it. */
typedef void tripwire_cb(enum tripwire_news news, void *arg);

/* `count`: how many connections, 1 to TRIPWIRES_MAX, to the numeric address of `member`. None is
 * opened before tripwire_arm(). */
struct tripwire *tripwire_create(struct event_base *base, const struct member *member,
                                 unsigned count, tripwire_cb *cb, void *arg) MUST_CHECK;
void tripwire_destroy(struct tripwire *tripwire); /* NULL is fine */

/* Call this after each answer in which the server accepts writes. Opens one of the connections that
 * are missing, and replaces the oldest when it is due. It never opens all at once: a time limit
 * (authentication_timeout, a firewall's) would end them together, which looks like a death. */
void tripwire_arm(struct tripwire *tripwire);
/* Call this after any other answer, and after none. Closes the connections, because a server that
 * shuts down would wait for them. */
void tripwire_disarm(struct tripwire *tripwire);

#endif
