/* The log events of the HAProxy target, one function for each. Each line names the cluster and the
 * target; a line about a problem says what happens next. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "driver_internal.h"
#include "haproxy/socket.h"

#define WHO(driver)                                          \
	KV_STR("cluster", (driver)->target.config->cluster), \
	    KV_STR("target", (driver)->target.config->name)

static int64_t start_us(const struct haproxy_watch *watch)
{
	return move_begin_us(watch->notified_us, watch->read_us, watch->rendered_us, watch->set_us);
}

/* Without a command at the socket, a reload may have moved all of the traffic. */
static const char *what_moved(const struct haproxy_watch *watch)
{
	if (watch->summary.len > 0)
		return watch->summary.data;
	return watch->reloaded ? "all of the file, by a reload" : "the file only";
}

/* A step that was not needed (such as a command) is left out. */
void haproxy_log_moved(struct haproxy_driver *driver)
{
	const struct haproxy_watch *watch = &driver->watch;
	const struct move_lap laps[] = {{MOVE_READ, watch->read_us},
	                                {MOVE_RENDERED, watch->rendered_us},
	                                {MOVE_PUSHED, watch->pushed_us},
	                                {MOVE_CONFIRMED, watch->confirmed_us},
	                                {MOVE_PERSISTED, watch->persisted_us}};
	struct log_kv pairs[5 + ARRAY_LEN(laps)] = {
	    WHO(driver),
	    KV_INT("zxid", watch->zxid),
	    KV_STR("what", what_moved(watch)),
	    KV_TIME("notified", watch->notified_us),
	};
	size_t count = 5;
	struct move move;

	move_log_laps(pairs, &count, start_us(watch), laps, ARRAY_LEN(laps));
	log_emit(LOG_INFO, "moved", pairs, count);
	move_make(&move, watch->zxid, what_moved(watch), start_us(watch), laps, ARRAY_LEN(laps));
	target_moved(&driver->target, &move);
}

void haproxy_log_in_sync(const struct haproxy_driver *driver)
{
	log_info("in_sync", WHO(driver), KV_INT("zxid", driver->watch.zxid),
	         KV_STR("what", "HAProxy and file were as they should be"));
}

void haproxy_log_unreachable(struct haproxy_driver *driver)
{
	log_warning("haproxy_unreachable", WHO(driver),
	            KV_STR("error", driver->runtime.problem.data),
	            KV_STR("next", "tried again every second at the latest; the file is kept true "
	                           "meanwhile"));
	target_failed(&driver->target);
}

void haproxy_log_unfit(const struct haproxy_driver *driver, bool over)
{
	LOG_EMIT(over ? LOG_INFO : LOG_WARNING, over ? "check_passes" : "check_failed", WHO(driver),
	         KV_STR("socket", driver->target.config->socket),
	         KV_STR("what", driver->runtime.unfit.data),
	         KV_STR("next", over ? NULL
	                             : "clients are turned away there: does the server line's "
	                               "check ask the right port? Without check HAProxy leaves "
	                               "that to segue"));
}

void haproxy_log_back(const struct haproxy_driver *driver)
{
	log_info("haproxy_back", WHO(driver), KV_INT("worker_pid", driver->runtime.info.pid),
	         KV_MS("away_ms", (clock_now_ms() - driver->runtime.down_ms) * 1000));
}

void haproxy_log_restarted(const struct haproxy_driver *driver, int64_t pid_before)
{
	log_info("haproxy_restarted", WHO(driver), KV_INT("worker_pid", driver->runtime.info.pid),
	         KV_INT("before", pid_before));
}

void haproxy_log_out_of_reach(const struct haproxy_driver *driver)
{
	auto_free char *next =
	    xasprintf("set master_socket, so that segue ends them and they connect anew; to end "
	              "them now, with all others there: kill -TERM %" PRId64,
	              driver->runtime.unseen_pid);

	log_warning("clients_out_of_reach", WHO(driver),
	            KV_INT("old_worker", driver->runtime.unseen_pid),
	            KV_STR("what", "HAProxy was reloaded while clients are held, and without "
	                           "master_socket segue cannot reach those who wait in the old "
	                           "worker: they wait until their tries are over"),
	            KV_STR("next", next));
}

void haproxy_log_drift(const struct haproxy_driver *driver, const char *what)
{
	log_warning("drift", WHO(driver), KV_STR("what", what), KV_STR("next", "it is put right"));
}

void haproxy_log_level(struct haproxy_driver *driver)
{
	const char *socket = driver->target.config->socket, *level = driver->runtime.level;

	if (level == NULL) {
		log_info("socket_admin", WHO(driver), KV_STR("socket", socket));
		return;
	}
	log_error("socket_not_admin", WHO(driver), KV_STR("socket", socket), KV_STR("level", level),
	          KV_STR("error", "HAProxy refuses every change over this socket: a failover would "
	                          "not be followed"),
	          KV_STR("next", HAPROXY_ADMIN_CURE));
	target_failed(&driver->target);
}

void haproxy_log_stuck(struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	log_error("move_failed", WHO(driver), KV_INT("zxid", driver->watch.zxid),
	          KV_STR("tried", diff->commands.data),
	          KV_STR("error", driver->runtime.problem.data),
	          KV_STR("next", "it is tried again, every second at the latest"));
	target_failed(&driver->target);
}

void haproxy_log_add_refused(const struct haproxy_driver *driver, const struct haproxy_diff *diff)
{
	log_warning("add_refused", WHO(driver), KV_STR("tried", diff->commands.data),
	            KV_STR("answer", driver->runtime.answers.data),
	            KV_STR("next", "a reload takes up the server"));
}

void haproxy_log_swept(const struct haproxy_driver *driver,
                       const struct session_cleanup_result *result)
{
	bool trouble = result->problem[0] != '\0' || result->left > 0;
	const struct log_kv pairs[] = {
	    WHO(driver), KV_INT("ended", result->ended), KV_INT("left", result->left),
	    KV_INT("waited", result->waiting),
	    KV_STR("error", result->problem[0] != '\0' ? result->problem : NULL)};

	if (trouble || result->ended > 0)
		log_emit(trouble ? LOG_WARNING : LOG_INFO, "sessions_ended", pairs,
		         ARRAY_LEN(pairs));
}

void haproxy_log_problem(struct haproxy_driver *driver, const char *event, const char *problem,
                         const char *next)
{
	log_error(event, WHO(driver), KV_INT("zxid", driver->watch.zxid), KV_STR("error", problem),
	          KV_STR("next", next));
	target_failed(&driver->target);
}

void haproxy_log_fell_back(const struct haproxy_driver *driver)
{
	log_info("fell_back", WHO(driver),
	         KV_STR("what", "an earlier file, with the servers as they are now"));
}

void haproxy_log_put_back(const struct haproxy_driver *driver)
{
	log_warning(
	    "put_back", WHO(driver), KV_STR("file", driver->target.config->output),
	    KV_STR("what", driver->file.previous_missing ? "removed" : "what was there before"),
	    KV_STR("next", "segue ends, or is configured anew, before HAProxy has loaded "
	                   "what was installed there; it is installed anew if it is still "
	                   "wanted"));
}

void haproxy_log_cannot_hold(const struct haproxy_driver *driver,
                             const struct string_list *findings)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;

	string_list_join(findings, "; ", &line);
	log_warning("cannot_hold", WHO(driver), KV_STR("file", driver->target.config->output),
	            KV_STR("found", line.data),
	            KV_STR("next", "while there is no primary, clients get errors: change the "
	                           "template; `segue check` shows what is left"));
}

static char *primary_name(const struct haproxy_driver *driver)
{
	if (driver->primary == NULL)
		return xstrdup("any server");
	return xasprintf("%s port %u", driver->primary, (unsigned)driver->primary_port);
}

static int64_t closed_for_us(const struct haproxy_driver *driver)
{
	return clock_now_us() - driver->hold.since_us;
}

void haproxy_log_hold(const struct haproxy_driver *driver, size_t servers, int64_t timeout_ms)
{
	const struct haproxy_hold_record *note = &driver->hold.note;
	auto_free char *primary = primary_name(driver);
	auto_free char *closed =
	    xasprintf("%s port %u", note->closed_address, (unsigned)note->closed_port);

	log_warning("hold", WHO(driver), KV_INT("zxid", driver->watch.zxid),
	            KV_STR("primary", primary), KV_INT("servers", servers),
	            KV_STR("closed", closed), KV_MS("timeout_ms", timeout_ms * 1000),
	            KV_STR("next", "clients wait until a primary is named, or the time is over"));
}

void haproxy_log_fence(const struct haproxy_driver *driver, size_t servers)
{
	auto_free char *primary = primary_name(driver);

	log_warning("fence", WHO(driver), KV_INT("zxid", driver->watch.zxid),
	            KV_STR("primary", primary), KV_INT("servers", servers),
	            KV_STR("next", "sessions are ended and clients turned away until a primary is "
	                           "named"));
}

void haproxy_log_closed(const struct haproxy_driver *driver)
{
	log_info(driver->hold.state == HOLD_HELD ? "held" : "fenced", WHO(driver),
	         KV_INT("zxid", driver->watch.zxid),
	         KV_MS("took_ms", clock_now_us() - driver->hold.turned_us));
}

void haproxy_log_hold_over(const struct haproxy_driver *driver)
{
	log_warning("hold_over", WHO(driver), KV_INT("zxid", driver->watch.zxid),
	            KV_STR("why", HOLD_OVER_WHY), KV_MS("held_ms", closed_for_us(driver)),
	            KV_STR("next", "clients are led to the last primary, and get errors once "
	                           "their tries are over if it is dead"));
}

void haproxy_log_released(const struct haproxy_driver *driver, const char *what)
{
	log_info("released", WHO(driver), KV_INT("zxid", driver->watch.zxid), KV_STR("what", what),
	         KV_MS("held_ms", closed_for_us(driver)));
}

void haproxy_log_left_fenced(const struct haproxy_driver *driver)
{
	auto_free char *primary = primary_name(driver);
	auto_free char *next = xasprintf("nobody reaches it until segue runs again and a primary "
	                                 "is admitted; to open it now: segue resume %s",
	                                 driver->target.config->name);

	log_warning("left_fenced", WHO(driver), KV_STR("primary", primary),
	            KV_STR("note", driver->hold.note.path), KV_STR("next", next));
}

void haproxy_log_found(const struct haproxy_driver *driver, const char *next)
{
	const struct haproxy_hold_record *note = &driver->hold.note;

	log_warning("found_closed", WHO(driver),
	            KV_STR("what", note->kind == HAPROXY_RECORD_HOLD
	                               ? "an earlier life of segue has left clients waiting"
	                               : "an earlier life of segue has fenced the primary"),
	            KV_STR("note", note->path), KV_STR("next", next));
}

void haproxy_log_reload(const struct haproxy_driver *driver, const char *event, const char *what)
{
	log_info(event, WHO(driver), KV_STR("what", what));
}
