/* Finds settings that would do harm in a failover; see the header. It checks the global section,
 * timeouts, and backends that have a server `primary` that is no backup: the server that segue
 * moves. It does not check the rest of a file, and never guesses what a section inherits from
 * another file. */
#include "haproxy/model/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/model/address.h"
#include "haproxy/model/syntax.h"

#define RETRIES_DEFAULT 3
#define RETRY_MAX_MS    1000 /* between two tries HAProxy waits min(1 s, timeout connect) */
#define CONNECT_MAX_MS  5000
#define TIMEOUT_MIN_MS  1000 /* below it, a number without a unit is likely to be a mistake */

struct primary { /* the server `primary` of the current section; line 0: there is none */
	unsigned line;
	bool checks, limited;
};

struct lint {
	struct haproxy_lines lines;
	int64_t hold_ms;
	bool only_hold; /* leave out findings that do not affect waiting clients */
	struct string_list *out;
	unsigned global_line, socket_line;
	bool has_admin_socket, has_hard_stop;
	struct primary primary;
};

static const char *word(const struct lint *lint, size_t i)
{
	return haproxy_lines_word(&lint->lines, i);
}

/* True when the section itself has `mode http`: then it is not for PostgreSQL. */
static bool is_web(const struct haproxy_section *section)
{
	return section->settings.http_line > section->line;
}

static void PRINTF_LIKE(3, 4) report(struct lint *lint, unsigned line, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;

	strbuf_printf(&text, "line %u: ", line);
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	string_list_add(lint->out, strbuf_detach(&text));
}

static void judge_global(struct lint *lint)
{
	if (lint->global_line == 0 || lint->only_hold)
		return;
	if (lint->socket_line == 0)
		report(lint, lint->global_line,
		       "global has no \"stats socket\", through which segue moves servers: add "
		       "\"stats socket /run/haproxy/admin.sock mode 660 level admin\"");
	else if (!lint->has_admin_socket)
		report(lint, lint->socket_line,
		       "no \"stats socket\" has \"level admin\": HAProxy would refuse every "
		       "change: add it");
	if (!lint->has_hard_stop)
		report(lint, lint->global_line,
		       "global has no \"hard-stop-after\": after a reload an old worker may keep "
		       "its clients for days, where segue cannot move them: add \"hard-stop-after "
		       "1h\"");
}

static void judge_inheritance(struct lint *lint)
{
	const struct haproxy_section *proxy = &lint->lines.before;

	if (proxy->settings.http_line > 0)
		report(lint, proxy->settings.http_line,
		       "backend %s inherits \"mode http\", but PostgreSQL needs \"mode tcp\": "
		       "give it its own defaults section: \"backend %s from NAME\"",
		       proxy->name.data, proxy->name.data);
	if (proxy->inherits_unknown && !proxy->from && !proxy->settings.has_mode)
		report(lint, proxy->line,
		       "backend %s inherits the defaults of the file that HAProxy reads before "
		       "this one: name a defaults section: \"backend %s from NAME\"",
		       proxy->name.data, proxy->name.data);
}

static void judge_tries(struct lint *lint)
{
	const struct haproxy_section *proxy = &lint->lines.before;
	const struct haproxy_settings *set = &proxy->settings;
	int64_t retries = set->retries != HAPROXY_UNSET ? set->retries : RETRIES_DEFAULT;
	int64_t period = set->connect_ms < RETRY_MAX_MS ? set->connect_ms : RETRY_MAX_MS;

	if (set->has_redispatch ? set->redispatch_every < 1 : set->complete)
		report(lint, proxy->line,
		       "backend %s has no \"option redispatch 2\": waiting clients are not sent "
		       "to the address of the new primary: add it",
		       proxy->name.data);
	if (set->connect_ms == 0 || (set->connect_ms == HAPROXY_UNSET && set->complete))
		report(lint, proxy->line,
		       "backend %s has no \"timeout connect\": a connection attempt to a lost "
		       "primary never ends: add \"timeout connect 100ms\"",
		       proxy->name.data);
	if (set->connect_ms > CONNECT_MAX_MS && !lint->only_hold)
		report(lint, proxy->line,
		       "backend %s: \"timeout connect\" is %" PRId64
		       " ms: if the primary does not answer (packets are dropped), clients wait "
		       "that long: set less than %d ms",
		       proxy->name.data, set->connect_ms, CONNECT_MAX_MS);
	if (period > 0 && (set->retries != HAPROXY_UNSET || set->complete) &&
	    retries * period < lint->hold_ms)
		report(lint, proxy->line,
		       "backend %s: %" PRId64 " retries %" PRId64
		       " ms apart: during a failover clients get errors after %" PRId64
		       " ms, hold_timeout is %" PRId64 " ms: raise \"retries\" to %" PRId64,
		       proxy->name.data, retries, period, retries * period, lint->hold_ms,
		       lint->hold_ms * 2 / period);
}

/* While there is no primary, one client should try and all others wait in the queue. Otherwise each
 * of them tries again every `timeout connect`: with 1,000 clients that takes a third of a core. */
static void judge_queue(struct lint *lint)
{
	const struct haproxy_section *proxy = &lint->lines.before;
	const struct haproxy_settings *set = &proxy->settings;

	if (set->redispatch_every == 1)
		report(lint, proxy->line,
		       "backend %s has \"option redispatch 1\": during a failover each waiting "
		       "client tries again every \"timeout connect\": with \"option redispatch "
		       "2\" they wait in HAProxy's queue",
		       proxy->name.data);
	if (!set->complete && set->queue_ms == HAPROXY_UNSET)
		return;
	if (set->queue_ms == HAPROXY_UNSET && (lint->primary.limited || set->redispatch_every > 1))
		report(lint, proxy->line,
		       "backend %s has no \"timeout queue\": clients stay in its queue no longer "
		       "than \"timeout connect\", which is too short to wait for a primary or for "
		       "\"maxconn\": add \"timeout queue %" PRId64 "ms\"",
		       proxy->name.data, lint->hold_ms * 2);
	else if (set->queue_ms != HAPROXY_UNSET && set->queue_ms < lint->hold_ms)
		report(lint, proxy->line,
		       "backend %s: \"timeout queue\" is %" PRId64 " ms, hold_timeout is %" PRId64
		       " ms: during a failover each waiting client tries again every \"timeout "
		       "connect\" instead of waiting in the queue: raise it to %" PRId64 "ms",
		       proxy->name.data, set->queue_ms, lint->hold_ms, lint->hold_ms * 2);
}

static void end_section(struct lint *lint)
{
	const struct haproxy_section *proxy = &lint->lines.before;
	const struct primary primary = lint->primary;

	if (haproxy_section_is_backend(proxy->kind) && primary.line > 0 && !is_web(proxy)) {
		if (!lint->only_hold)
			judge_inheritance(lint);
		judge_tries(lint);
		if (!lint->only_hold)
			judge_queue(lint);
		if (primary.checks)
			report(lint, primary.line,
			       "server %s/primary has \"check\": when the check fails, waiting "
			       "clients get errors and new ones are refused: remove it, segue "
			       "checks the primary itself",
			       proxy->name.data);
	}
	lint->primary = (struct primary){0};
}

static void read_global(struct lint *lint)
{
	if (haproxy_line_is(&lint->lines, "hard-stop-after"))
		lint->has_hard_stop = true;
	if (!haproxy_line_is(&lint->lines, "stats socket"))
		return;
	if (lint->socket_line == 0)
		lint->socket_line = lint->lines.number;
	if (strcmp(haproxy_lines_value(&lint->lines, "level"), "admin") == 0)
		lint->has_admin_socket = true;
}

static void read_primary(struct lint *lint)
{
	const struct haproxy_lines *lines = &lint->lines;
	const char *name = lines->section.name.data;
	char *address = NULL;
	uint16_t port;
	struct err err;

	if (!haproxy_line_is(lines, "server primary") || haproxy_lines_find(lines, "backup") > 0 ||
	    is_web(&lines->section))
		return;
	lint->primary = (struct primary){.line = lines->number,
	                                 .checks = haproxy_lines_turn_checks_on(lines),
	                                 .limited = haproxy_lines_find(lines, "maxconn") > 0};
	if (lint->only_hold)
		return;
	if (haproxy_lines_find(lines, "resolvers") > 0)
		report(lint, lines->number,
		       "server %s/primary has \"resolvers\": a DNS failure would set it to "
		       "maintenance: remove it, segue resolves names itself",
		       name);
	if (!lines->words[2].variable &&
	    haproxy_address_read(word(lint, 2), &address, &port, &err) == HAPROXY_ADDRESS_BAD)
		report(lint, lines->number, "server %s/primary: %s", name, err.message);
	free(address);
}

/* Returns the value of `timeout NAME VALUE` in the current line, in ms; INT64_MAX: no timeout, or
 * not known. */
static int64_t read_timeout(const struct haproxy_lines *lines)
{
	int64_t ms = -1;

	if (haproxy_line_is(lines, "timeout") && !haproxy_lines_has_variable(lines))
		ms = haproxy_duration_ms(haproxy_lines_word(lines, 2));
	return ms > 0 ? ms : INT64_MAX;
}

/* True for a timeout that ends idle sessions. */
static bool is_idle_timeout(const char *name)
{
	return strcmp(name, "client") == 0 || strcmp(name, "server") == 0 ||
	       strcmp(name, "tunnel") == 0;
}

static void judge_timeout(struct lint *lint)
{
	const char *value = word(lint, 2);

	if (read_timeout(&lint->lines) >= TIMEOUT_MIN_MS || lint->only_hold)
		return;
	if (value[strspn(value, "0123456789")] == '\0')
		report(lint, lint->lines.number,
		       "\"timeout %s %s\" is %s ms, as it has no unit: write %ss, or %sms if that "
		       "is meant",
		       word(lint, 1), value, value, value, value);
	else if (is_idle_timeout(word(lint, 1)))
		report(
		    lint, lint->lines.number,
		    "\"timeout %s %s\": sessions that are idle for that time end: set 1s or more",
		    word(lint, 1), value);
}

static void read_line(struct lint *lint)
{
	const struct haproxy_lines *lines = &lint->lines;
	enum haproxy_section_kind kind = lines->section.kind;

	judge_timeout(lint);
	if (lines->starts_section)
		end_section(lint);
	if (lines->starts_section && kind == HAPROXY_SECTION_GLOBAL)
		lint->global_line = lines->number;
	else if (kind == HAPROXY_SECTION_GLOBAL)
		read_global(lint);
	if (haproxy_section_is_backend(kind) && lines->count > 2)
		read_primary(lint);
	if ((kind == HAPROXY_SECTION_DEFAULTS || haproxy_section_is_backend(kind)) &&
	    haproxy_line_is(lines, "load-server-state-from-file") &&
	    !haproxy_line_is(lines, "load-server-state-from-file none") && !lint->only_hold)
		report(lint, lines->number,
		       "load-server-state-from-file: a saved address would override the file that "
		       "segue has written: use \"none\"");
}

static void lint_text(struct lint *lint, const char *text, size_t len)
{
	struct err err;

	haproxy_lines_init(&lint->lines, text, len);
	while (haproxy_lines_next(&lint->lines, &err))
		read_line(lint);
	end_section(lint);
	judge_global(lint);
	if (lint->lines.failed)
		string_list_add(lint->out, xstrdup(err.message));
	haproxy_lines_fini(&lint->lines);
}

void haproxy_lint(const char *text, size_t len, int64_t hold_ms, struct string_list *out)
{
	lint_text(&(struct lint){.hold_ms = hold_ms, .out = out}, text, len);
}

void haproxy_lint_hold(const char *text, size_t len, int64_t hold_ms, struct string_list *out)
{
	lint_text(&(struct lint){.hold_ms = hold_ms, .only_hold = true, .out = out}, text, len);
}

size_t haproxy_lint_idle(const char *text, size_t len, struct strbuf *out)
{
	struct haproxy_lines lines;
	struct err ignored;
	size_t findings = 0;

	haproxy_lines_init(&lines, text, len);
	while (haproxy_lines_next(&lines, &ignored)) {
		const char *name = haproxy_lines_word(&lines, 1);
		int64_t ms = read_timeout(&lines);

		if (ms >= TIMEOUT_MIN_MS || !is_idle_timeout(name))
			continue;
		strbuf_printf(out, "%srendered line %u: \"timeout %s\" is %" PRId64 " ms",
		              findings++ > 0 ? ", " : "", lines.number, name, ms);
	}
	haproxy_lines_fini(&lines);
	if (findings > 0)
		strbuf_append_str(
		    out, ": sessions that are idle for that time end, and new ones may end before "
		         "they start: is a unit missing?");
	return findings;
}
