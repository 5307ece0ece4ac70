/* Parses `show sess all`; see haproxy/model/replies.h. It needs one pass for any number of servers,
 * and keeps only the current line and session: there may be 50,000 sessions, and clients wait. A
 * connected session is listed only if its backend, its server and a wrong address are all known. */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "haproxy/model/replies.h"

#define LINE_MAX_BYTES 16384

enum side {                  /* state of the connection to the server */
	    SIDE_NONE,       /* none, or it is closing already */
	    SIDE_WAITING,    /* in the queue, between retries, about to choose a server */
	    SIDE_CONNECTING, /* connecting */
	    SIDE_STANDS,     /* connected */
};

struct session {                       /* what has been read of the current session */
	uint64_t id;                   /* 0: none yet */
	struct strbuf backend, server; /* names */
	struct strbuf address; /* "addr:port" of the connection to the server; empty: none yet */
	enum side side;
};

struct haproxy_session_reader {
	const struct haproxy_expected *stays;
	struct session session;
	struct strbuf rest; /* the start of a line whose end has not arrived */
	bool complete;      /* the empty line that ends the reply has arrived */
	struct haproxy_sessions out;
	size_t capacity;
};

/* --- where sessions may stay --- */

void haproxy_expected_add(struct haproxy_expected *stays, const char *backend, const char *server,
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

void haproxy_expected_free(struct haproxy_expected *stays)
{
	for (size_t i = 0; i < stays->count; i++) {
		free(stays->list[i].backend);
		free(stays->list[i].server);
		free(stays->list[i].here);
	}
	free(stays->list);
	*stays = (struct haproxy_expected){0};
}

/* A key without a server is equal to every server of its backend. */
static int compare_stays(const void *a, const void *b)
{
	const struct haproxy_stay *left = a, *right = b;
	int order = strcmp(left->backend, right->backend);

	return order != 0 || left->server == NULL ? order : strcmp(left->server, right->server);
}

static void sort(struct haproxy_expected *stays)
{
	if (!stays->ready && stays->count > 0)
		qsort(stays->list, stays->count, sizeof(*stays->list), compare_stays);
	stays->ready = true;
}

/* `server`: NULL for any server of the backend. */
static struct haproxy_stay *find_stay(const struct haproxy_expected *stays, const char *backend,
                                      const char *server)
{
	const struct haproxy_stay key = {.backend = (char *)backend, .server = (char *)server};

	return stays->count > 0
	           ? bsearch(&key, stays->list, stays->count, sizeof(*stays->list), compare_stays)
	           : NULL;
}

void haproxy_expected_judge(struct haproxy_expected *stays, const struct haproxy_live *live)
{
	auto_free bool *right = xcalloc(stays->count, sizeof(*right));

	sort(stays);
	for (size_t i = 0; i < stays->count; i++)
		stays->list[i].left_behind = false;
	for (size_t i = 0; live != NULL && i < live->count; i++) {
		const struct haproxy_live_server *server = &live->servers[i];
		auto_free char *at = xasprintf("%s:%u", server->address, (unsigned)server->port);
		struct haproxy_stay *stay = find_stay(stays, server->backend, server->name);

		if (stay == NULL ||
		    (server->admin & (HAPROXY_ADMIN_MAINT | HAPROXY_ADMIN_CONFIG_MAINT)) != 0)
			continue;
		if (strcmp(at, stay->here) == 0)
			right[stay - stays->list] = true;
		else
			stay->left_behind = true;
	}
	/* A backend is left behind if it has a server elsewhere and none at the right address. */
	for (size_t first = 0, end; first < stays->count; first = end) {
		bool any_right = false, any_left = false;

		for (end = first; end < stays->count &&
		                  strcmp(stays->list[first].backend, stays->list[end].backend) == 0;
		     end++) {
			any_right = any_right || right[end];
			any_left = any_left || stays->list[end].left_behind;
		}
		for (size_t i = first; i < end; i++)
			stays->list[i].left_behind = any_left && !any_right;
	}
}

/* --- the reply --- */

/* Takes NAME from "NAME (id=7 ..."; empty if the value has another form. */
static void take_name(struct strbuf *name, struct span value)
{
	struct span rest;

	strbuf_reset(name);
	if (span_after(value, " (id=", &rest))
		strbuf_append(name, value.at, (size_t)(rest.at - value.at) - strlen(" (id="));
}

static void add_id(struct haproxy_session_reader *reader, uint64_t id)
{
	struct haproxy_sessions *out = &reader->out;

	if (out->count == HAPROXY_SESSIONS_MAX) {
		out->more = true;
		return;
	}
	if (out->count == reader->capacity) {
		reader->capacity = reader->capacity > 0 ? reader->capacity * 2 : 64;
		out->ids = xreallocarray(out->ids, reader->capacity, sizeof(*out->ids));
	}
	out->ids[out->count++] = id;
}

static bool is_elsewhere(const struct haproxy_session_reader *reader)
{
	const struct session *session = &reader->session;
	const struct haproxy_stay *stay;

	if (session->backend.len == 0 || session->server.len == 0 || session->address.len == 0)
		return false;
	stay = find_stay(reader->stays, session->backend.data, session->server.data);
	return stay != NULL && strcmp(session->address.data, stay->here) != 0;
}

static void judge_session(struct haproxy_session_reader *reader)
{
	const struct session *session = &reader->session;

	if (session->side == SIDE_NONE || (session->side != SIDE_WAITING && !is_elsewhere(reader)))
		return;
	if (session->side != SIDE_STANDS) {
		const struct haproxy_stay *stay =
		    find_stay(reader->stays, session->backend.data, NULL);
		bool left_behind = stay != NULL && stay->left_behind;

		reader->out.waiting += left_behind;
		reader->out.connecting += session->side == SIDE_CONNECTING && !left_behind;
		if (!left_behind)
			return;
	}
	add_id(reader, session->id);
}

static void end_session(struct haproxy_session_reader *reader)
{
	struct session *session = &reader->session;

	if (session->id != 0)
		judge_session(reader);
	session->id = 0;
	session->side = SIDE_NONE;
	strbuf_reset(&session->backend);
	strbuf_reset(&session->server);
	strbuf_reset(&session->address);
}

/* "0x55d0...: [23/Nov/2026:15:15:40.594562] id=4 proto=tcpv4 source=..." */
static bool start_session(struct haproxy_session_reader *reader, struct span line)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t id = 0;
	size_t len;

	end_session(reader);
	for (len = 2; len < line.len && strchr(digits, line.at[len]) != NULL && len < 18; len++)
		id = id * 16 + (uint64_t)(strchr(digits, line.at[len]) - digits);
	if (len < 3 || len == line.len || line.at[len] != ':')
		return false;
	reader->session.id = id;
	return id != 0;
}

static enum side read_side(struct span state)
{
	static const char *const waiting[] = {"REQ", "QUE", "TAR", "ASS", "CER"};

	for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
		if (span_starts(state, waiting[i]))
			return SIDE_WAITING;
	if (span_starts(state, "CON"))
		return SIDE_CONNECTING;
	return span_starts(state, "EST") || span_starts(state, "RDY") ? SIDE_STANDS : SIDE_NONE;
}

static bool read_line(struct haproxy_session_reader *reader, struct span line)
{
	struct session *session = &reader->session;
	struct span value;

	if (span_starts(line, "0x"))
		return start_session(reader, line);
	if (session->id == 0)
		return false;
	if (span_starts(line, "  backend=") && span_after(line, "=", &value)) {
		take_name(&session->backend, value);
	} else if (span_starts(line, "  server=") && span_after(line, "=", &value)) {
		take_name(&session->server, value);
		if (span_after(value, " addr=", &value)) {
			struct span address = span_field(&value);

			strbuf_reset(&session->address);
			strbuf_append(&session->address, address.at, address.len);
		}
	} else if (span_starts(line, "  scb=") || span_starts(line, "  si[1]=")) {
		if (span_after(line, "state=", &value))
			session->side = read_side(value); /* 2.4 writes si[1], 2.6 on scb */
	}
	return true;
}

bool haproxy_session_reader_take(struct haproxy_session_reader *reader, const char *text,
                                 size_t len, struct err *err)
{
	const char *end = text + len, *eol;

	for (; (eol = memchr(text, '\n', (size_t)(end - text))) != NULL; text = eol + 1) {
		struct span line = {text, (size_t)(eol - text)};

		if (reader->rest.len > 0) {
			strbuf_append(&reader->rest, text, line.len);
			line = (struct span){reader->rest.data, reader->rest.len};
		}
		/* After the reply: that to the next command, or text of the master CLI. */
		reader->complete = reader->complete || line.len == 0;
		if (!reader->complete && !read_line(reader, line))
			return haproxy_reply_unexpected(err, "show sess all", line);
		strbuf_reset(&reader->rest);
	}
	if (reader->rest.len + (size_t)(end - text) > LINE_MAX_BYTES)
		return haproxy_reply_unexpected(err, "show sess all",
		                                (struct span){text, (size_t)(end - text)});
	strbuf_append(&reader->rest, text, (size_t)(end - text));
	return true;
}

struct haproxy_session_reader *haproxy_session_reader_create(struct haproxy_expected *stays)
{
	struct haproxy_session_reader *reader = xcalloc(1, sizeof(*reader));

	sort(stays);
	reader->stays = stays;
	strbuf_init(&reader->rest);
	strbuf_init(&reader->session.backend);
	strbuf_init(&reader->session.server);
	strbuf_init(&reader->session.address);
	return reader;
}

void haproxy_session_reader_destroy(struct haproxy_session_reader *reader)
{
	if (reader == NULL)
		return;
	strbuf_fini(&reader->rest);
	strbuf_fini(&reader->session.backend);
	strbuf_fini(&reader->session.server);
	strbuf_fini(&reader->session.address);
	haproxy_sessions_free(&reader->out);
	free(reader);
}

bool haproxy_session_reader_end(struct haproxy_session_reader *reader, struct haproxy_sessions *out,
                                struct err *err)
{
	bool complete = reader->complete;

	*out = (struct haproxy_sessions){0};
	end_session(reader);
	if (complete) {
		*out = reader->out;
		reader->out = (struct haproxy_sessions){0};
	}
	haproxy_session_reader_destroy(reader);
	return complete || haproxy_reply_cut_short(err, "show sess all");
}

void haproxy_sessions_free(struct haproxy_sessions *sessions)
{
	free(sessions->ids);
	*sessions = (struct haproxy_sessions){0};
}
