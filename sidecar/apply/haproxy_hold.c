/* The door between clients and the primary, for the time when there is none. Closing it is a view of
 * the text with other servers, which the runtime half pushes and keeps like any text; the file
 * never changes for it. Whatever is closed stands in a note on disk before the first command, until
 * HAProxy has been seen open again; so nothing stays closed because segue died.
 *
 *            hold                         fence
 *   OPEN -----------------------> HELD <---------> FENCED      from OPEN, too
 *    ^ ^    new text, timeout      |       hold       | new text
 *    | +---------------------------+------------------+
 *    |  new text                          (a note when the target is made)
 *    +------------------------------------ FOUND -- timeout --> OPENING --+
 *    |                                       ^                 | | failed |
 *    |                                       +-----------------+-+        |
 *    +--------------------------------------------------------------------+
 */
#include <event2/event.h>
#include <inttypes.h>

#include "apply/haproxy_closed.h"
#include "apply/haproxy_driver.h"
#include "base/clock.h"
#include "base/log.h"

#define GRACE_MS       10000 /* for the store to tell, when what an earlier life left is found */
#define ANSWER_MS      1000  /* for each answer of HAProxy while segue opens without a text */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   30000

const struct haproxy_config *haproxy_wanted(const struct haproxy_driver *driver)
{
	switch (driver->hold.door) {
	case DOOR_HELD:
	case DOOR_FENCED:
		return &driver->hold.view;
	case DOOR_OPEN:
	case DOOR_FOUND:
	case DOOR_OPENING:
		break;
	}
	return &driver->config;
}

const struct haproxy_config *haproxy_homes(const struct haproxy_driver *driver)
{
	return driver->hold.door == DOOR_FENCED ? &driver->hold.view : &driver->config;
}

/* --- the door --- */

static void enter(struct haproxy_driver *driver, enum haproxy_door door, int64_t timer_ms)
{
	struct haproxy_hold *hold = &driver->hold;
	struct timeval after = {.tv_sec = timer_ms / 1000, .tv_usec = timer_ms % 1000 * 1000};
	bool was_open = hold->door == DOOR_OPEN, is_open = door == DOOR_OPEN;

	hold->door = door;
	hold->settled = false;
	event_del(hold->timer);
	if (timer_ms >= 0)
		event_add(hold->timer, &after);
	if (was_open && !is_open)
		hold->since_us = clock_now_us();
	if (was_open != is_open && driver->reloader != NULL)
		reloader_hold(driver->reloader, was_open ? 1 : -1);
	target_changed(&driver->target);
}

/* Takes over `view`; NULL: the text. */
static void show(struct haproxy_driver *driver, const struct haproxy_config *view)
{
	haproxy_config_open(&driver->hold.view);
	if (view != NULL)
		driver->hold.view = *view;
	driver->wish++;
	haproxy_sync_new_wish(driver, true);
}

static bool write_note(struct haproxy_driver *driver, enum haproxy_note_kind kind,
                       const struct haproxy_place *closed, struct err *err)
{
	const struct haproxy_place primary = {driver->primary, driver->primary_port};
	struct haproxy_hold *hold = &driver->hold;

	haproxy_note_set(&hold->note, kind, closed, &primary);
	hold->noted = true;
	return haproxy_note_save(&hold->note, driver->watch.zxid, err);
}

static void forget_note(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	haproxy_note_set(&hold->note, HAPROXY_NOTE_NONE, NULL, NULL);
	hold->noted = false;
	if (!haproxy_note_save(&hold->note, 0, &err))
		log_warning("note_left", KV_STR("target", driver->target.config->name),
		            KV_ERR(&err),
		            KV_STR("next", "after its next start segue would open what a person "
		                           "has closed in the same way by then: remove the file"));
}

/* What to do with a door that an earlier life has closed, while there is no text to open it with:
 * it stays so for as long as it would have been closed now. */
static void keep_found(struct haproxy_driver *driver, int64_t *last, int64_t episode,
                       int64_t timer_ms)
{
	if (driver->hold.door != DOOR_FOUND || *last == episode)
		return;
	*last = episode;
	enter(driver, DOOR_FOUND, timer_ms);
}

/* Without the note nothing is held, as the hold could outlive segue. */
static bool try_hold(struct haproxy_driver *driver, int64_t timeout_ms, struct err *err)
{
	const struct haproxy_place primary = {driver->primary, driver->primary_port};
	struct haproxy_place closed;
	struct haproxy_config view;
	size_t count;

	if (!haproxy_closed_find(&closed, err))
		return false;
	count = haproxy_config_hold(&driver->config, &primary, &closed, &view);
	if (count == 0)
		err_set(err, "no server of the text leads to the primary");
	if (count == 0 || !write_note(driver, HAPROXY_NOTE_HOLD, &closed, err)) {
		haproxy_config_open(&view);
		return false;
	}
	enter(driver, DOOR_HELD, timeout_ms);
	show(driver, &view);
	haproxy_reconcile(driver);
	haproxy_log_hold(driver, count, timeout_ms);
	return true;
}

void haproxy_hold(struct target *target, int64_t episode, int64_t timeout_ms)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	if (driver->generation == 0) {
		keep_found(driver, &hold->held_episode, episode, timeout_ms);
		return;
	}
	if (episode == hold->held_episode || episode == hold->fenced_episode)
		return;
	hold->held_episode = episode;
	if (!try_hold(driver, timeout_ms, &err))
		haproxy_log_problem(driver, "hold_refused", err.message,
		                    "nothing is held: clients get errors when their tries at a "
		                    "dead primary are over");
}

/* Even without the note: a fence that outlives segue is opened by the next text, and does no harm
 * to data. */
void haproxy_fence(struct target *target, int64_t episode)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	const struct haproxy_place primary = {driver->primary, driver->primary_port};
	struct haproxy_hold *hold = &driver->hold;
	struct haproxy_config view;
	struct err err;
	size_t count;

	if (driver->generation == 0) {
		keep_found(driver, &hold->fenced_episode, episode, -1);
		return;
	}
	if (episode == hold->fenced_episode)
		return;
	hold->fenced_episode = episode;
	if (!write_note(driver, HAPROXY_NOTE_FENCE, NULL, &err))
		haproxy_log_problem(driver, "note_missing", err.message,
		                    "it is fenced all the same; should segue die, only its next "
		                    "start opens it");
	count = haproxy_config_fence(&driver->config, &primary, &view);
	enter(driver, DOOR_FENCED, -1);
	show(driver, &view);
	driver->sync.sweep_owed = true;
	haproxy_reconcile(driver);
	haproxy_log_fence(driver, count);
}

void haproxy_hold_end(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	switch (hold->door) {
	case DOOR_OPEN:
		return;
	case DOOR_HELD:
	case DOOR_FENCED:
		break;
	case DOOR_OPENING:
		haproxy_release_cancel(STEAL(hold->release));
		driver->sync.in_doubt = true;
		/* fall through */
	case DOOR_FOUND:
		hold->held_episode = hold->fenced_episode = 0;
		break;
	}
	enter(driver, DOOR_OPEN, -1);
	show(driver, NULL);
}

void haproxy_hold_settle(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->settled || driver->sync.confirmed != driver->wish)
		return;
	hold->settled = true;
	if (hold->door != DOOR_OPEN) {
		haproxy_log_closed(driver);
	} else if (hold->noted) {
		haproxy_log_released(driver, "clients go on where the text leads them");
		forget_note(driver);
	}
}

/* --- without a text --- */

static void opening_failed(struct haproxy_driver *driver, const struct err *err)
{
	int64_t ms = clock_backoff_ms(++driver->hold.failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *next = xasprintf("tried again in %" PRId64 " ms; `segue resume` does the "
	                                 "same, the store's next word opens it too",
	                                 ms);

	haproxy_log_problem(driver, "release_failed", err->message, next);
	enter(driver, DOOR_FOUND, ms);
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
	enter(driver, DOOR_OPEN, -1);
	haproxy_log_released(driver, "nobody has named a primary since segue's start: clients go "
	                             "on where HAProxy's file leads them");
	forget_note(driver);
}

static void start_opening(struct haproxy_driver *driver)
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
		enter(driver, DOOR_OPENING, -1);
}

static void timer_cb(int fd, short events, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)fd;
	(void)events;
	if (driver->hold.door == DOOR_FOUND) {
		start_opening(driver);
		return;
	}
	haproxy_log_hold_over(driver);
	enter(driver, DOOR_OPEN, -1);
	show(driver, NULL);
	haproxy_reconcile(driver);
}

/* --- the target's start and end --- */

static void take_over(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	bool forever = hold->note.kind == HAPROXY_NOTE_FENCE;
	int64_t ms = GRACE_MS + driver->target.config->hold_timeout_ms;
	auto_free char *next = forever ? xstrdup("it stays so until the store names a primary, or "
	                                         "`segue resume`")
	                               : xasprintf("released when the store names a primary, or in "
	                                           "%" PRId64 " ms",
	                                           ms);
	struct err err;

	hold->noted = true;
	enter(driver, DOOR_FOUND, forever ? -1 : ms);
	haproxy_log_found(driver, next);
	if (!haproxy_note_save(&hold->note, 0, &err)) /* with the new owner */
		haproxy_log_problem(driver, "note_not_saved", err.message, "it is kept as it is");
}

void haproxy_hold_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	hold->timer = event_new(driver->target.base, -1, 0, timer_cb, driver);
	if (!haproxy_note_init(&hold->note, state_dir, driver->target.config->name, &err))
		haproxy_log_problem(driver, "note_unusable", err.message,
		                    "what an earlier life of segue has closed is opened when the "
		                    "store names a primary; then remove the file");
	else if (hold->note.kind != HAPROXY_NOTE_NONE)
		take_over(driver);
}

/* Whoever ends segue for good must not find clients waiting; but another target with the same name,
 * made by a reload of the configuration, has taken the note over and goes on. */
static void let_clients_go(struct haproxy_driver *driver)
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
		forget_note(driver);
		return;
	}
	haproxy_log_problem(driver, "release_failed", err.message,
	                    "clients wait: run `segue resume`, or start segue again");
}

void haproxy_hold_fini(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->release != NULL)
		haproxy_release_cancel(hold->release);
	if (hold->noted && haproxy_note_is_ours(&hold->note))
		let_clients_go(driver);
	if (hold->door != DOOR_OPEN && driver->reloader != NULL)
		reloader_hold(driver->reloader, -1);
	haproxy_config_open(&hold->view);
	event_free(hold->timer);
	haproxy_note_fini(&hold->note);
}
