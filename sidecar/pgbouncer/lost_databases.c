/* Databases that a new text drops; see the header. To rename a database without harm takes two
 * texts: one with both names, then one without the old name when no client uses it any more. */
#include "pgbouncer/lost_databases.h"

#include <stdlib.h>

#include "base/file.h"
#include "pgbouncer/console.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"
#include "target/install.h"

#define ANSWER_MAX_MS 2000

struct lost_databases {
	struct string_list names;
	struct console *console;
	lost_databases_cb *cb;
	void *arg;
};

static void find_names(const char *output, const struct pgbouncer_ini *now, struct string_list *out)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct pgbouncer_ini before;
	struct err ignored; /* an output that cannot be read is no reason to keep anything */

	if (!file_read(output, INSTALL_MAX, &text, NULL, &ignored) ||
	    !pgbouncer_ini_parse(text.data, text.len, &before, &ignored))
		return;
	for (size_t i = 0; i < before.count; i++)
		if (pgbouncer_ini_find(now, before.databases[i].name) == NULL)
			string_list_add(out, xstrdup(before.databases[i].name));
	pgbouncer_ini_free(&before);
}

void lost_databases_names(const char *output, const struct pgbouncer_ini *now, struct strbuf *out)
{
	auto_string_list struct string_list names = {.count = 0};

	find_names(output, now, &names);
	string_list_join(&names, ", ", out);
}

bool lost_databases_judge(const struct string_list *names, const struct pgbouncer_table *pools,
                          const struct err *err, struct strbuf *out)
{
	auto_free char *why = NULL;
	unsigned clients = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct pgbouncer_pool_sum sum = {0};
		struct err problem;

		strbuf_printf(out, "%s%s", i > 0 ? ", " : "", names->items[i]);
		if (why == NULL && pools == NULL)
			why = xstrdup(err != NULL ? err->message : "no rows");
		else if (why == NULL &&
		         !pgbouncer_pools_sum(pools, names->items[i], &sum, &problem))
			why = xstrdup(problem.message);
		if (sum.active_clients + sum.waiting > 0)
			strbuf_printf(out, " (clients: %u)", sum.active_clients + sum.waiting);
		clients += sum.active_clients + sum.waiting;
	}
	strbuf_append_str(out, names->count > 1 ? " go away" : " goes away");
	strbuf_append_str(out, ": it is in the output and not in the new text, so PgBouncer "
	                       "drops it with its clients: ");
	if (clients > 0)
		strbuf_append_str(
		    out, "keep an entry with the old name until nobody uses it; to end its "
		         "clients, run DISABLE and KILL with its name on PgBouncer's console");
	else if (why != NULL)
		strbuf_printf(out, "whether clients are connected is not known: %s", why);
	else
		strbuf_append_str(out, "none is connected now");
	return clients > 0;
}

static void answered(const struct pgbouncer_table *table, const struct err *err, bool gone,
                     void *arg)
{
	struct lost_databases *lost = arg;
	auto_strbuf struct strbuf what = STRBUF_INIT;
	lost_databases_cb *cb = lost->cb;
	void *cb_arg = lost->arg;
	bool used = lost_databases_judge(&lost->names, table, err, &what);

	(void)gone;
	lost_databases_cancel(lost);
	cb(used, what.data, cb_arg);
}

struct lost_databases *lost_databases_ask(struct event_base *base,
                                          const struct config_target *target, const char *text,
                                          size_t len, lost_databases_cb *cb, void *arg)
{
	struct lost_databases *lost = xcalloc(1, sizeof(*lost));
	struct pgbouncer_ini now;
	struct err ignored; /* a text that cannot be parsed is refused elsewhere */

	lost->cb = cb;
	lost->arg = arg;
	if (pgbouncer_ini_parse(text, len, &now, &ignored)) {
		find_names(target->output, &now, &lost->names);
		pgbouncer_ini_free(&now);
	}
	if (lost->names.count == 0) {
		lost_databases_cancel(lost);
		return NULL;
	}
	lost->console = console_create(base, target->console);
	console_query(lost->console, "SHOW POOLS", ANSWER_MAX_MS, answered, lost);
	return lost;
}

void lost_databases_cancel(struct lost_databases *lost)
{
	if (lost == NULL)
		return;
	console_close(lost->console);
	string_list_free(&lost->names);
	free(lost);
}
