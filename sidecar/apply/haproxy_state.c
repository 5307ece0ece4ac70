/* `show servers state` and `show info`; see the header. Nothing of a reply is believed that does
 * not have the form of version 1, so that a foreign or newer answer never looks like "no servers".
 */
#include "apply/haproxy_state.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_address.h"
#include "apply/haproxy_reply.h"

static const char state_command[] = "show servers state";
static const char state_header[] = "# be_id be_name srv_id srv_name srv_addr srv_op_state "
                                   "srv_admin_state srv_uweight ";

static const char stat_header[] = "# pxname,svname,qcur,qmax,scur,smax,slim,";

enum field { /* 0-based places in a line of `show servers state` */
	     FIELD_BACKEND = 1,
	     FIELD_NAME = 3,
	     FIELD_ADDRESS = 4,
	     FIELD_OPERATIONAL = 5,
	     FIELD_ADMIN = 6,
	     FIELD_WEIGHT = 7,
	     FIELD_CHECK = 13,
	     FIELD_PORT = 18,
	     FIELD_COUNT = 19, /* of those that are looked at */
};

static bool read_unsigned(struct span field, uint64_t max, unsigned *out)
{
	uint64_t value;

	if (!span_number(field, max, &value))
		return false;
	*out = (unsigned)value;
	return true;
}

static char *read_address(struct span field)
{
	auto_free char *text = span_dup(field);

	return span_is(field, "-") ? xstrdup("") : haproxy_address_canonical(text);
}

static void server_fini(struct haproxy_live_server *server)
{
	free(server->backend);
	free(server->name);
	free(server->address);
}

static bool read_server(struct span line, struct haproxy_live_server *server)
{
	struct span fields[FIELD_COUNT], rest = line;
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
	server->port = (uint16_t)port;
	server->address = read_address(fields[FIELD_ADDRESS]);
	server->backend = span_dup(fields[FIELD_BACKEND]);
	server->name = span_dup(fields[FIELD_NAME]);
	if (server->address != NULL)
		return true;
	server_fini(server);
	return false;
}

static bool read_servers(struct haproxy_reply *reply, struct haproxy_live *out, struct err *err)
{
	struct haproxy_live_server server;
	size_t capacity = 0;
	struct span line;

	while (haproxy_reply_line(reply, &line)) {
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
	struct haproxy_reply lines;
	struct span line = {0};

	*out = (struct haproxy_live){0};
	haproxy_reply_init(&lines, reply, len);
	if (!haproxy_reply_line(&lines, &line) || !span_is(line, "1"))
		return haproxy_reply_unexpected(err, state_command, line);
	if (!haproxy_reply_line(&lines, &line) || !span_starts(line, state_header))
		return haproxy_reply_unexpected(err, state_command, line);
	if (read_servers(&lines, out, err))
		return true;
	haproxy_live_free(out);
	return false;
}

enum column { /* 0-based places in a line of `show stat`, the same in every version */
	      COLUMN_BACKEND = 0,
	      COLUMN_NAME = 1,
	      COLUMN_QUEUED = 2,
	      COLUMN_LIMIT = 6,
	      COLUMN_COUNT = 7, /* of those that are looked at */
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

/* The line of a backend follows those of its servers; *last is the one of them that was read last.
 */
static void count_backend(struct haproxy_live *live, size_t last, struct span backend,
                          uint64_t queued)
{
	for (size_t i = last + 1; i-- > 0 && span_is(backend, live->servers[i].backend);)
		live->servers[i].queued += queued;
}

static bool read_counts(struct span line, struct haproxy_live *live, size_t *last)
{
	struct span fields[COLUMN_COUNT];
	uint64_t queued, limit;

	if (!split_counts(line, fields) || !read_count(fields[COLUMN_QUEUED], &queued) ||
	    !read_count(fields[COLUMN_LIMIT], &limit))
		return false;
	if (span_is(fields[COLUMN_NAME], "BACKEND")) {
		if (live->count > 0)
			count_backend(live, *last, fields[COLUMN_BACKEND], queued);
		return true;
	}
	for (size_t i = 0; i < live->count; i++) {
		size_t at = (*last + i) % live->count;
		struct haproxy_live_server *server = &live->servers[at];

		if (!span_is(fields[COLUMN_NAME], server->name) ||
		    !span_is(fields[COLUMN_BACKEND], server->backend))
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
	struct haproxy_reply lines;
	struct span line = {0};
	size_t last = 0;

	haproxy_reply_init(&lines, reply, len);
	while (haproxy_reply_line(&lines, &line))
		if (span_starts(line, "#") ? !span_starts(line, stat_header)
		                           : !read_counts(line, live, &last))
			return haproxy_reply_unexpected(err, "show stat", line);
	return lines.complete || haproxy_reply_cut_short(err, "show stat");
}

void haproxy_live_free(struct haproxy_live *live)
{
	for (size_t i = 0; i < live->count; i++)
		server_fini(&live->servers[i]);
	free(live->servers);
	*live = (struct haproxy_live){0};
}

const struct haproxy_live_server *haproxy_live_find(const struct haproxy_live *live,
                                                    const char *backend, const char *name)
{
	for (size_t i = 0; i < live->count; i++)
		if (strcmp(live->servers[i].name, name) == 0 &&
		    strcmp(live->servers[i].backend, backend) == 0)
			return &live->servers[i];
	return NULL;
}

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

	if (span_starts(line, "Version: ") && span_after(line, ": ", &value))
		return read_version(value, out);
	if (span_starts(line, "Pid: ") && span_after(line, ": ", &value)) {
		if (!span_number(value, INT32_MAX, &number))
			return false;
		out->pid = (int64_t)number;
	}
	if (span_starts(line, "Stopping: ") && span_after(line, ": ", &value))
		out->stopping = !span_is(value, "0");
	return true;
}

bool haproxy_info_parse(const char *reply, size_t len, struct haproxy_info *out, struct err *err)
{
	struct haproxy_reply lines;
	struct span line = {0}, first = {0};

	*out = (struct haproxy_info){0};
	haproxy_reply_init(&lines, reply, len);
	while (haproxy_reply_line(&lines, &line)) {
		if (first.at == NULL)
			first = line;
		if (!read_info_line(line, out))
			return haproxy_reply_unexpected(err, "show info", line);
	}
	if (out->version[0] == '\0' || out->pid == 0)
		return haproxy_reply_unexpected(err, "show info", first);
	return lines.complete || haproxy_reply_cut_short(err, "show info");
}
