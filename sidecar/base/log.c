/* The log: builds a line for each event and writes it to stderr, at once or when the loop is idle.
 * It never fails, and never blocks in log_emit() and log_flush(). About LOG_PENDING_MAX bytes wait
 * in memory for a slow reader of stderr; further lines are dropped and counted. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"

#define LOG_PENDING_MAX ((size_t)256 * 1024)
#define LOG_LAST_MS     500 /* ms that log_set_deferred() waits for stderr */
#define LOG_VALUE_MAX   4096

static struct {
	enum log_level level;
	enum log_format format;
	struct strbuf pending;
	void (*wanted)(void *arg);
	void *wanted_arg;
	uint64_t counts[LOG_ERROR + 1];
	int64_t dropped; /* lines dropped since the last one that was kept */
} log_state = {.level = LOG_INFO, .format = LOG_TEXT, .pending = STRBUF_INIT};

void log_configure(enum log_level level, enum log_format format)
{
	log_state.level = level;
	log_state.format = format;
}

static const struct {
	const char *name;
	int priority; /* sd-daemon(3): the prefix of a line on stderr, which journald removes */
} levels[] = {[LOG_DEBUG] = {"debug", 7},
              [LOG_INFO] = {"info", 6},
              [LOG_WARNING] = {"warning", 4},
              [LOG_ERROR] = {"error", 3}};

static bool needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s == '"' || *s == '\\' || *s == '=' || *s > '~')
			return true;
	return false;
}

static void append_text_value(struct strbuf *line, const struct log_kv *kv)
{
	if (!needs_quotes(kv->str)) {
		strbuf_append_str(line, kv->str);
		return;
	}
	strbuf_append_char(line, '"');
	strbuf_append_escaped(line, kv->str, strlen(kv->str), LOG_VALUE_MAX);
	strbuf_append_char(line, '"');
}

/* RFC 8259 section 7. Bytes outside ASCII become \u00XX, because they may not be valid UTF-8. */
static void append_json_string(struct strbuf *line, const char *s)
{
	size_t len = strlen(s);

	strbuf_append_char(line, '"');
	for (size_t i = 0; i < len && i < LOG_VALUE_MAX; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			strbuf_printf(line, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			strbuf_printf(line, "\\u%04x", c);
		else
			strbuf_append_char(line, (char)c);
	}
	if (len > LOG_VALUE_MAX)
		strbuf_printf(line, "...(%zu bytes)", len);
	strbuf_append_char(line, '"');
}

static void append_value(struct strbuf *line, const struct log_kv *kv)
{
	const int64_t number = kv->number;
	char at[CLOCK_WALL_MAX];

	switch (kv->type) {
	case LOG_KV_STR:
		if (log_state.format == LOG_JSON)
			append_json_string(line, kv->str);
		else
			append_text_value(line, kv);
		return;
	case LOG_KV_INT:
		strbuf_printf(line, "%" PRId64, number);
		return;
	case LOG_KV_MS:
		strbuf_printf(line, "%s%" PRId64 ".%03" PRId64, number < 0 ? "-" : "",
		              imaxabs(number / 1000), imaxabs(number % 1000));
		return;
	case LOG_KV_TIME:
		clock_wall_at(number, at, sizeof(at));
		strbuf_printf(line, log_state.format == LOG_JSON ? "\"%s\"" : "%s", at);
		return;
	}
}

static void append_pair(struct strbuf *line, const struct log_kv *kv)
{
	if ((kv->type == LOG_KV_STR && kv->str == NULL) ||
	    (kv->type == LOG_KV_TIME && kv->number == 0))
		return;
	if (log_state.format == LOG_JSON)
		strbuf_printf(line, ",\"%s\":", kv->key);
	else
		strbuf_printf(line, " %s=", kv->key);
	append_value(line, kv);
}

static void append_head(struct strbuf *line, enum log_level level, const char *event)
{
	char now[CLOCK_WALL_MAX];

	clock_wall(now, sizeof(now));
	switch (log_state.format) {
	case LOG_TEXT:
		strbuf_printf(line, "%s level=%s event=%s", now, levels[level].name, event);
		return;
	case LOG_JSON:
		strbuf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", now,
		              levels[level].name, event);
		return;
	case LOG_JOURNAL:
		strbuf_printf(line, "<%d>event=%s", levels[level].priority, event);
		return;
	}
}

static void append_line(enum log_level level, const char *event, const struct log_kv *pairs,
                        size_t count)
{
	struct strbuf *line = &log_state.pending;

	append_head(line, level, event);
	for (size_t i = 0; i < count; i++)
		append_pair(line, &pairs[i]);
	strbuf_append_str(line, log_state.format == LOG_JSON ? "}\n" : "\n");
}

void log_emit(enum log_level level, const char *event, const struct log_kv *pairs, size_t count)
{
	const struct log_kv dropped = KV_INT("lines", log_state.dropped);
	bool was_empty = log_state.pending.len == 0;

	if (level < log_state.level)
		return;
	log_state.counts[level]++;
	if (log_state.pending.len > LOG_PENDING_MAX)
		log_flush();
	if (log_state.pending.len > LOG_PENDING_MAX) {
		log_state.dropped++;
		return;
	}
	if (log_state.dropped > 0)
		append_line(LOG_WARNING, "log_dropped", &dropped, 1);
	log_state.dropped = 0;
	append_line(level, event, pairs, count);
	if (log_state.wanted == NULL)
		log_flush();
	else if (was_empty)
		log_state.wanted(log_state.wanted_arg);
}

uint64_t log_count(enum log_level level)
{
	return log_state.counts[level];
}

void log_set_deferred(void (*wanted)(void *arg), void *arg)
{
	struct pollfd sink = {.fd = STDERR_FILENO, .events = POLLOUT};
	int64_t until = clock_now_ms() + LOG_LAST_MS;

	while (!log_flush() && clock_now_ms() < until)
		poll(&sink, 1, LOG_LAST_MS / 10);
	log_state.wanted = wanted;
	log_state.wanted_arg = arg;
}

/* Returns how many bytes were written; 0: stderr takes nothing now. On any other error the bytes
 * count as written and are lost. A pipe that poll() reports as writable takes PIPE_BUF bytes
 * without blocking (pipe(7)); a socket takes MSG_DONTWAIT. stderr may be shared with other
 * processes, so O_NONBLOCK must not be set on it. */
static size_t write_some(const char *data, size_t len)
{
	struct pollfd sink = {.fd = STDERR_FILENO, .events = POLLOUT};
	size_t some = len < PIPE_BUF ? len : PIPE_BUF;
	ssize_t done;

	if (poll(&sink, 1, 0) <= 0)
		return 0;
	done = send(STDERR_FILENO, data, some, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0 && errno == ENOTSOCK)
		done = write(STDERR_FILENO, data, some);
	if (done >= 0)
		return (size_t)done;
	return errno == EAGAIN || errno == EINTR ? 0 : some;
}

bool log_flush(void)
{
	struct strbuf *pending = &log_state.pending;
	size_t gone = 0;

	while (gone < pending->len) {
		size_t done = write_some(pending->data + gone, pending->len - gone);

		if (done == 0)
			break;
		gone += done;
	}
	if (gone == pending->len) {
		strbuf_fini(pending);
		return true;
	}
	memmove(pending->data, pending->data + gone, pending->len - gone + 1);
	pending->len -= gone;
	return false;
}
