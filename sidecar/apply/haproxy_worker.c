/* Who answers at the socket: the worker that was there before, or another one, which knows nothing
 * of what was said to that. A worker that stood still is no other one: its uptime lags behind, but
 * its time of start stays. */
#include "apply/haproxy_driver.h"
#include "base/clock.h"

static void came_back(struct haproxy_driver *driver)
{
	struct haproxy_sync *sync = &driver->sync;

	if (sync->failures > 1)
		haproxy_log_back(driver);
	if (sync->failures > 0)
		strbuf_reset(&sync->problem);
	sync->failures = 0;
	sync->down_ms = 0;
}

/* A restarted container may come back with the same pid, but not with the same time of start, nor,
 * where HAProxy does not tell that (before 2.5), with a longer life. */
static bool is_same_worker(const struct haproxy_sync *sync, const struct haproxy_round *reply)
{
	if (sync->read_us == 0 || reply->info.pid != sync->info.pid)
		return false;
	if (reply->start_s >= 0 && sync->start_s >= 0)
		return reply->start_s == sync->start_s;
	return reply->uptime_s >= sync->uptime_s;
}

/* Nothing that was told to the worker before holds any more. Sessions of old workers have ended
 * already, unless the text had not been confirmed there: no dump of all sessions for each target
 * after each reload. Clients that waited in a hold wait in vain in the old worker: no command leads
 * them on there. */
static void new_worker(struct haproxy_driver *driver, int64_t pid_before, int64_t seen_us)
{
	struct haproxy_sync *sync = &driver->sync;

	sync->refuses_add = false;
	sync->sweep_owed =
	    sync->sweep_owed || sync->confirmed != driver->wish || driver->hold.door == DOOR_HELD;
	if (pid_before != 0 && driver->hold.door == DOOR_HELD && driver->master == NULL) {
		sync->unseen_pid = pid_before;
		haproxy_log_out_of_reach(driver);
	}
	sync->push_due = true;
	sync->withheld = false;
	sync->tries = sync->settles = 0;
	if (pid_before != 0)
		haproxy_log_restarted(driver, pid_before);
	haproxy_loaded_new_worker(driver, seen_us);
}

/* Asked for at each look, so that it is known before the failover that needs it. */
static void take_level(struct haproxy_driver *driver, const struct haproxy_round *reply)
{
	struct haproxy_sync *sync = &driver->sync;
	bool asked = sync->state == SYNC_READING, before = sync->level != NULL;

	if (!asked)
		return;
	sync->level = reply->level;
	if (before != (sync->level != NULL))
		haproxy_log_level(driver);
}

void haproxy_worker_answered(struct haproxy_driver *driver, struct haproxy_round *reply)
{
	struct haproxy_sync *sync = &driver->sync;
	int64_t pid_before = sync->info.pid, seen_us = sync->read_us;
	bool same = is_same_worker(sync, reply);

	sync->read_us = clock_now_us();
	if (!same)
		sync->worker_us =
		    sync->read_us - (reply->uptime_s > 0 ? reply->uptime_s * 1000000 : 0);
	sync->uptime_s = reply->uptime_s;
	sync->start_s = reply->start_s;
	haproxy_live_free(&sync->live);
	sync->live = reply->live;
	reply->live = (struct haproxy_live){0};
	sync->info = reply->info;
	sync->known = true;
	sync->covers = sync->asking;
	sync->seen_for = sync->sent_for;
	sync->want_read = false;
	came_back(driver);
	take_level(driver, reply);
	if (!same)
		new_worker(driver, pid_before, seen_us);
}
