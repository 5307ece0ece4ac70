/* The state between clients and the primary, for the time when there is none. Closing it is a view
 * of the text with other servers, which the runtime half pushes and keeps like any text; the file
 * never changes for it. Whatever is closed stands in a note on disk before the first command, until
 * HAProxy has been seen open again; so no hold outlives segue for good. A fence does: it protects
 * data, and only a primary or a person opens it.
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

#include "apply/haproxy_closed.h"
#include "apply/haproxy_driver.h"
#include "apply/haproxy_lint.h"
#include "base/clock.h"
#include "base/log.h"

const struct haproxy_config *haproxy_wanted(const struct haproxy_driver *driver)
{
	switch (driver->hold.state) {
	case HOLD_HELD:
	case HOLD_FENCED:
		return &driver->hold.view;
	case HOLD_OPEN:
	case HOLD_RECOVERED:
	case HOLD_OPENING:
		break;
	}
	return &driver->config;
}

const struct haproxy_config *haproxy_keep_sessions_at(const struct haproxy_driver *driver)
{
	return driver->hold.state == HOLD_FENCED ? &driver->hold.view : &driver->config;
}

/* --- the state --- */

static void set_timer(struct haproxy_hold *hold, int64_t ms)
{
	const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(hold->timer, &after);
}

void haproxy_hold_enter(struct haproxy_driver *driver, enum haproxy_hold_state state,
                        int64_t timer_ms)
{
	struct haproxy_hold *hold = &driver->hold;
	bool was_open = hold->state == HOLD_OPEN, is_open = state == HOLD_OPEN;

	hold->state = state;
	hold->settled = false;
	event_del(hold->timer);
	if (timer_ms >= 0)
		set_timer(hold, timer_ms);
	hold->turned_us = clock_now_us();
	if (was_open && !is_open)
		hold->since_us = hold->turned_us;
	hold->closed = hold->closed || !is_open;
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
	driver->desired_seq++;
	haproxy_runtime_desired_changed(driver, true);
}

static bool write_note(struct haproxy_driver *driver, enum haproxy_hold_record_kind kind,
                       const struct haproxy_endpoint *closed, struct err *err)
{
	const struct haproxy_endpoint primary = {driver->primary, driver->primary_port};
	struct haproxy_hold *hold = &driver->hold;

	haproxy_hold_record_set(&hold->note, kind, closed, &primary);
	return haproxy_hold_record_save(&hold->note, driver->watch.zxid, err);
}

void haproxy_hold_forget(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	haproxy_hold_record_set(&hold->note, HAPROXY_RECORD_NONE, NULL, NULL);
	hold->closed = false;
	if (!haproxy_hold_record_save(&hold->note, 0, &err))
		log_warning("note_left", KV_STR("target", driver->target.config->name),
		            KV_ERR(&err),
		            KV_STR("next", "after its next start segue would open what a person "
		                           "has closed in the same way by then: remove the file"));
}

/* Without the note, too: a closed port ends with the next primary, or with HAProxy's retries, and
 * clients who are not held get errors now. */
static bool try_hold(struct haproxy_driver *driver, int64_t timeout_ms, struct err *err)
{
	const struct haproxy_endpoint primary = {driver->primary, driver->primary_port};
	struct haproxy_endpoint closed;
	struct haproxy_config view;
	size_t count;

	if (!haproxy_closed_find(driver->primary, &closed, err))
		return false;
	count = haproxy_config_hold(&driver->config, &primary, &closed, timeout_ms, &view);
	if (count == 0) { /* readers of standbys have nothing to wait for */
		haproxy_config_open(&view);
		return true;
	}
	if (!write_note(driver, HAPROXY_RECORD_HOLD, &closed, err))
		haproxy_log_problem(driver, "note_missing", err->message,
		                    "held all the same; should segue be killed now, clients try at "
		                    "a closed port until a primary is admitted after its next "
		                    "start, or HAProxy is reloaded");
	driver->hold.closed_at = closed;
	haproxy_hold_enter(driver, HOLD_HELD, timeout_ms);
	show(driver, &view);
	haproxy_reconcile(driver);
	haproxy_log_hold(driver, count, timeout_ms);
	return true;
}

void haproxy_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	(void)dead; /* its sessions end by themselves, or are ended by the next move */
	if (driver->generation == 0) {
		if (hold->note.kind != HAPROXY_RECORD_FENCE) /* the stronger one */
			haproxy_recovered_keep(driver, &hold->held_episode, episode, timeout_ms);
		return;
	}
	if (episode == hold->held_episode && hold->state == HOLD_HELD)
		set_timer(hold, timeout_ms);
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
	const struct haproxy_endpoint primary = {driver->primary, driver->primary_port};
	struct haproxy_hold *hold = &driver->hold;
	struct haproxy_config view;
	struct err err;
	size_t count;

	if (driver->generation == 0) {
		haproxy_recovered_keep(driver, &hold->fenced_episode, episode, -1);
		return;
	}
	if (episode == hold->fenced_episode)
		return;
	hold->fenced_episode = episode;
	count = haproxy_config_fence(&driver->config, &primary,
	                             hold->state == HOLD_HELD ? &hold->closed_at : NULL, &view);
	if (count == 0) {
		haproxy_config_open(&view);
		return;
	}
	if (!write_note(driver, HAPROXY_RECORD_FENCE, NULL, &err))
		haproxy_log_problem(driver, "note_missing", err.message,
		                    "it is fenced all the same; should segue end, only its next "
		                    "start opens it");
	haproxy_hold_enter(driver, HOLD_FENCED, -1);
	show(driver, &view);
	driver->runtime.cleanup_owed = true; /* of servers that are in maintenance already, too */
	haproxy_reconcile(driver);
	haproxy_log_fence(driver, count);
}

void haproxy_hold_end(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	switch (hold->state) {
	case HOLD_OPEN:
		return;
	case HOLD_HELD:
	case HOLD_FENCED:
		break;
	case HOLD_OPENING:
		haproxy_release_cancel(STEAL(hold->release));
		driver->runtime.in_doubt = true;
		/* fall through */
	case HOLD_RECOVERED:
		hold->held_episode = hold->fenced_episode = 0;
		break;
	}
	haproxy_hold_enter(driver, HOLD_OPEN, -1);
	show(driver, NULL);
}

void haproxy_hold_settle(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->settled || driver->runtime.confirmed != driver->desired_seq)
		return;
	hold->settled = true;
	if (hold->state != HOLD_OPEN) {
		haproxy_log_closed(driver);
	} else if (hold->closed) {
		haproxy_log_released(driver, "clients go on where the text leads them");
		haproxy_hold_forget(driver);
	}
}

static void timer_cb(int fd, short events, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)fd;
	(void)events;
	if (driver->hold.state == HOLD_RECOVERED) {
		haproxy_recovered_open(driver);
		return;
	}
	haproxy_log_hold_over(driver);
	haproxy_hold_enter(driver, HOLD_OPEN, -1);
	show(driver, NULL);
	haproxy_reconcile(driver);
}

void haproxy_hold_judge(const struct haproxy_driver *driver)
{
	int64_t hold_ms = driver->target.config->hold_timeout_ms;
	auto_strbuf struct strbuf findings = STRBUF_INIT;

	if (hold_ms == 0 || driver->generation != 1)
		return;
	if (haproxy_lint_hold(driver->text, driver->len, hold_ms, &findings) > 0)
		haproxy_log_cannot_hold(driver, findings.data);
}

/* --- the target's start and end --- */

void haproxy_hold_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	hold->timer = event_new(driver->target.base, -1, 0, timer_cb, driver);
	if (!haproxy_hold_record_init(&hold->note, state_dir, driver->target.config->name, &err))
		haproxy_log_problem(driver, "note_unusable", err.message,
		                    "what an earlier life of segue has closed is opened when the "
		                    "store names a primary; then remove the file");
	haproxy_hold_record_set_origin(&hold->note, driver->target.config->socket,
	                               driver->target.config->output);
	if (hold->note.kind != HAPROXY_RECORD_NONE)
		haproxy_recovered_take_over(driver);
}

/* A text that has come since ends a fence, though HAProxy may not have been seen to follow yet. */
static bool is_fence(const struct haproxy_hold *hold)
{
	switch (hold->state) {
	case HOLD_OPEN:
	case HOLD_HELD:
		return false;
	case HOLD_FENCED:
		return true;
	case HOLD_RECOVERED:
	case HOLD_OPENING:
		return hold->note.kind == HAPROXY_RECORD_FENCE;
	}
	return false;
}

/* Another target with the same name, made by a reload of the configuration, has taken the note over
 * and goes on. */
static void part(struct haproxy_driver *driver)
{
	if (!driver->hold.closed || !haproxy_hold_record_is_ours(&driver->hold.note))
		return;
	if (is_fence(&driver->hold))
		haproxy_log_left_fenced(driver);
	else
		haproxy_recovered_let_go(driver);
}

void haproxy_hold_fini(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->release != NULL)
		haproxy_release_cancel(hold->release);
	part(driver);
	if (hold->state != HOLD_OPEN && driver->reloader != NULL)
		reloader_hold(driver->reloader, -1);
	haproxy_config_open(&hold->view);
	event_free(hold->timer);
	haproxy_hold_record_fini(&hold->note);
}
