/* The fixture of the PgBouncer target's tests; see the header. */
#include "e2e/pgdriver.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cluster/target_kinds.h"
#include "unit/loop.h"

void pgdriver_open(struct pgdriver *driver)
{
	driver->base = event_base_new();
	driver->hub = target_hub_create(driver->base);
	driver->target =
	    target_create(driver->hub, &driver->config, lab_path(driver->lab, "state"), NULL, NULL);
	cr_assert_not_null(driver->target);
}

void pgdriver_close(struct pgdriver *driver)
{
	target_destroy(driver->target);
	target_hub_destroy(driver->hub);
	event_base_free(driver->base);
}

static void log_to_file(struct pgdriver *driver)
{
	int fd;

	driver->log = lab_path(driver->lab, "segue.log");
	fd = open(driver->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_configure(LOG_DEBUG, LOG_TEXT);
}

void pgdriver_init(struct pgdriver *driver, const char *settings)
{
	struct lab *lab = lab_create("pgdriver");

	*driver = (struct pgdriver){.lab = lab, .databases = 1, .zxid = 100};
	driver->pg = lab_pg_start(lab, 2);
	lab_pg_promote(driver->pg, 1);
	for (int node = 0; node < TRAFFIC_NODES; node++)
		traffic_prepare(lab_pg_conninfo(driver->pg, node));
	driver->bouncer = lab_pgbouncer_create(lab, settings);
	lab_pgbouncer_start(driver->bouncer);
	log_to_file(driver);
	cr_assert_eq(lab_run(lab, (const char *[]){"mkdir", lab_path(lab, "state"), NULL}, NULL),
	             0);
	driver->record = lab_path(lab, "state/pgbouncer-local.paused");
	driver->config = (struct config_target){
	    .kind = CONFIG_TARGET_PGBOUNCER,
	    .name = xstrdup("local"),
	    .cluster = xstrdup("orders"),
	    .output = xstrdup(lab_pgbouncer_databases_file(driver->bouncer)),
	    .owner = xstrdup(""),
	    .mode = 0644,
	    .console = xstrdup(lab_pgbouncer_console(driver->bouncer)),
	    .pause_timeout_ms = 1000,
	};
	pgdriver_open(driver);
}

void pgdriver_fini(struct pgdriver *driver)
{
	pgdriver_close(driver);
	free(driver->config.name);
	free(driver->config.cluster);
	free(driver->config.output);
	free(driver->config.owner);
	free(driver->config.console);
	lab_destroy(driver->lab);
}

void pgdriver_name(struct pgdriver *driver, int node)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	int64_t now = clock_now_us();
	struct desired desired = {.zxid = ++driver->zxid,
	                          .notified_us = now,
	                          .read_us = now,
	                          .rendered_us = now,
	                          .primary = "127.0.0.1",
	                          .primary_port = lab_pg_port(driver->pg, node)};
	struct err err;

	strbuf_append_str(&text, "[databases]\n");
	for (int i = 0; i < driver->databases; i++)
		strbuf_printf(&text, "app%s = host=127.0.0.1 port=%u dbname=postgres\n",
		              i > 0 ? lab_printf(driver->lab, "%d", i) : "",
		              lab_pg_port(driver->pg, node));
	desired.text = text.data;
	desired.len = text.len;
	cr_assert(target_set_desired(driver->target, &desired, &err), "%s", err.message);
}

void pgdriver_apply(struct pgdriver *driver, int node)
{
	pgdriver_name(driver, node);
	cr_assert(pgdriver_wait_sync(driver));
}

void pgdriver_hold(struct pgdriver *driver, int64_t timeout_ms)
{
	target_hold(driver->target, ++driver->zxid, timeout_ms, false);
}

void pgdriver_start_traffic(struct pgdriver *driver)
{
	struct traffic_options options = {
	    .conninfo = lab_pgbouncer_conninfo(driver->bouncer, "app"),
	    .ports = {lab_pg_port(driver->pg, 0), lab_pg_port(driver->pg, 1)},
	    .clients = PGDRIVER_CLIENTS,
	    .keep = true};

	driver->traffic = traffic_start(driver->lab, &options);
	cr_assert(pgdriver_all_served(driver));
}

bool pgdriver_all_served(struct pgdriver *driver)
{
	int64_t until = clock_now_ms() + PGDRIVER_TIMEOUT_MS;

	while (clock_now_ms() < until) {
		loop_for(driver->base, 5);
		if (traffic_all_served(driver->traffic, 100))
			return true;
	}
	printf("not all are served, log:\n%s\nPgBouncer:\n%s\n",
	       lab_read_file(driver->lab, driver->log),
	       lab_process_log_tail(lab_pgbouncer_process(driver->bouncer)));
	return false;
}

/* --- waiting --- */

struct wanted {
	struct pgdriver *driver;
	const char *text;
	bool paused;
};

static bool wait_for(bool (*holds)(struct wanted *wanted), struct wanted *wanted)
{
	struct pgdriver *driver = wanted->driver;
	int64_t until = clock_now_ms() + PGDRIVER_TIMEOUT_MS;
	struct target_status status;

	while (clock_now_ms() < until) {
		if (holds(wanted))
			return true;
		loop_for(driver->base, 1);
	}
	target_status(driver->target, &status);
	printf("step %s, problem '%s', log:\n%s\n", status.step, status.problem,
	       lab_read_file(driver->lab, driver->log));
	return false;
}

static bool is_in_sync(struct wanted *wanted)
{
	struct target_status status;

	target_status(wanted->driver->target, &status);
	return status.in_sync && status.zxid == wanted->driver->zxid;
}

static bool has_problem(struct wanted *wanted)
{
	struct target_status status;

	target_status(wanted->driver->target, &status);
	return strstr(status.problem, wanted->text) != NULL;
}

static bool is_at_step(struct wanted *wanted)
{
	struct target_status status;

	target_status(wanted->driver->target, &status);
	return strcmp(status.step, wanted->text) == 0;
}

static bool is_logged(struct wanted *wanted)
{
	return pgdriver_count_log(wanted->driver, wanted->text) > 0;
}

static bool is_paused(struct wanted *wanted)
{
	return pgdriver_says(wanted->driver, wanted->text, "paused", wanted->paused ? "1" : "0");
}

bool pgdriver_wait_sync(struct pgdriver *driver)
{
	return wait_for(is_in_sync, &(struct wanted){.driver = driver});
}

bool pgdriver_wait_problem(struct pgdriver *driver, const char *words)
{
	return wait_for(has_problem, &(struct wanted){.driver = driver, .text = words});
}

bool pgdriver_wait_log(struct pgdriver *driver, const char *words)
{
	return wait_for(is_logged, &(struct wanted){.driver = driver, .text = words});
}

bool pgdriver_wait_step(struct pgdriver *driver, const char *step)
{
	return wait_for(is_at_step, &(struct wanted){.driver = driver, .text = step});
}

bool pgdriver_wait_paused(struct pgdriver *driver, const char *database, bool paused)
{
	return wait_for(is_paused,
	                &(struct wanted){.driver = driver, .text = database, .paused = paused});
}

void pgdriver_run(struct pgdriver *driver, int64_t ms)
{
	loop_for(driver->base, ms);
}

/* --- asking PgBouncer --- */

bool pgdriver_says(struct pgdriver *driver, const char *database, const char *column,
                   const char *wanted)
{
	return lab_pgbouncer_says(driver->bouncer, database, column, wanted);
}

bool pgdriver_leads_to(struct pgdriver *driver, int node)
{
	const char *port = lab_printf(driver->lab, "%u", lab_pg_port(driver->pg, node));
	auto_free char *answer = lab_pg_query(lab_pgbouncer_conninfo(driver->bouncer, "app"),
	                                      "select inet_server_port()");

	return pgdriver_says(driver, "app", "port", port) &&
	       pgdriver_says(driver, "app", "paused", "0") && answer != NULL &&
	       strcmp(answer, port) == 0;
}

void pgdriver_command(struct pgdriver *driver, const char *sql)
{
	auto_free char *reply = lab_pgbouncer_query(driver->bouncer, sql, NULL);

	cr_assert_not_null(reply, "%s", sql);
}

int pgdriver_count_log(struct pgdriver *driver, const char *words)
{
	const char *log = lab_read_file(driver->lab, driver->log);
	int count = 0;

	for (; (log = strstr(log, words)) != NULL; log++)
		count++;
	return count;
}
