/* libpq, loaded when the first console or probe is created, not before: with OpenSSL, Kerberos and
 * LDAP it takes 5 MB of resident memory, which a sidecar with neither of the two does not need. The
 * prototypes are those of libpq-fe.h, so the compiler checks every call. */
#ifndef SEGUE_POSTGRES_LIBPQ_H
#define SEGUE_POSTGRES_LIBPQ_H

#include <libpq-fe.h>

#include "base/err.h"

#define LIBPQ_FILE "libpq.so.5"

#define LIBPQ_FUNCTIONS(X)                            \
	X(conninfo_parse, PQconninfoParse)            \
	X(conninfo_free, PQconninfoFree)              \
	X(free_memory, PQfreemem)                     \
	X(connect_start, PQconnectStart)              \
	X(connect_start_params, PQconnectStartParams) \
	X(connect_poll, PQconnectPoll)                \
	X(needs_password, PQconnectionNeedsPassword)  \
	X(ssl_struct, PQsslStruct)                    \
	X(set_verbosity, PQsetErrorVerbosity)         \
	X(finish, PQfinish)                           \
	X(status, PQstatus)                           \
	X(socket, PQsocket)                           \
	X(error_message, PQerrorMessage)              \
	X(set_nonblocking, PQsetnonblocking)          \
	X(set_notice_receiver, PQsetNoticeReceiver)   \
	X(send_query, PQsendQuery)                    \
	X(flush, PQflush)                             \
	X(consume_input, PQconsumeInput)              \
	X(is_busy, PQisBusy)                          \
	X(notifies, PQnotifies)                       \
	X(get_result, PQgetResult)                    \
	X(result_status, PQresultStatus)              \
	X(result_error_field, PQresultErrorField)     \
	X(result_error_message, PQresultErrorMessage) \
	X(rows, PQntuples)                            \
	X(columns, PQnfields)                         \
	X(column_name, PQfname)                       \
	X(value, PQgetvalue)                          \
	X(is_null, PQgetisnull)                       \
	X(clear, PQclear)

struct libpq {
#define LIBPQ_MEMBER(member, function) __typeof__ (&(function))(member);
	LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
	/* OpenSSL's SSL_peek() from the library that libpq itself uses; NULL if it uses none. */
	int (*ssl_peek)(void *ssl, void *bytes, int size);
};

/* Loads the library, which then stays in the process, and looks up the functions. */
bool libpq_load(struct libpq *out, struct err *err) MUST_CHECK;

#endif
