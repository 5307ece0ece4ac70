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
	bool whole = strlen(commands) <= COMMANDS_MAX, all = config->backend_count > BACKENDS_MAX;
	size_t len = whole ? strlen(commands) : fitting(commands);

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
	PART_TABLE, /* `show servers state` */
	PART_STAT,  /* `show stat` */
	PART_INFO,  /* `show info` */
	PART_SAID,  /* replies to commands; the other parts end with an empty line */
};

/* The reply to `show cli level`, which HAProxy has since 1.9, is one word. */
static bool take_level(struct haproxy_batch_reply *out, struct span line)
{
	static const char *const lower[] = {"operator", "user"};

	for (size_t i = 0; i < ARRAY_LEN(lower); i++)
		if (span_is(line, lower[i])) {
			out->level = lower[i];
			return true;
		}
	return span_is(line, "admin");
}

static void take_said(struct haproxy_batch_reply *out, struct span line)
{
	if (line.len == 0 || take_level(out, line))
		return;
	strbuf_append_str(&out->said, out->said.len > 0 ? "; " : "");
	strbuf_append_escaped(&out->said, line.at, line.len, 200);
}

static enum part part_of(struct span line)
{
	if (span_is(line, "1"))
		return PART_TABLE;
	if (span_starts(line, "# pxname,"))
		return PART_STAT;
	return span_starts(line, "Name: ") ? PART_INFO : PART_SAID;
}

/* The tables of several backends are joined to one: the format version and the header are kept
 * once. */
static bool repeats_the_head(const struct strbuf *table, struct span line)
{
	return table->len > 0 && (span_starts(line, "#") || span_is(line, "1")) &&
	       strchr(table->data, '#') != NULL;
}

/* Appends each line to its part. The parsers need the empty line at the end of a part, which proves
 * that the part is complete. */
static void split(const char *text, size_t len, struct strbuf *const *parts,
                  struct haproxy_batch_reply *out)
{
	const char *end = text + len, *eol;
	enum part part = PART_SAID;

	for (const char *at = text; at < end; at = eol + 1) {
		struct span line = {at, 0};

		eol = memchr(at, '\n', (size_t)(end - at));
		if (eol == NULL)
			eol = end;
		line.len = (size_t)(eol - at);
		if (line.len == 0 || part == PART_SAID)
			part = part_of(line);
		if (part == PART_SAID) {
			take_said(out, line);
		} else if (part != PART_TABLE || !repeats_the_head(parts[part], line)) {
			strbuf_append(parts[part], line.at, line.len);
			strbuf_append_char(parts[part], '\n');
		}
	}
	for (enum part i = PART_TABLE; i < PART_SAID; i++)
		if (i != part)
			strbuf_append_char(parts[i], '\n');
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
	struct strbuf *const parts[] = {
	    [PART_TABLE] = &table, [PART_STAT] = &stat, [PART_INFO] = &info};

	*out = (struct haproxy_batch_reply){.said = STRBUF_INIT};
	split(text, len, parts, out);
	out->uptime_s = find_number(info.data, "\nUptime_sec: ");
	out->start_s = find_number(info.data, "\nStart_time_sec: ");
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
