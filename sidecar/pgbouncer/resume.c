/* Sends one RESUME after the other on one console, until the record is empty or the time is over.
 * If it fails, the file stays for the next try. */
#include "pgbouncer/hold_record.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pgbouncer/console.h"
#include "pgbouncer/model/diff.h"

struct resume {
	struct event_base *base;
	struct console *console;
	struct pgbouncer_hold_record *record;
	int64_t until_ms;
	bool failed;
	struct err *err;
};

static bool ask_next(struct resume *resume);

static bool is_fine(const struct err *err)
{
	return err == NULL || pgbouncer_problem_of(err->message) == PGBOUNCER_NOT_PAUSED ||
	       pgbouncer_problem_of(err->message) == PGBOUNCER_NO_DATABASE;
}

static void answer_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                      void *arg)
{
	struct resume *resume = arg;

	(void)table;
	if (lost || !is_fine(err)) {
		*resume->err = *err;
		resume->failed = true;
	} else {
		pgbouncer_hold_record_drop(resume->record, resume->record->names[0]);
		resume->failed = !ask_next(resume);
	}
	if (resume->failed || resume->record->count == 0)
		event_base_loopbreak(resume->base);
}

static bool ask_next(struct resume *resume)
{
	auto_strbuf struct strbuf sql = STRBUF_INIT;
	int64_t left_ms = resume->until_ms - clock_now_ms();

	if (resume->record->count == 0)
		return true;
	strbuf_append_str(&sql, "RESUME ");
	if (!pgbouncer_quote_name(resume->record->names[0], &sql, resume->err))
		return false;
	console_query(resume->console, sql.data, left_ms > 0 ? left_ms : 0, answer_cb, resume);
	return true;
}

static void undone(const struct pgbouncer_table *table, const struct err *err, bool lost, void *arg)
{
	struct resume *resume = arg;

	(void)table;
	if (lost) {
		*resume->err = *err;
		resume->failed = true;
	} else {
		resume->failed = !ask_next(resume);
	}
	if (resume->failed || resume->record->count == 0)
		event_base_loopbreak(resume->base);
}

/* Clients that are resumed need server connections. */
static void undo_limit(struct resume *resume)
{
	auto_free char *sql =
	    xasprintf("SET max_db_connections='%d'", resume->record->max_db_connections);

	console_query(resume->console, sql, resume->until_ms - clock_now_ms(), undone, resume);
}

bool pgbouncer_resume(const char *conninfo, struct pgbouncer_hold_record *record,
                      int64_t timeout_ms, struct err *err)
{
	struct resume resume = {.base = event_base_new(),
	                        .record = record,
	                        .until_ms = clock_now_ms() + timeout_ms,
	                        .err = err};

	resume.console = console_create(resume.base, conninfo);
	if (record->count > 0 && record->max_db_connections >= 0)
		undo_limit(&resume);
	else
		resume.failed = !ask_next(&resume);
	if (!resume.failed && record->count > 0)
		event_base_dispatch(resume.base);
	console_close(resume.console);
	event_base_free(resume.base);
	return !resume.failed && pgbouncer_hold_record_save(record, "", err);
}
