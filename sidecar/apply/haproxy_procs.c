/* `show proc` of the master CLI; see haproxy_state.h. Programs are nobody's business. */
#include <stdlib.h>

#include "apply/haproxy_reply.h"
#include "apply/haproxy_state.h"

enum group { /* under which headline of the reply a line stands */
	     GROUP_MASTER,
	     GROUP_WORKERS,
	     GROUP_OLD_WORKERS,
	     GROUP_OTHER,
};

struct reader {
	struct haproxy_procs *out;
	enum group group;
	bool relative_pids; /* until 2.4 a column "<relative PID>" stands before "<reloads>" */
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

static bool add_old_worker(struct haproxy_procs *out, int64_t pid)
{
	out->old_pids = xreallocarray(out->old_pids, out->old_count + 1, sizeof(*out->old_pids));
	out->old_pids[out->old_count++] = pid;
	return true;
}

static bool read_worker(struct haproxy_procs *out, int64_t pid, uint64_t reloads)
{
	if (out->worker_pid == 0 || reloads < out->reloads) {
		out->worker_pid = pid;
		out->reloads = (unsigned)reloads;
	}
	return true;
}

static bool read_master(struct haproxy_procs *out, int64_t pid, struct span rest)
{
	struct span failed, digits;
	uint64_t number = 0;

	out->master_pid = pid;
	if (!span_after(rest, "[failed: ", &failed))
		return true;
	digits = failed;
	for (digits.len = 0; digits.len < failed.len && digits.at[digits.len] != ']';)
		digits.len++;
	if (!span_number(digits, INT32_MAX, &number))
		return false;
	out->failed = (unsigned)number;
	return true;
}

static bool read_process(struct reader *reader, struct span line)
{
	struct span rest = line, type;
	uint64_t pid, reloads;

	if (reader->group == GROUP_OTHER)
		return true;
	if (!span_number(span_field(&rest), INT32_MAX, &pid) || pid == 0)
		return false;
	type = span_field(&rest);
	if (reader->relative_pids)
		span_field(&rest);
	if (!span_number(span_field(&rest), INT32_MAX, &reloads))
		return false;
	switch (reader->group) {
	case GROUP_MASTER:
		return span_is(type, "master") && read_master(reader->out, (int64_t)pid, rest);
	case GROUP_WORKERS:
		return span_is(type, "worker") && read_worker(reader->out, (int64_t)pid, reloads);
	case GROUP_OLD_WORKERS:
		return span_is(type, "worker") && add_old_worker(reader->out, (int64_t)pid);
	case GROUP_OTHER:
		return true;
	}
	return false;
}

static bool read_all(struct reader *reader, const char *reply, size_t len, struct err *err)
{
	struct haproxy_reply lines;
	struct span line = {0};

	haproxy_reply_init(&lines, reply, len);
	while (haproxy_reply_line(&lines, &line)) {
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
