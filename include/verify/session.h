/* One connection to one server: made when it is needed, asked one question at a time. An answer is
 * one row of a bounded size: whatever else comes ends the connection. Whoever asks sets the
 * deadline, and closes. */
#ifndef SEGUE_VERIFY_SESSION_H
#define SEGUE_VERIFY_SESSION_H

#include "base/libpq.h"
#include "verify/classify.h"

struct event_base;
struct session;

/* What a session asks: one statement, or several of which one has a row, and who reads that row.
 * `answer` is what session_ask() was given. */
struct session_question {
	int columns;
	size_t bytes_max; /* of an answer, with all that comes in between */
	/* Borrowed until the answer. `reduced`: without what a role may be refused, or a server may
	 * lack; asked after such an error, as long as the connection lasts. */
	const char *(*sql)(const void *answer, bool reduced);
	/* NULL in the row is SQL's. On failure `answer` is as it was. */
	bool (*parse)(const char *const *row, void *answer, struct err *err);
};

enum session_outcome {
	SESSION_ANSWERED, /* it is in `answer`, and the connection stays */
	SESSION_FAILED,   /* the verdict says how; the connection is closed */
	SESSION_ENDED,    /* a connection that had answered is gone: no word about the server yet */
	SESSION_SHUT,     /* the server lets nobody in any more (57P03), though the connection
	                     lived: it is shutting down. The verdict has its words; closed */
};

/* Once for each session_ask(), never inside it, never after session_close(); SESSION_ENDED
 * and SESSION_SHUT also when nothing is asked. `verdict` is NULL with ANSWERED and ENDED. */
typedef void session_cb(enum session_outcome outcome, const struct verdict *verdict, void *arg);

/* `pq`, `question` and `conninfo` are borrowed. */
struct session *session_create(struct event_base *base, const struct libpq *pq,
                               const struct session_question *question, const char *conninfo,
                               const struct member *member, session_cb *cb, void *arg) MUST_CHECK;
void session_destroy(struct session *session);

/* Connects where there is no connection. `answer` gets what the question's parse() writes; it is
 * borrowed until the callback or session_close(). */
void session_ask(struct session *session, void *answer);

/* To be called after an answer. When the connection is older than that, another one is made beside
 * it, which takes its place as soon as it is there: this is how a smart shutdown is seen. Any
 * failure but 57P03 changes nothing, and it is tried again as much later. */
#define SESSION_LIFE_MS 5000
void session_renew(struct session *session);
void session_close(struct session *session); /* whatever is under way */
bool session_connected(const struct session *session);

#endif
