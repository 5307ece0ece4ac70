/* Who answers at the socket: the worker that was there before, or another one, which knows nothing
 * of what was said to that. A worker that stood still is no other one: its uptime lags behind, but
 * its time of start stays. */
#include "apply/haproxy_driver.h"
#include "base/clock.h"

static void came_back(struct haproxy_driver *driver)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	if (runtime->failures > 1)
		haproxy_log_back(driver);
	if (runtime->failures > 0)
		strbuf_reset(&runtime->problem);
	runtime->failures = 0;
	runtime->down_ms = 0;
}

/* A restarted container may come back with the same pid, but not with the same time of start, nor,
 * where HAProxy does not tell that (before 2.5), with a longer life. */
static bool is_same_worker(const struct haproxy_runtime *runtime, const struct haproxy_batch *reply)
{
	if (runtime->read_us == 0 || reply->info.pid != runtime->info.pid)
		return false;
	if (reply->start_s >= 0 && runtime->start_s >= 0)
		return reply->start_s == runtime->start_s;
	return reply->uptime_s >= runtime->uptime_s;
}

/* Nothing that was told to the worker before holds any more. Sessions of old workers have ended
 * already, unless the text had not been confirmed there: no dump of all sessions for each target
 * after each reload. Clients that waited in a hold wait in vain in the old worker: no command leads
 * them on there. */
static void new_worker(struct haproxy_driver *driver, int64_t pid_before, int64_t seen_us)
{
	struct haproxy_runtime *runtime = &driver->runtime;

	runtime->refuses_add = false;
	runtime->cleanup_owed = runtime->cleanup_owed ||
	                        runtime->confirmed != driver->desired_seq ||
	                        driver->hold.state == HOLD_HELD;
	if (pid_before != 0 && driver->hold.state == HOLD_HELD && driver->master == NULL) {
		runtime->unseen_pid = pid_before;
		haproxy_log_out_of_reach(driver);
	}
	runtime->push_due = true;
	runtime->withheld = false;
	runtime->tries = runtime->settles = 0;
	if (pid_before != 0)
		haproxy_log_restarted(driver, pid_before);
	haproxy_loaded_new_worker(driver, seen_us);
}

/* Asked for at each look, so that it is known before the failover that needs it. */
static void take_level(struct haproxy_driver *driver, const struct haproxy_batch *reply)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	bool asked = runtime->state == RUNTIME_READING, before = runtime->level != NULL;

	if (!asked)
		return;
	runtime->level = reply->level;
	if (before != (runtime->level != NULL))
		haproxy_log_level(driver);
}

void haproxy_worker_answered(struct haproxy_driver *driver, struct haproxy_batch *reply)
{
	struct haproxy_runtime *runtime = &driver->runtime;
	int64_t pid_before = runtime->info.pid, seen_us = runtime->read_us;
	bool same = is_same_worker(runtime, reply);

	runtime->read_us = clock_now_us();
	if (!same)
		runtime->worker_us =
		    runtime->read_us - (reply->uptime_s > 0 ? reply->uptime_s * 1000000 : 0);
	runtime->uptime_s = reply->uptime_s;
	runtime->start_s = reply->start_s;
	haproxy_live_free(&runtime->live);
	runtime->live = reply->live;
	reply->live = (struct haproxy_live){0};
	runtime->info = reply->info;
	runtime->known = true;
	runtime->covers = runtime->asking;
	runtime->seen_for = runtime->sent_for;
	runtime->want_read = false;
	came_back(driver);
	take_level(driver, reply);
	if (!same)
		new_worker(driver, pid_before, seen_us);
}
