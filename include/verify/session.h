/* One connection to one server, over libpq's asynchronous calls: made when it is needed, asked one
 * question at a time. It knows no time: whoever asks sets the deadline, and closes. */
#ifndef SEGUE_VERIFY_SESSION_H
#define SEGUE_VERIFY_SESSION_H

#include "base/libpq.h"
#include "verify/classify.h"

struct event_base;
struct session;

enum session_outcome {
	SESSION_ANSWERED, /* the fact has the answer, and the connection stays */
	SESSION_FAILED,   /* the verdict says how; the connection is closed */
	SESSION_ENDED,    /* a connection that had answered is gone: no word about the server yet */
};

/* Once for each session_ask(), never inside it, never after session_close(); SESSION_ENDED also
 * when nothing is asked. `verdict` is NULL but for SESSION_FAILED. */
typedef void session_cb(enum session_outcome outcome, const struct verdict *verdict, void *arg);

/* `pq` and `conninfo` are borrowed. */
struct session *session_create(struct event_base *base, const struct libpq *pq,
                               const char *conninfo, const struct member *member, session_cb *cb,
                               void *arg) MUST_CHECK;
void session_destroy(struct session *session);

/* Connects where there is no connection. `fact` gets what question_parse() writes; it is borrowed
 * until the callback or session_close(). */
void session_ask(struct session *session, struct server_fact *fact);
void session_close(struct session *session); /* whatever is under way */
bool session_connected(const struct session *session);

#endif
