/* `show sess all`; see haproxy_state.h. One pass, as there may be ten thousand sessions and clients
 * wait; a session is named only on evidence of all three: backend, server, and another address. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_address.h"
#include "apply/haproxy_reply.h"
#include "apply/haproxy_state.h"

struct session { /* what has been seen of the session that is being read */
	struct span id;
	bool backend_is_ours, server_is_ours;
	struct span address; /* "addr:port" of the connection to the server; empty: none yet */
	struct span state;   /* of the server's side: "EST flags=..." */
};

struct reader {
	const char *backend, *server;
	char *here; /* the address that sessions may stay with, as HAProxy writes it */
	struct session session;
	struct haproxy_sessions *out;
	size_t capacity;
};

/* "NAME (id=7 ..." */
static bool names(struct span value, const char *name)
{
	struct span rest;

	return span_starts(value, name) && span_after(value, " (id=", &rest) &&
	       (size_t)(rest.at - value.at) == strlen(name) + strlen(" (id=");
}

static void add_id(struct reader *reader, struct span id)
{
	struct haproxy_sessions *out = reader->out;

	if (out->count == reader->capacity) {
		reader->capacity = reader->capacity > 0 ? reader->capacity * 2 : 64;
		out->ids = xreallocarray(out->ids, reader->capacity, sizeof(*out->ids));
	}
	out->ids[out->count++] = span_dup(id);
}

/* CON: the connection is under way; RDY and EST: it stands. Any other state has none (QUE, TAR,
 * CER, ...) or is closing by itself (DIS, CLO). */
static void end_session(struct reader *reader)
{
	struct session *session = &reader->session;
	bool elsewhere = session->backend_is_ours && session->server_is_ours &&
	                 session->address.len > 0 && !span_is(session->address, reader->here);

	if (elsewhere && (span_starts(session->state, "EST") || span_starts(session->state, "RDY")))
		add_id(reader, session->id);
	else if (elsewhere && span_starts(session->state, "CON"))
		reader->out->connecting++;
	*session = (struct session){0};
}

/* "0x55d0...: [23/Nov/2026:15:15:40.594562] id=4 proto=tcpv4 source=..." */
static bool start_session(struct reader *reader, struct span line)
{
	struct span id = line;

	end_session(reader);
	id.len = 2;
	while (id.len < line.len && strchr("0123456789abcdef", line.at[id.len]) != NULL)
		id.len++;
	if (id.len < 3 || id.len > 18 || id.len == line.len || line.at[id.len] != ':')
		return false;
	reader->session.id = id;
	return true;
}

static bool read_line(struct reader *reader, struct span line)
{
	struct session *session = &reader->session;
	struct span value;

	if (span_starts(line, "0x"))
		return start_session(reader, line);
	if (session->id.len == 0)
		return false;
	if (span_starts(line, "  backend=") && span_after(line, "=", &value)) {
		session->backend_is_ours = names(value, reader->backend);
	} else if (span_starts(line, "  server=") && span_after(line, "=", &value)) {
		session->server_is_ours = names(value, reader->server);
		if (span_after(value, " addr=", &value))
			session->address = span_field(&value);
	} else if (span_starts(line, "  scb=") || span_starts(line, "  si[1]=")) {
		if (span_after(line, "state=", &value))
			session->state = value; /* 2.4 writes si[1], 2.6 on scb */
	}
	return true;
}

static bool read_all(struct reader *reader, const char *reply, size_t len, struct err *err)
{
	struct haproxy_reply lines;
	struct span line = {0};

	haproxy_reply_init(&lines, reply, len);
	while (haproxy_reply_line(&lines, &line))
		if (!read_line(reader, line))
			return haproxy_reply_unexpected(err, "show sess all", line);
	end_session(reader);
	return lines.complete || haproxy_reply_cut_short(err, "show sess all");
}

bool haproxy_sessions_stale(const char *reply, size_t len, const char *backend, const char *server,
                            const char *address, uint16_t port, struct haproxy_sessions *out,
                            struct err *err)
{
	auto_free char *canonical = haproxy_address_canonical(address);
	auto_free char *here = NULL;
	struct reader reader = {.backend = backend, .server = server, .out = out};

	*out = (struct haproxy_sessions){0};
	if (canonical == NULL)
		return err_set(err, "'%s' is no numeric address", address);
	here = xasprintf("%s:%u", canonical, (unsigned)port);
	reader.here = here;
	if (read_all(&reader, reply, len, err))
		return true;
	haproxy_sessions_free(out);
	return false;
}

void haproxy_sessions_free(struct haproxy_sessions *sessions)
{
	for (size_t i = 0; i < sessions->count; i++)
		free(sessions->ids[i]);
	free(sessions->ids);
	*sessions = (struct haproxy_sessions){0};
}
