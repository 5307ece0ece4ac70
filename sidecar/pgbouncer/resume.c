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
	bool limited; /* max_db_connections is restored first: resumed clients need servers */
	bool calmed;  /* min_pool_size last: PgBouncer would log in to paused databases */
	bool setting; /* a SET is sent, which may fail */
	bool failed;
	struct err *err;
};

static void ask_next(struct resume *resume);

static bool is_fine(const struct resume *resume, const struct err *err)
{
	return err == NULL || resume->setting ||
	       pgbouncer_problem_of(err->message) == PGBOUNCER_NOT_PAUSED ||
	       pgbouncer_problem_of(err->message) == PGBOUNCER_NO_DATABASE;
}

static void answer_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                      void *arg)
{
	struct resume *resume = arg;

	(void)table;
	if (lost || !is_fine(resume, err)) {
		*resume->err = *err;
		resume->failed = true;
	} else if (!resume->setting) {
		pgbouncer_hold_record_drop(resume->record, resume->record->names[0]);
	}
	resume->setting = false;
	ask_next(resume);
}

static void ask_next(struct resume *resume)
{
	auto_strbuf struct strbuf sql = STRBUF_INIT;

	if (resume->limited) {
		resume->setting = true;
		resume->limited = false;
		strbuf_printf(&sql, "SET max_db_connections='%d'",
		              resume->record->max_db_connections);
	} else if (!resume->failed && resume->record->count > 0) {
		strbuf_append_str(&sql, "RESUME ");
		resume->failed = !pgbouncer_quote_name(resume->record->names[0], &sql, resume->err);
	} else if (!resume->failed && resume->calmed) {
		resume->setting = true;
		resume->calmed = false;
		strbuf_printf(&sql, "SET min_pool_size='%d'", resume->record->min_pool_size);
	}
	if (resume->failed || sql.len == 0)
		event_base_loopexit(resume->base, NULL);
	else
		console_query(resume->console, sql.data,
		              larger(resume->until_ms - clock_now_ms(), 0), answer_cb, resume);
}

bool pgbouncer_resume(const char *conninfo, struct pgbouncer_hold_record *record,
                      int64_t timeout_ms, struct err *err)
{
	struct resume resume = {.base = event_base_new(),
	                        .record = record,
	                        .until_ms = clock_now_ms() + timeout_ms,
	                        .limited = record->count > 0 && record->max_db_connections >= 0,
	                        .calmed = record->count > 0 && record->min_pool_size > 0,
	                        .err = err};

	resume.console = console_create(resume.base, conninfo);
	ask_next(&resume);
	event_base_dispatch(resume.base);
	console_close(resume.console);
	event_base_free(resume.base);
	return !resume.failed && pgbouncer_hold_record_save(record, "", err);
}
