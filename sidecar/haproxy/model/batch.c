/* One reply holds the replies to many commands, one after the other. Counting empty lines does not
 * tell which belongs to which command, as some replies end with one and some with two. So each part
 * is recognized by its form: the tables of `show servers state` and `show stat`, the lines of `show
 * info`. The rest is what HAProxy said to the commands. */
#include "haproxy/model/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes. HAProxy accepts a line of tune.bufsize, 16384 by default; the rest is for the `show`
 * commands. */
#define COMMANDS_MAX 12000
/* With more backends, one `show` command for all is shorter than one for each. */
#define BACKENDS_MAX 8

/* Returns the length of the commands that fit into COMMANDS_MAX bytes. A ';' after a backslash is
 * part of a word. */
static size_t fitting(const char *commands)
{
	size_t len = 0;

	for (size_t i = 0; i <= COMMANDS_MAX; i++)
		if (commands[i] == '\\')
			i++;
		else if (commands[i] == ';')
			len = i;
	return len;
}

bool haproxy_batch_line(const char *commands, const struct haproxy_config *config,
                        struct strbuf *line)
{
	size_t len = strlen(commands);
	bool whole = len <= COMMANDS_MAX, all = config->backend_count > BACKENDS_MAX;

	if (!whole)
		len = fitting(commands);
	strbuf_append(line, commands, len);
	if (len > 0)
		strbuf_append_char(line, ';');
	for (size_t i = 0; !all && i < config->backend_count; i++)
		strbuf_printf(line, "show servers state %s;", config->backends[i]);
	if (all)
		strbuf_append_str(line, "show servers state;");
	for (size_t i = 0; !all && !config->shares_a_name && i < config->backend_count; i++)
		strbuf_printf(line, "show stat %s 6 -1;", config->backends[i]);
	if (all || config->shares_a_name)
		strbuf_append_str(line, "show stat -1 6 -1;");
	if (len == 0)
		strbuf_append_str(line, "show cli level;");
	strbuf_append_str(line, "show info");
	return whole;
}

enum part {
	PART_SAID,  /* replies to commands */
	PART_TABLE, /* `show servers state`, until an empty line */
	PART_STAT,  /* `show stat`, until an empty line */
	PART_INFO,  /* `show info`, until an empty line */
};

struct parts {
	struct strbuf *table, *stat, *info, *said;
	const char *level;
};

static bool starts(const char *line, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && strncmp(line, prefix, strlen(prefix)) == 0;
}

static void append_line(struct strbuf *out, const char *line, size_t len)
{
	strbuf_append(out, line, len);
	strbuf_append_char(out, '\n');
}

/* The reply to `show cli level`, which HAProxy has since 1.9, is one word. */
static bool take_level(struct parts *parts, const char *line, size_t len)
{
	static const char *const lower[] = {"operator", "user"};

	for (size_t i = 0; i < ARRAY_LEN(lower); i++)
		if (len == strlen(lower[i]) && strncmp(line, lower[i], len) == 0) {
			parts->level = lower[i];
			return true;
		}
	return len == strlen("admin") && strncmp(line, "admin", len) == 0;
}

/* The tables of several backends are joined to one: the format version and the header are kept
 * once. */
static enum part take_line(struct parts *parts, enum part part, const char *line, size_t len)
{
	if (len == 0)
		return PART_SAID;
	if (part == PART_SAID && starts(line, len, "Name: "))
		part = PART_INFO;
	if (part == PART_SAID && len == 1 && *line == '1')
		part = PART_TABLE;
	if (part == PART_SAID && starts(line, len, "# pxname,"))
		part = PART_STAT;
	switch (part) {
	case PART_SAID:
		if (take_level(parts, line, len))
			break;
		strbuf_append_str(parts->said, parts->said->len > 0 ? "; " : "");
		strbuf_append_escaped(parts->said, line, len, 200);
		break;
	case PART_TABLE:
		if (parts->table->len == 0 || (*line != '#' && !(len == 1 && *line == '1')) ||
		    strchr(parts->table->data, '#') == NULL)
			append_line(parts->table, line, len);
		break;
	case PART_STAT:
		append_line(parts->stat, line, len);
		break;
	case PART_INFO:
		append_line(parts->info, line, len);
		break;
	}
	return part;
}

static int64_t find_number(const char *info, const char *key)
{
	const char *found = strstr(info, key);

	return found != NULL ? strtoll(found + strlen(key), NULL, 10) : -1;
}

bool haproxy_batch_parse(const char *text, size_t len, struct haproxy_batch_reply *out,
                         struct err *err)
{
	auto_strbuf struct strbuf table = STRBUF_INIT, stat = STRBUF_INIT, info = STRBUF_INIT;
	struct parts parts = {.table = &table, .stat = &stat, .info = &info, .said = &out->said};
	enum part part = PART_SAID;
	const char *end = text + len, *eol;

	*out = (struct haproxy_batch_reply){.said = STRBUF_INIT};
	for (const char *line = text; line < end; line = eol + 1) {
		eol = memchr(line, '\n', (size_t)(end - line));
		if (eol == NULL)
			eol = end;
		part = take_line(&parts, part, line, (size_t)(eol - line));
	}
	/* The parsers need the empty line, which proves that the part is complete. */
	if (part != PART_TABLE)
		strbuf_append_char(&table, '\n');
	if (part != PART_STAT)
		strbuf_append_char(&stat, '\n');
	if (part != PART_INFO)
		strbuf_append_char(&info, '\n');
	out->uptime_s = find_number(info.data, "\nUptime_sec: ");
	out->start_s = find_number(info.data, "\nStart_time_sec: ");
	out->level = parts.level;
	if (haproxy_info_parse(info.data, info.len, &out->info, err) &&
	    (table.len <= 1 || haproxy_live_parse(table.data, table.len, &out->live, err)) &&
	    haproxy_live_count(stat.data, stat.len, &out->live, err)) {
		if (!out->info.stopping)
			return true;
		err_set(err, "the reply came from worker %" PRId64 ", which is stopping",
		        out->info.pid);
	} else if (out->said.len > 0) {
		err_wrap(err, "HAProxy answered '%.200s'", out->said.data);
	}
	haproxy_batch_free(out);
	return false;
}

void haproxy_batch_free(struct haproxy_batch_reply *reply)
{
	haproxy_live_free(&reply->live);
	strbuf_fini(&reply->said);
}
