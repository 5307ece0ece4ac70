/* The state of a target that has no text: what an earlier life of segue has left closed, until the
 * store tells where the primary is, or the time for that is over; and what this life would leave
 * closed at its end. Opened are only servers that are as the note says. */
#include <inttypes.h>

#include "apply/haproxy_driver.h"
#include "base/clock.h"
#include "base/log.h"

#define GRACE_MS       10000 /* for the store to tell, when what an earlier life left is found */
#define ANSWER_MS      1000  /* for each answer of HAProxy */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   30000

void haproxy_recovered_keep(struct haproxy_driver *driver, int64_t *last, int64_t episode,
                            int64_t timer_ms)
{
	if (driver->hold.state != HOLD_RECOVERED || *last == episode)
		return;
	*last = episode;
	haproxy_hold_enter(driver, HOLD_RECOVERED, timer_ms);
}

static void opening_failed(struct haproxy_driver *driver, const struct err *err)
{
	int64_t ms = clock_backoff_ms(++driver->hold.failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *next = xasprintf("tried again in %" PRId64 " ms; `segue resume` does the "
	                                 "same, the store's next word opens it too",
	                                 ms);

	haproxy_log_problem(driver, "release_failed", err->message, next);
	haproxy_hold_enter(driver, HOLD_RECOVERED, ms);
}

static void opened_cb(size_t released, const struct err *err, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)released;
	driver->hold.release = NULL;
	if (err != NULL) {
		opening_failed(driver, err);
		return;
	}
	haproxy_hold_enter(driver, HOLD_OPEN, -1);
	haproxy_log_released(driver, "nobody has been admitted as the primary since segue's start: "
	                             "clients go on where HAProxy's file leads them");
	haproxy_hold_forget(driver);
}

void haproxy_recovered_open(struct haproxy_driver *driver)
{
	const struct config_target *config = driver->target.config;
	struct haproxy_hold *hold = &driver->hold;
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;

	if (file_read(config->output, INSTALL_MAX, &text, NULL, &err)) {
		const struct haproxy_release_job job = {.socket = config->socket,
		                                        .text = text.data,
		                                        .len = text.len,
		                                        .note = &hold->note,
		                                        .timeout_ms = ANSWER_MS};

		hold->release =
		    haproxy_release_start(driver->target.base, &job, opened_cb, driver, &err);
	}
	if (hold->release == NULL)
		opening_failed(driver, &err);
	else
		haproxy_hold_enter(driver, HOLD_OPENING, -1);
}

void haproxy_recovered_take_over(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	bool forever = hold->note.kind == HAPROXY_RECORD_FENCE;
	int64_t ms = GRACE_MS + driver->target.config->hold_max_ms;
	auto_free char *next = forever ? xasprintf("it stays so until a primary is admitted, or "
	                                           "`segue resume %s`",
	                                           driver->target.config->name)
	                               : xasprintf("released when a primary is admitted, or in "
	                                           "%" PRId64 " ms",
	                                           ms);
	struct err err;

	haproxy_hold_enter(driver, HOLD_RECOVERED, forever ? -1 : ms);
	haproxy_log_found(driver, next);
	if (!haproxy_hold_record_save(&hold->note, 0, &err)) /* with the new owner */
		haproxy_log_problem(driver, "note_not_saved", err.message, "it is kept as it is");
}

/* Whoever ends segue for good must not find clients waiting. */
void haproxy_recovered_let_go(struct haproxy_driver *driver)
{
	const struct config_target *config = driver->target.config;
	struct haproxy_release_job job = {.socket = config->socket,
	                                  .text = driver->text,
	                                  .len = driver->len,
	                                  .note = &driver->hold.note,
	                                  .timeout_ms = ANSWER_MS};
	auto_strbuf struct strbuf file = STRBUF_INIT;
	struct err err;
	size_t released;
	bool readable = true;

	if (driver->generation == 0) {
		readable = file_read(config->output, INSTALL_MAX, &file, NULL, &err);
		job.text = file.data;
		job.len = file.len;
	}
	if (readable && haproxy_release_wait(&job, &released, &err)) {
		haproxy_log_released(driver, "segue stops: clients go on where HAProxy's file "
		                             "leads them");
		haproxy_hold_forget(driver);
		return;
	}
	haproxy_log_problem(driver, "release_failed", err.message,
	                    "clients wait: run `segue resume`, or start segue again");
}
