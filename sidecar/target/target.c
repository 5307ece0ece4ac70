/* What all kinds of targets have in common: shared objects, the history of moves, the deferred
 * `changed` call, and the marker file that keeps a reload owed across a crash. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/log.h"
#include "base/timer.h"
#include "target/target_ops.h"

/* --- the hub: shared objects, found by their path or command --- */

#define REREAD_MS            1500 /* a manual change is found within 2 s */
#define WATCH_MS             50
#define WATCH_MS_PER_TARGET  4  /* at most 250 re-reads a second for all targets */
#define REREAD_MS_PER_TARGET 20 /* at most 50 re-reads a second for all targets */

struct target_hub {
	struct event_base *base;
	struct file_writer *file_writer;
	struct shared {
		char *key;
		const void *arg;
		void *thing;
		void (*destroy)(void *thing);
	} * shared;
	size_t shared_count;
	int targets;
	struct move_tally tally;
};

struct target_hub *target_hub_create(struct event_base *base)
{
	struct target_hub *hub = xcalloc(1, sizeof(*hub));

	hub->base = base;
	hub->file_writer = file_writer_create(base);
	return hub;
}

void target_hub_destroy(struct target_hub *hub)
{
	if (hub == NULL)
		return;
	for (size_t i = 0; i < hub->shared_count; i++) {
		hub->shared[i].destroy(hub->shared[i].thing);
		free(hub->shared[i].key);
	}
	file_writer_destroy(hub->file_writer);
	free(hub->shared);
	free(hub);
}

struct file_writer *target_hub_saver(const struct target_hub *hub)
{
	return hub->file_writer;
}

void *target_hub_share(struct target_hub *hub, const char *key,
                       void *(*create)(struct event_base *base, const char *key, const void *arg),
                       void (*destroy)(void *thing), const void *arg)
{
	for (size_t i = 0; i < hub->shared_count; i++)
		if (hub->shared[i].destroy == destroy && hub->shared[i].arg == arg &&
		    strcmp(hub->shared[i].key, key) == 0)
			return hub->shared[i].thing;
	hub->shared = xreallocarray(hub->shared, hub->shared_count + 1, sizeof(*hub->shared));
	hub->shared[hub->shared_count] =
	    (struct shared){xstrdup(key), arg, create(hub->base, key, arg), destroy};
	return hub->shared[hub->shared_count++].thing;
}

static void *create_reloader(struct event_base *base, const char *key, const void *arg)
{
	return reloader_create(base, arg, key);
}

static void destroy_reloader(void *thing)
{
	reloader_destroy(thing);
}

struct reloader *target_hub_reloader(struct target_hub *hub, const struct reload_method *method,
                                     const char *object)
{
	return *object != '\0'
	           ? target_hub_share(hub, object, create_reloader, destroy_reloader, method)
	           : NULL;
}

int64_t target_hub_reread_ms(const struct target_hub *hub)
{
	return larger((int64_t)hub->targets * REREAD_MS_PER_TARGET, REREAD_MS);
}

int64_t target_hub_watch_ms(const struct target_hub *hub)
{
	return larger((int64_t)hub->targets * WATCH_MS_PER_TARGET, WATCH_MS);
}

const struct move_tally *target_hub_tally(const struct target_hub *hub)
{
	return &hub->tally;
}

void target_hub_inherit(struct target_hub *hub, const struct target_hub *before)
{
	hub->tally = before->tally;
}

/* --- operations --- */

#define MARKER_MAX 64 /* bytes */

void target_destroy(struct target *target)
{
	if (target != NULL)
		target->ops->destroy(target);
}

bool target_set_desired(struct target *target, const struct desired *desired, struct err *err)
{
	bool told = desired->primary != NULL && desired->primary[0] != '\0';
	bool taken =
	    (!told || target->ops->leads == NULL ||
	     target->ops->leads(target->config, desired->new_template, desired->text, desired->len,
	                        desired->primary, desired->primary_port, err)) &&
	    target->ops->set_desired(target, desired, err);

	free(STEAL(target->refused));
	if (taken)
		return true;
	if (told && target->ops->follow != NULL && target->ops->follow(target, desired))
		target->refused =
		    xasprintf("the rendered text was refused; the servers of the last good text "
		              "were moved to %s port %u: %s",
		              desired->primary, (unsigned)desired->primary_port, err->message);
	else
		target->refused = xasprintf("the rendered text was refused: %s", err->message);
	return false;
}

void target_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead)
{
	if (target->ops->hold != NULL)
		target->ops->hold(target, episode, timeout_ms, dead);
}

void target_fence(struct target *target, int64_t episode)
{
	if (target->ops->fence != NULL)
		target->ops->fence(target, episode);
}

void target_status(const struct target *target, struct target_status *out)
{
	target->ops->status(target, out);
	out->zxid = target->clock.zxid;
	if (target->refused != NULL) {
		out->in_sync = false;
		out->problem = target->refused;
	}
	out->alarm = target->alarm != NULL ? target->alarm : "";
	if (*out->problem == '\0')
		out->problem = out->alarm;
}

bool target_set_alarm(struct target *target, const char *alarm)
{
	if (strcmp(target->alarm != NULL ? target->alarm : "", alarm) == 0)
		return false;
	free(target->alarm);
	target->alarm = *alarm != '\0' ? xstrdup(alarm) : NULL;
	target_changed(target);
	return true;
}

void target_endpoints(const struct target *target, struct target_endpoints *desired,
                      struct target_endpoints *live)
{
	desired->listed = desired->count = live->listed = live->count = 0;
	if (target->ops->places != NULL)
		target->ops->places(target, desired, live);
}

bool target_listens_at(const struct target *target, const char *address, uint16_t port)
{
	return target->ops->listens_at != NULL && target->ops->listens_at(target, address, port);
}

void target_add_endpoint(struct target_endpoints *places, const char *name, const char *address,
                         uint16_t port)
{
	char endpoint[ENDPOINT_MAX];
	struct target_endpoint *place;

	places->count++;
	if (places->listed == TARGET_PLACES_MAX)
		return;
	place = &places->list[places->listed++];
	snprintf(place->name, sizeof(place->name), "%s", name);
	snprintf(place->address, sizeof(place->address), "%s",
	         endpoint_format(endpoint, sizeof(endpoint), address, port));
}

/* --- history --- */

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000

void target_start_clock(struct target *target, const struct desired *desired)
{
	strbuf_fini(&target->clock.summary);
	target->clock = (struct move_clock){
	    .zxid = desired->zxid,
	    .notified_us = desired->notified_us,
	    .set_us = clock_now_us(),
	    .end_us = {[MOVE_READ] = desired->read_us, [MOVE_RENDERED] = desired->rendered_us},
	    .summary = STRBUF_INIT};
}

void target_end_step(struct target *target, enum move_step_kind step)
{
	target->clock.end_us[step] = clock_now_us();
}

/* Times that were not measured are left out. held_ms is the longest time that a client waited: from
 * the first PAUSE to the last RESUME. */
static void log_move(const struct target *target, const char *event, const char *what,
                     const struct move *move)
{
	size_t count = 5;
	struct log_kv pairs[6 + MOVE_STEPS] = {KV_STR("cluster", target->config->cluster),
	                                       KV_STR("target", CONFIG_LABEL(target->config)),
	                                       KV_INT("zxid", move->zxid), KV_STR("what", what),
	                                       KV_TIME("notified", target->clock.notified_us)};

	move_log_steps(pairs, &count, move);
	if (move->held_us != 0)
		pairs[count++] = KV_MS("held_ms", move->held_us);
	log_emit(LOG_INFO, event, pairs, count);
}

void target_log_clock(const struct target *target, const char *event, const char *what)
{
	struct move move;

	move_make(&move, &target->clock, what);
	log_move(target, event, what, &move);
}

void target_tell_moved(struct target *target, const char *what)
{
	struct target_history *history = &target->history;
	struct move *move = &history->moves[history->counts.moves++ % TARGET_MOVES_MAX];

	move_make(move, &target->clock, what);
	log_move(target, "moved", what, move);
	move_tally_add(&target->hub->tally, target->config->kind, move);
}

void target_failed(struct target *target)
{
	target->history.counts.failures++;
}

void target_fail(struct target *target, const char *event, const char *problem, const char *next)
{
	TARGET_LOG_ZXID(LOG_ERROR, target, event, KV_STR("error", problem), KV_STR("next", next));
	target_failed(target);
}

int64_t target_fail_retry(struct target *target, const char *event, const char *problem,
                          const char *next, unsigned failures)
{
	int64_t ms = clock_backoff_ms(failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *when = xasprintf("%s; next try in %" PRId64 " s, or when the text changes",
	                                 next, (ms + 999) / 1000);

	target_fail(target, event, problem, when);
	return ms;
}

const struct move *target_move(const struct target *target, size_t back)
{
	const struct target_history *history = &target->history;

	if (back >= TARGET_MOVES_MAX || back >= history->counts.moves)
		return NULL;
	return &history->moves[(history->counts.moves - 1 - back) % TARGET_MOVES_MAX];
}

void target_counts(const struct target *target, struct target_counts *out)
{
	*out = target->history.counts;
}

void target_inherit(struct target *target, const struct target *before)
{
	target->history = before->history;
}

/* --- for the drivers --- */

void target_init(struct target *target, const struct target_ops *ops,
                 const struct target_setup *setup)
{
	*target = (struct target){
	    .ops = ops,
	    .hub = setup->hub,
	    .base = setup->hub->base,
	    .config = setup->config,
	    .marker = xasprintf("%s/%s-%s.reload", setup->state_dir,
	                        config_target_kind_name(setup->config->kind), setup->config->name),
	    .clock.summary = STRBUF_INIT,
	};
	setup->hub->targets++;
	if (setup->changed != NULL)
		target->changed = timer_new(target->base, setup->changed, setup->changed_arg);
}

void target_fini(struct target *target)
{
	target->hub->targets--;
	timer_free(target->changed);
	free(target->marker);
	free(target->refused);
	free(target->alarm);
	strbuf_fini(&target->clock.summary);
}

void target_changed(struct target *target)
{
	if (target->changed != NULL && !timer_is_set(target->changed))
		timer_start(target->changed, 0);
}

int64_t target_marker_read(const struct target *target)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err err;
	bool missing;
	char *end;
	int64_t number;

	if (!file_read(target->marker, MARKER_MAX, &text, &missing, &err))
		return missing ? -1 : 0; /* if it cannot be read, a reload may be owed */
	number = strtoll(text.data, &end, 10);
	return end != text.data && number > 0 ? number : 0;
}

/* Without fsync: the marker is only for a crash of segue. After a power failure no process is left
 * that has loaded the former file. */
bool target_marker_write(const struct target *target, int64_t number, struct err *err)
{
	const struct file_owner owner = {.mode = 0644};
	auto_free char *text = xasprintf("%" PRId64 "\n", number);

	return file_swap(target->marker, text, strlen(text), &owner, err) ||
	       err_wrap(err, "cannot write the marker file of an owed reload");
}

void target_marker_remove(const struct target *target)
{
	struct err err;

	if (!file_remove(target->marker, &err))
		TARGET_LOG(
		    LOG_WARNING, target, "marker_left", KV_ERR(&err),
		    KV_STR("next",
		           "the target is reloaded once more after the next start of segue"));
}
