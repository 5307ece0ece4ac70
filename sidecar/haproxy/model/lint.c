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

#define UNSET           (-1) /* as haproxy_duration_ms() returns for no number */
#define RETRIES_DEFAULT 3
#define RETRY_MAX_MS    1000 /* between two tries HAProxy waits min(1 s, timeout connect) */
#define CONNECT_MAX_MS  5000
#define TIMEOUT_MIN_MS  1000 /* below it, a number without a unit is likely to be a mistake */

enum section {
	SECTION_OTHER,
	SECTION_GLOBAL,
	SECTION_DEFAULTS,
	SECTION_PROXY, /* backend or listen */
};

struct settings {      /* of a defaults section or a proxy, with inherited ones */
	bool complete; /* no setting comes from another file or from a variable */
	bool has_mode, has_redispatch, checks;
	unsigned http_line;                    /* of `mode http`; 0: none */
	int64_t redispatch_every;              /* every Nth retry; below 1: the last at most */
	int64_t retries, connect_ms, queue_ms; /* or UNSET */
};

struct profile { /* a defaults section of this text */
	char *name;
	struct settings settings;
};

struct primary { /* the server `primary` of the current section; line 0: there is none */
	unsigned line;
	bool checks, limited;
};

struct lint {
	struct haproxy_lines lines;
	int64_t hold_ms;
	bool only_hold; /* leave out findings that do not affect waiting clients */
	struct string_list *out;
	enum section section;
	unsigned section_line, global_line, socket_line;
	bool has_admin_socket, has_hard_stop, inherits_blindly;
	char *proxy;
	struct primary primary;
	struct settings settings;
	struct profile *profiles;
	size_t profile_count;
};

static const char *word(const struct lint *lint, size_t i)
{
	return haproxy_lines_word(&lint->lines, i);
}

static bool word_is(const struct lint *lint, size_t i, const char *expected)
{
	return strcmp(word(lint, i), expected) == 0;
}

/* True when the section itself has `mode http`: then it is not for PostgreSQL. */
static bool is_web(const struct lint *lint)
{
	return lint->settings.http_line > lint->section_line;
}

static bool has_word(const struct lint *lint, size_t from, const char *expected)
{
	for (size_t i = from; i < lint->lines.count; i++)
		if (word_is(lint, i, expected))
			return true;
	return false;
}

static void write_finding(struct lint *lint, unsigned line, const char *fmt, va_list args)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "line %u: ", line);
	strbuf_vprintf(&text, fmt, args);
	string_list_add(lint->out, strbuf_detach(&text));
}

static void PRINTF_LIKE(3, 4) report(struct lint *lint, unsigned line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (!lint->only_hold)
		write_finding(lint, line, fmt, args);
	va_end(args);
}

/* Reports a setting that keeps clients from waiting for a primary. */
static void PRINTF_LIKE(3, 4) report_hold(struct lint *lint, unsigned line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_finding(lint, line, fmt, args);
	va_end(args);
}

static void judge_global(struct lint *lint)
{
	if (lint->global_line == 0)
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
		       "its clients for days, out of reach of a later move: add "
		       "\"hard-stop-after 1h\"");
}

static void judge_inheritance(struct lint *lint)
{
	if (lint->settings.http_line > 0)
		report(lint, lint->settings.http_line,
		       "\"mode http\" reaches backend %s: PostgreSQL needs \"mode tcp\": name a "
		       "defaults section of its own: \"backend %s from NAME\"",
		       lint->proxy, lint->proxy);
	if (lint->inherits_blindly && !lint->settings.has_mode)
		report(lint, lint->section_line,
		       "backend %s takes over the defaults of whichever file HAProxy reads before "
		       "this one: name a defaults section: \"backend %s from NAME\"",
		       lint->proxy, lint->proxy);
}

static void judge_hold_time(struct lint *lint)
{
	const struct settings *set = &lint->settings;
	int64_t retries = set->retries != UNSET ? set->retries : RETRIES_DEFAULT;
	int64_t period = set->connect_ms < RETRY_MAX_MS ? set->connect_ms : RETRY_MAX_MS;

	if (period <= 0 || (set->retries == UNSET && !set->complete))
		return;
	if (retries * period < lint->hold_ms)
		report_hold(lint, lint->section_line,
		            "backend %s: %" PRId64 " retries %" PRId64
		            " ms apart: during a failover clients get errors after %" PRId64
		            " ms, hold_timeout is %" PRId64 " ms: raise \"retries\" to %" PRId64,
		            lint->proxy, retries, period, retries * period, lint->hold_ms,
		            lint->hold_ms * 2 / period);
}

static void judge_tries(struct lint *lint)
{
	const struct settings *set = &lint->settings;

	if (set->has_redispatch ? set->redispatch_every < 1 : set->complete)
		report_hold(
		    lint, lint->section_line,
		    "backend %s has no \"option redispatch 2\": waiting clients keep trying the "
		    "address that the primary has left: add it",
		    lint->proxy);
	if (set->connect_ms == 0 || (set->connect_ms == UNSET && set->complete))
		report_hold(
		    lint, lint->section_line,
		    "backend %s has no \"timeout connect\": a try at a primary that is gone "
		    "never ends: add \"timeout connect 100ms\"",
		    lint->proxy);
	if (set->connect_ms > CONNECT_MAX_MS)
		report(lint, lint->section_line,
		       "backend %s: \"timeout connect\" is %" PRId64 " ms: clients hang that long "
		       "at a primary that swallows packets: take less than %d ms",
		       lint->proxy, set->connect_ms, CONNECT_MAX_MS);
}

/* While there is no primary, one client should try and all others wait in the queue. Otherwise each
 * of them tries again every `timeout connect`: with 1,000 clients that takes a third of a core. */
static void judge_queue(struct lint *lint)
{
	const struct settings *set = &lint->settings;

	if (set->redispatch_every == 1)
		report(lint, lint->section_line,
		       "backend %s has \"option redispatch 1\": during a failover each waiting "
		       "client tries again every \"timeout connect\": with \"option redispatch "
		       "2\" they wait in HAProxy's queue",
		       lint->proxy);
	if (!set->complete && set->queue_ms == UNSET)
		return;
	if (set->queue_ms == UNSET && (lint->primary.limited || set->redispatch_every > 1))
		report(lint, lint->section_line,
		       "backend %s has no \"timeout queue\": its queue lasts no longer than "
		       "\"timeout connect\", so clients cannot wait there for a primary, nor for "
		       "\"maxconn\": add \"timeout queue %" PRId64 "ms\"",
		       lint->proxy, lint->hold_ms * 2);
	else if (set->queue_ms != UNSET && set->queue_ms < lint->hold_ms)
		report(lint, lint->section_line,
		       "backend %s: \"timeout queue\" is %" PRId64 " ms, hold_timeout is %" PRId64
		       " ms: during a failover each waiting client tries again every \"timeout "
		       "connect\" instead of waiting in the queue: raise it to %" PRId64 "ms",
		       lint->proxy, set->queue_ms, lint->hold_ms, lint->hold_ms * 2);
}

static void judge_proxy(struct lint *lint)
{
	if (lint->primary.line == 0 || is_web(lint))
		return;
	judge_inheritance(lint);
	judge_tries(lint);
	judge_hold_time(lint);
	judge_queue(lint);
	if (lint->primary.checks)
		report_hold(
		    lint, lint->primary.line,
		    "server %s/primary has \"check\": when it fails, waiting clients get errors "
		    "and new ones are turned away; segue is the check: remove it",
		    lint->proxy);
}

static void end_section(struct lint *lint)
{
	if (lint->section == SECTION_PROXY)
		judge_proxy(lint);
	if (lint->section == SECTION_DEFAULTS)
		lint->profiles[lint->profile_count - 1].settings = lint->settings;
	free(STEAL(lint->proxy));
	lint->primary = (struct primary){0};
	lint->section = SECTION_OTHER;
}

/* Returns the settings that the current section starts with. `from_at`: the index of its word
 * `from`, if it has one. */
static struct settings inherit(const struct lint *lint, size_t from_at)
{
	struct settings own = {
	    .complete = true, .retries = UNSET, .connect_ms = UNSET, .queue_ms = UNSET};
	bool named = word_is(lint, from_at, "from");

	for (size_t i = lint->profile_count; i > 0; i--)
		if (!named || strcmp(lint->profiles[i - 1].name, word(lint, from_at + 1)) == 0)
			return lint->profiles[i - 1].settings;
	own.complete = !named && lint->global_line > 0;
	return own;
}

static void start_defaults(struct lint *lint)
{
	bool named = lint->lines.count > 1 && !word_is(lint, 1, "from");
	size_t from_at = named ? 2 : 1;

	lint->section = SECTION_DEFAULTS;
	lint->settings = (struct settings){
	    .complete = true, .retries = UNSET, .connect_ms = UNSET, .queue_ms = UNSET};
	if (word_is(lint, from_at, "from"))
		lint->settings = inherit(lint, from_at);
	lint->profiles =
	    xreallocarray(lint->profiles, lint->profile_count + 1, sizeof(*lint->profiles));
	lint->profiles[lint->profile_count++] =
	    (struct profile){xstrdup(named ? word(lint, 1) : ""), lint->settings};
}

static void start_section(struct lint *lint)
{
	end_section(lint);
	lint->section_line = lint->lines.number;
	if (word_is(lint, 0, "global")) {
		lint->section = SECTION_GLOBAL;
		lint->global_line = lint->lines.number;
	} else if (word_is(lint, 0, "defaults")) {
		start_defaults(lint);
	} else if (word_is(lint, 0, "backend") || word_is(lint, 0, "listen")) {
		lint->section = SECTION_PROXY;
		lint->proxy = xstrdup(word(lint, 1));
		lint->settings = inherit(lint, 2);
		lint->inherits_blindly = !word_is(lint, 2, "from") && !lint->settings.complete &&
		                         lint->profile_count == 0;
	}
}

static void read_global(struct lint *lint)
{
	if (word_is(lint, 0, "hard-stop-after"))
		lint->has_hard_stop = true;
	if (!word_is(lint, 0, "stats") || !word_is(lint, 1, "socket"))
		return;
	if (lint->socket_line == 0)
		lint->socket_line = lint->lines.number;
	for (size_t i = 2; i < lint->lines.count; i++)
		if (word_is(lint, i, "level") && word_is(lint, i + 1, "admin"))
			lint->has_admin_socket = true;
}

static void read_option(struct lint *lint, size_t at, bool on)
{
	if (!word_is(lint, at, "option") || !word_is(lint, at + 1, "redispatch"))
		return;
	lint->settings.has_redispatch = true;
	lint->settings.redispatch_every = on ? strtol(word(lint, at + 2), NULL, 10) : 0;
}

static void read_settings(struct lint *lint)
{
	struct settings *set = &lint->settings;

	if (word_is(lint, 0, "mode")) {
		set->has_mode = true;
		set->http_line = word_is(lint, 1, "http") ? lint->lines.number : 0;
	} else if (word_is(lint, 0, "retries")) {
		set->retries = haproxy_duration_ms(word(lint, 1));
	} else if (word_is(lint, 0, "timeout") && word_is(lint, 1, "connect")) {
		set->connect_ms = haproxy_duration_ms(word(lint, 2));
	} else if (word_is(lint, 0, "timeout") && word_is(lint, 1, "queue")) {
		set->queue_ms = haproxy_duration_ms(word(lint, 2));
	} else if (word_is(lint, 0, "default-server")) {
		set->checks =
		    !has_word(lint, 1, "no-check") && (set->checks || has_word(lint, 1, "check"));
	} else if (word_is(lint, 0, "load-server-state-from-file") && !word_is(lint, 1, "none")) {
		report(lint, lint->lines.number,
		       "load-server-state-from-file: a saved address would win over the file that "
		       "segue has written: use \"none\"");
	}
	read_option(lint, 0, true);
	if (word_is(lint, 0, "no"))
		read_option(lint, 1, false);
}

static void read_primary(struct lint *lint)
{
	char *address = NULL;
	uint16_t port;
	struct err err;

	if (!word_is(lint, 0, "server") || !word_is(lint, 1, "primary") ||
	    has_word(lint, 3, "backup") || is_web(lint))
		return;
	lint->primary.line = lint->lines.number;
	lint->primary.checks =
	    !has_word(lint, 3, "no-check") && (lint->settings.checks || has_word(lint, 3, "check"));
	lint->primary.limited = has_word(lint, 3, "maxconn");
	if (has_word(lint, 3, "resolvers"))
		report(lint, lint->lines.number,
		       "server %s/primary has \"resolvers\": DNS trouble would put it into "
		       "maintenance: remove it, segue resolves names",
		       lint->proxy);
	if (!lint->lines.words[2].variable &&
	    haproxy_address_read(word(lint, 2), &address, &port, &err) == HAPROXY_ADDRESS_BAD)
		report(lint, lint->lines.number, "server %s/primary: %s", lint->proxy, err.message);
	free(address);
}

/* Returns the value of `timeout NAME VALUE` in the current line, in ms; 0: no timeout, or not
 * known. */
static int64_t read_timeout(const struct haproxy_lines *lines)
{
	int64_t ms = -1;

	if (strcmp(haproxy_lines_word(lines, 0), "timeout") == 0 &&
	    !haproxy_lines_has_variable(lines))
		ms = haproxy_duration_ms(haproxy_lines_word(lines, 2));
	return ms > 0 ? ms : 0;
}

/* True for a timeout that ends idle sessions. */
static bool is_idle_timeout(const char *name)
{
	return strcmp(name, "client") == 0 || strcmp(name, "server") == 0 ||
	       strcmp(name, "tunnel") == 0;
}

static void judge_timeout(struct lint *lint)
{
	int64_t ms = read_timeout(&lint->lines);
	const char *value = word(lint, 2);

	if (ms == 0 || ms >= TIMEOUT_MIN_MS)
		return;
	if (value[strspn(value, "0123456789")] == '\0')
		report(lint, lint->lines.number,
		       "\"timeout %s %s\" is %s ms, as it has no unit: write %ss, or %sms if that "
		       "is meant",
		       word(lint, 1), value, value, value, value);
	else if (is_idle_timeout(word(lint, 1)))
		report(lint, lint->lines.number,
		       "\"timeout %s %s\": sessions end when they are idle for so short a time: "
		       "take 1s or more",
		       word(lint, 1), value);
}

static void read_line(struct lint *lint)
{
	judge_timeout(lint);
	if (haproxy_keyword_is_section(word(lint, 0))) {
		start_section(lint);
		return;
	}
	if (lint->section == SECTION_GLOBAL)
		read_global(lint);
	if (lint->section != SECTION_DEFAULTS && lint->section != SECTION_PROXY)
		return;
	if (haproxy_lines_has_variable(&lint->lines))
		lint->settings.complete = false;
	read_settings(lint);
	if (lint->section == SECTION_PROXY && lint->lines.count > 2)
		read_primary(lint);
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
	for (size_t i = 0; i < lint->profile_count; i++)
		free(lint->profiles[i].name);
	free(lint->profiles);
	haproxy_lines_fini(&lint->lines);
}

void haproxy_lint(const char *text, size_t len, int64_t hold_ms, struct string_list *out)
{
	struct lint lint = {.hold_ms = hold_ms, .out = out};

	lint_text(&lint, text, len);
}

void haproxy_lint_hold(const char *text, size_t len, int64_t hold_ms, struct string_list *out)
{
	struct lint lint = {.hold_ms = hold_ms, .only_hold = true, .out = out};

	lint_text(&lint, text, len);
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

		if (ms == 0 || ms >= TIMEOUT_MIN_MS || !is_idle_timeout(name))
			continue;
		strbuf_printf(out, "%srendered line %u: \"timeout %s\" is %" PRId64 " ms",
		              findings++ > 0 ? ", " : "", lines.number, name, ms);
	}
	haproxy_lines_fini(&lines);
	if (findings > 0)
		strbuf_append_str(out, ": sessions end when they are idle for so short a time, and "
		                       "new ones before they begin: is a unit missing?");
	return findings;
}
