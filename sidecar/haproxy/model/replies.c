/* Parses replies of the runtime API; see the header. `show servers state` must have format version
 * 1; any other reply is an error, so that it never looks like "no servers". */
#include "haproxy/model/replies.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "haproxy/model/address.h"

/* --- lines and fields --- */

#define SHOWN_MAX 160 /* bytes of an unexpected reply in a message */

bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

bool span_starts(struct span span, const char *prefix)
{
	size_t len = strlen(prefix);

	return span.len >= len && memcmp(span.at, prefix, len) == 0;
}

/* Accepts digits only. */
static bool span_number(struct span span, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (span.len == 0 || span.len > 18)
		return false;
	for (size_t i = 0; i < span.len; i++) {
		if (span.at[i] < '0' || span.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(span.at[i] - '0');
	}
	*out = value;
	return value <= max;
}

struct span span_field(struct span *rest)
{
	const char *at = rest->at, *end = rest->at + rest->len, *start;

	while (at < end && isspace((unsigned char)*at))
		at++;
	start = at;
	while (at < end && !isspace((unsigned char)*at))
		at++;
	*rest = (struct span){at, (size_t)(end - at)};
	return (struct span){start, (size_t)(at - start)};
}

bool span_after(struct span span, const char *mark, struct span *out)
{
	const char *found = memmem(span.at, span.len, mark, strlen(mark));

	if (found == NULL)
		return false;
	found += strlen(mark);
	*out = (struct span){found, (size_t)(span.at + span.len - found)};
	return true;
}

struct reply {
	const char *at, *end;
	bool complete; /* the empty line that ends every reply has been read */
};

/* Reads the next line, without its line break. False at the end of the reply. */
static bool next_line(struct reply *reply, struct span *line)
{
	size_t left = (size_t)(reply->end - reply->at);
	const char *end = left > 0 && !reply->complete ? memchr(reply->at, '\n', left) : NULL;

	if (end == NULL)
		return false;
	*line = (struct span){reply->at, (size_t)(end - reply->at)};
	reply->at = end + 1;
	reply->complete = line->len == 0;
	return !reply->complete;
}

bool haproxy_reply_unexpected(struct err *err, const char *what, struct span got)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	if (got.len == 0)
		return err_set(err, "%s: an empty reply: is a HAProxy behind this socket?", what);
	strbuf_append_escaped(&shown, got.at, got.len, SHOWN_MAX);
	return err_set(err, "%s: HAProxy answered \"%s\"", what, shown.data);
}

bool haproxy_reply_cut_short(struct err *err, const char *what)
{
	return err_set(err, "%s: the reply is cut short", what);
}

/* --- `show servers state` and `show stat` --- */

static const char state_command[] = "show servers state";
static const char state_header[] = "# be_id be_name srv_id srv_name srv_addr srv_op_state "
                                   "srv_admin_state srv_uweight ";

static const char stat_header[] = "# pxname,svname,qcur,qmax,scur,smax,slim,";

enum field { /* 0-based positions in a line of `show servers state` */
	     FIELD_BACKEND = 1,
	     FIELD_NAME = 3,
	     FIELD_ADDRESS = 4,
	     FIELD_OPERATIONAL = 5,
	     FIELD_ADMIN = 6,
	     FIELD_WEIGHT = 7,
	     FIELD_CHECK = 13,
	     FIELD_PORT = 18,
	     FIELD_COUNT = 19, /* how many fields are read */
};

static bool read_unsigned(struct span field, uint64_t max, unsigned *out)
{
	uint64_t value = 0;
	bool good = span_number(field, max, &value);

	*out = (unsigned)value;
	return good;
}

static bool read_server(struct span line, struct haproxy_live_server *server)
{
	struct span fields[FIELD_COUNT], rest = line, *address = &fields[FIELD_ADDRESS];
	auto_free char *text = NULL;
	unsigned port = 0;

	*server = (struct haproxy_live_server){0};
	for (size_t i = 0; i < FIELD_COUNT; i++)
		fields[i] = span_field(&rest);
	if (!read_unsigned(fields[FIELD_OPERATIONAL], 3, &server->operational) ||
	    !read_unsigned(fields[FIELD_ADMIN], UINT16_MAX, &server->admin) ||
	    !read_unsigned(fields[FIELD_WEIGHT], 256, &server->weight) ||
	    !read_unsigned(fields[FIELD_CHECK], UINT16_MAX, &server->check) ||
	    !read_unsigned(fields[FIELD_PORT], UINT16_MAX, &port))
		return false;
	text = xstrndup(address->at, address->len);
	server->address = span_is(*address, "-") ? xstrdup("") : haproxy_address_canonical(text);
	if (server->address == NULL)
		return false;
	server->port = (uint16_t)port;
	server->backend = xstrndup(fields[FIELD_BACKEND].at, fields[FIELD_BACKEND].len);
	server->name = xstrndup(fields[FIELD_NAME].at, fields[FIELD_NAME].len);
	return true;
}

static bool read_servers(struct reply *reply, struct haproxy_live *out, struct err *err)
{
	struct haproxy_live_server server;
	size_t capacity = 0;
	struct span line;

	while (next_line(reply, &line)) {
		if (!read_server(line, &server))
			return haproxy_reply_unexpected(err, state_command, line);
		if (out->count == capacity) {
			capacity = capacity > 0 ? capacity * 2 : 16;
			out->servers = xreallocarray(out->servers, capacity, sizeof(*out->servers));
		}
		out->servers[out->count++] = server;
	}
	return reply->complete || haproxy_reply_cut_short(err, state_command);
}

bool haproxy_live_parse(const char *reply, size_t len, struct haproxy_live *out, struct err *err)
{
	struct reply lines = {reply, reply + len, false};
	struct span line = {0};

	*out = (struct haproxy_live){0};
	if (!next_line(&lines, &line) || !span_is(line, "1") || !next_line(&lines, &line) ||
	    !span_starts(line, state_header))
		return haproxy_reply_unexpected(err, state_command, line);
	if (read_servers(&lines, out, err))
		return true;
	haproxy_live_free(out);
	return false;
}

enum column { /* 0-based positions in a line of `show stat`, the same in every version */
	      COLUMN_BACKEND = 0,
	      COLUMN_NAME = 1,
	      COLUMN_QUEUED = 2,
	      COLUMN_LIMIT = 6,
	      COLUMN_COUNT = 7, /* how many columns are read */
};

/* An empty field is 0. */
static bool read_count(struct span field, uint64_t *out)
{
	*out = 0;
	return field.len == 0 || span_number(field, UINT32_MAX, out);
}

static bool split_counts(struct span line, struct span *fields)
{
	const char *at = line.at, *end = line.at + line.len, *comma;

	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		comma = memchr(at, ',', (size_t)(end - at));
		if (comma == NULL)
			return false;
		fields[i] = (struct span){at, (size_t)(comma - at)};
		at = comma + 1;
	}
	return true;
}

/* The line of a backend, whose queue is added to that of its servers, comes after theirs. `last`:
 * the index of the last one that was found. */
static bool read_counts(struct span line, struct haproxy_live *live, size_t *last)
{
	struct span fields[COLUMN_COUNT], backend, name;
	uint64_t queued, limit;

	if (!split_counts(line, fields) || !read_count(fields[COLUMN_QUEUED], &queued) ||
	    !read_count(fields[COLUMN_LIMIT], &limit))
		return false;
	backend = fields[COLUMN_BACKEND];
	name = fields[COLUMN_NAME];
	if (span_is(name, "BACKEND")) {
		for (size_t i = live->count > 0 ? *last + 1 : 0;
		     i-- > 0 && span_is(backend, live->servers[i].backend);)
			live->servers[i].queued += queued;
		return true;
	}
	for (size_t i = 0; i < live->count; i++) {
		size_t at = (*last + i) % live->count;
		struct haproxy_live_server *server = &live->servers[at];

		if (!span_is(name, server->name) || !span_is(backend, server->backend))
			continue;
		server->counted = true;
		server->maxconn = limit;
		server->queued = queued;
		*last = at;
		break;
	}
	return true;
}

bool haproxy_live_count(const char *reply, size_t len, struct haproxy_live *live, struct err *err)
{
	struct reply lines = {reply, reply + len, false};
	struct span line = {0};
	size_t last = 0;

	while (next_line(&lines, &line))
		if (span_starts(line, "#") ? !span_starts(line, stat_header)
		                           : !read_counts(line, live, &last))
			return haproxy_reply_unexpected(err, "show stat", line);
	return lines.complete || haproxy_reply_cut_short(err, "show stat");
}

void haproxy_live_free(struct haproxy_live *live)
{
	for (size_t i = 0; i < live->count; i++) {
		free(live->servers[i].backend);
		free(live->servers[i].name);
		free(live->servers[i].address);
	}
	free(live->servers);
	*live = (struct haproxy_live){0};
}

const struct haproxy_live_server *haproxy_live_find(const struct haproxy_live *live,
                                                    const char *backend, const char *name,
                                                    size_t *hint)
{
	for (size_t i = 0; i < live->count; i++) {
		size_t at = ((hint != NULL ? *hint : 0) + i) % live->count;
		const struct haproxy_live_server *one = &live->servers[at];

		if (strcmp(one->name, name) == 0 && strcmp(one->backend, backend) == 0) {
			if (hint != NULL)
				*hint = at + 1;
			return one;
		}
	}
	return NULL;
}

/* --- `show info` --- */

static bool read_version(struct span value, struct haproxy_info *out)
{
	char *minor;

	if (value.len == 0 || value.len >= sizeof(out->version))
		return false;
	memcpy(out->version, value.at, value.len);
	out->version[value.len] = '\0';
	if (!isdigit((unsigned char)out->version[0]))
		return false;
	out->major = (unsigned)strtoul(out->version, &minor, 10);
	if (*minor != '.' || !isdigit((unsigned char)minor[1]))
		return false;
	out->minor = (unsigned)strtoul(minor + 1, NULL, 10);
	return true;
}

static bool read_info_line(struct span line, struct haproxy_info *out)
{
	struct span value;
	uint64_t number;

	if (!span_after(line, ": ", &value))
		return true;
	if (span_starts(line, "Version: "))
		return read_version(value, out);
	if (span_starts(line, "Stopping: "))
		out->stopping = !span_is(value, "0");
	if (!span_starts(line, "Pid: "))
		return true;
	if (!span_number(value, INT32_MAX, &number))
		return false;
	out->pid = (int64_t)number;
	return true;
}

bool haproxy_info_parse(const char *reply, size_t len, struct haproxy_info *out, struct err *err)
{
	struct reply lines = {reply, reply + len, false};
	struct span line = {0}, first = {0};

	*out = (struct haproxy_info){0};
	while (next_line(&lines, &line)) {
		if (first.at == NULL)
			first = line;
		if (!read_info_line(line, out))
			return haproxy_reply_unexpected(err, "show info", line);
	}
	if (out->version[0] == '\0' || out->pid == 0)
		return haproxy_reply_unexpected(err, "show info", first);
	return lines.complete || haproxy_reply_cut_short(err, "show info");
}

/* --- `show proc` of the master CLI; programs are ignored --- */

enum group { /* the section of the reply that a line belongs to */
	     GROUP_MASTER,
	     GROUP_WORKERS,
	     GROUP_OLD_WORKERS,
	     GROUP_OTHER,
};

struct reader {
	struct haproxy_procs *out;
	enum group group;
	bool relative_pids; /* until 2.4 there is a column "<relative PID>" before "<reloads>" */
};

static void read_headline(struct reader *reader, struct span line)
{
	struct span rest;

	if (span_starts(line, "#<PID>"))
		reader->relative_pids = span_after(line, "<relative PID>", &rest);
	else if (span_is(line, "# workers"))
		reader->group = GROUP_WORKERS;
	else if (span_is(line, "# old workers"))
		reader->group = GROUP_OLD_WORKERS;
	else
		reader->group = GROUP_OTHER;
}

static bool read_master(struct haproxy_procs *out, int64_t pid, struct span rest)
{
	struct span failed;
	const char *end;
	uint64_t number = 0;

	out->master_pid = pid;
	if (!span_after(rest, "[failed: ", &failed))
		return true;
	end = memchr(failed.at, ']', failed.len);
	if (end != NULL)
		failed.len = (size_t)(end - failed.at);
	if (!span_number(failed, INT32_MAX, &number))
		return false;
	out->failed = (unsigned)number;
	return true;
}

static bool read_process(struct reader *reader, struct span line)
{
	struct haproxy_procs *out = reader->out;
	struct span rest = line, type;
	uint64_t pid, reloads;

	if (reader->group == GROUP_OTHER)
		return true;
	if (!span_number(span_field(&rest), INT32_MAX, &pid) || pid == 0)
		return false;
	type = span_field(&rest);
	if (reader->relative_pids)
		span_field(&rest);
	if (!span_number(span_field(&rest), INT32_MAX, &reloads) ||
	    !span_is(type, reader->group == GROUP_MASTER ? "master" : "worker"))
		return false;
	if (reader->group == GROUP_MASTER)
		return read_master(out, (int64_t)pid, rest);
	if (reader->group == GROUP_OLD_WORKERS) {
		out->old_pids =
		    xreallocarray(out->old_pids, out->old_count + 1, sizeof(*out->old_pids));
		out->old_pids[out->old_count++] = (int64_t)pid;
	} else if (out->worker_pid == 0 || reloads < out->reloads) {
		out->worker_pid = (int64_t)pid;
		out->reloads = (unsigned)reloads;
	}
	return true;
}

static bool read_all(struct reader *reader, const char *reply, size_t len, struct err *err)
{
	struct reply lines = {reply, reply + len, false};
	struct span line = {0};

	while (next_line(&lines, &line)) {
		if (span_starts(line, "#"))
			read_headline(reader, line);
		else if (!read_process(reader, line))
			return haproxy_reply_unexpected(err, "show proc", line);
	}
	if (reader->out->master_pid == 0)
		return haproxy_reply_unexpected(err, "show proc", line);
	return lines.complete || haproxy_reply_cut_short(err, "show proc");
}

bool haproxy_procs_parse(const char *reply, size_t len, struct haproxy_procs *out, struct err *err)
{
	struct reader reader = {.out = out, .group = GROUP_MASTER};

	*out = (struct haproxy_procs){0};
	if (read_all(&reader, reply, len, err))
		return true;
	haproxy_procs_free(out);
	return false;
}

void haproxy_procs_free(struct haproxy_procs *procs)
{
	free(procs->old_pids);
	*procs = (struct haproxy_procs){0};
}
