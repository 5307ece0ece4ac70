/* `show sess all`; see haproxy_state.h. One pass whatever the number of servers, as there may be
 * ten thousand sessions and clients wait; a session is named only on evidence of all three:
 * backend, server, and another address. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_reply.h"
#include "apply/haproxy_state.h"

struct session { /* what has been seen of the session that is being read */
	struct span id;
	struct span backend, server; /* names */
	struct span address; /* "addr:port" of the connection to the server; empty: none yet */
	struct span state;   /* of the server's side: "EST flags=..." */
};

struct reader {
	const struct haproxy_stays *stays;
	struct session session;
	struct haproxy_sessions *out;
	size_t capacity;
};

void haproxy_stays_add(struct haproxy_stays *stays, const char *backend, const char *server,
                       const char *address, uint16_t port)
{
	if (stays->count == stays->capacity) {
		stays->capacity = stays->capacity > 0 ? stays->capacity * 2 : 16;
		stays->list = xreallocarray(stays->list, stays->capacity, sizeof(*stays->list));
	}
	stays->list[stays->count++] = (struct haproxy_stay){
	    .backend = xstrdup(backend),
	    .server = xstrdup(server),
	    .here = address != NULL ? xasprintf("%s:%u", address, (unsigned)port) : xstrdup(""),
	};
	stays->ready = false;
}

void haproxy_stays_free(struct haproxy_stays *stays)
{
	for (size_t i = 0; i < stays->count; i++) {
		free(stays->list[i].backend);
		free(stays->list[i].server);
		free(stays->list[i].here);
	}
	free(stays->list);
	*stays = (struct haproxy_stays){0};
}

static int compare_stays(const void *a, const void *b)
{
	const struct haproxy_stay *left = a, *right = b;
	int order = strcmp(left->backend, right->backend);

	return order != 0 ? order : strcmp(left->server, right->server);
}

/* As strcmp(3). */
static int compare_name(struct span span, const char *name)
{
	size_t len = strlen(name);
	int order = memcmp(span.at, name, span.len < len ? span.len : len);

	return order != 0 ? order : (span.len > len) - (span.len < len);
}

static int compare_session(const void *key, const void *element)
{
	const struct session *session = key;
	const struct haproxy_stay *stay = element;
	int order = compare_name(session->backend, stay->backend);

	return order != 0 ? order : compare_name(session->server, stay->server);
}

/* "NAME (id=7 ..."; empty where it is none. */
static struct span name_of(struct span value)
{
	struct span rest;

	if (!span_after(value, " (id=", &rest))
		return (struct span){value.at, 0};
	return (struct span){value.at, (size_t)(rest.at - value.at) - strlen(" (id=")};
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

static bool is_elsewhere(const struct reader *reader)
{
	const struct session *session = &reader->session;
	const struct haproxy_stays *stays = reader->stays;
	const struct haproxy_stay *stay;

	if (session->backend.len == 0 || session->server.len == 0 || session->address.len == 0 ||
	    stays->count == 0)
		return false;
	stay = bsearch(session, stays->list, stays->count, sizeof(*stays->list), compare_session);
	return stay != NULL && !span_is(session->address, stay->here);
}

/* CON: the connection is under way; RDY and EST: it stands. Any other state has none (QUE, TAR,
 * CER, ...) or is closing by itself (DIS, CLO). */
static void end_session(struct reader *reader)
{
	struct session *session = &reader->session;
	bool stands = span_starts(session->state, "EST") || span_starts(session->state, "RDY");
	bool connects = span_starts(session->state, "CON");

	if ((stands || connects) && is_elsewhere(reader)) {
		if (stands)
			add_id(reader, session->id);
		else
			reader->out->connecting++;
	}
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
		session->backend = name_of(value);
	} else if (span_starts(line, "  server=") && span_after(line, "=", &value)) {
		session->server = name_of(value);
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

bool haproxy_sessions_stale(const char *reply, size_t len, struct haproxy_stays *stays,
                            struct haproxy_sessions *out, struct err *err)
{
	struct reader reader = {.stays = stays, .out = out};

	*out = (struct haproxy_sessions){0};
	if (!stays->ready && stays->count > 0)
		qsort(stays->list, stays->count, sizeof(*stays->list), compare_stays);
	stays->ready = true;
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
