/* The fleet znode of a cluster: what this sidecar has applied, and the state of its targets. A
 * change is only noted; the znode is written later, after the proxies have been moved: at once when
 * all targets have confirmed a new value, otherwise after FLEET_CALM_MS, with all changes up to
 * then. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/timer.h"
#include "cluster_internal.h"
#include "report/fleet.h"
#include "topology/layout.h"
#include "zookeeper/ephemeral.h"

#define FLEET_CALM_MS 200

struct cluster_fleet {
	struct zk_ephemeral *presence;
	char *path;
	struct timer *write;
	int64_t due_ms; /* when `write` fires; 0: it is not set */
	char host[HOST_NAME_MAX + 1], started[CLOCK_WALL_MAX];
	struct { /* by all targets */
		int64_t zxid;
		char primary[MEMBER_ENDPOINT_MAX], at[CLOCK_WALL_MAX];
	} confirmed;
	char (*primaries)[MEMBER_ENDPOINT_MAX]; /* confirmed by each target */
};

/* -- what is confirmed -- */

/* Returns true if all targets have confirmed a zxid or primary that not all had confirmed
 * before. */
static bool note_confirmed(struct cluster *cluster)
{
	struct cluster_fleet *fleet = cluster->fleet;
	char primary[MEMBER_ENDPOINT_MAX];
	bool all = true;

	if (!cluster_leads(cluster))
		return false;
	member_endpoint(&cluster->applied.topology.primary, primary);
	for (size_t i = 0; i < cluster->target_count; i++) {
		if (cluster_has_confirmed(cluster, &cluster->targets[i]))
			memcpy(fleet->primaries[i], primary, sizeof(primary));
		else
			all = false;
	}
	if (!all || (fleet->confirmed.zxid == cluster->applied.zxid &&
	             strcmp(fleet->confirmed.primary, primary) == 0))
		return false;
	fleet->confirmed.zxid = cluster->applied.zxid;
	memcpy(fleet->confirmed.primary, primary, sizeof(primary));
	clock_wall(fleet->confirmed.at, sizeof(fleet->confirmed.at));
	return true;
}

/* -- the text of the znode -- */

#define COPY(out, text) fleet_copy(out, sizeof(out), text)

static void fill_target(const struct cluster *cluster, size_t index, struct fleet_target *out)
{
	const struct cluster_target *entry = &cluster->targets[index];
	struct target_status status;

	target_status(entry->target, &status);
	out->zxid = status.zxid;
	out->in_sync = status.in_sync;
	out->old_sessions = status.old_sessions;
	COPY(out->name, entry->config->name);
	COPY(out->kind, config_target_kind_name(entry->config->kind));
	COPY(out->primary, cluster->fleet->primaries[index]);
	COPY(out->problem, status.problem);
}

/* `alarm` is without that of a hold that is over: its text counts the seconds, and each second the
 * znode would be written again. `state` is "lost" then. */
static void fill(const struct cluster *cluster, struct fleet_note *out)
{
	const struct cluster_fleet *fleet = cluster->fleet;
	struct cluster_snapshot snapshot;

	cluster_snapshot(cluster, &snapshot);
	out->pid = getpid();
	out->zxid = fleet->confirmed.zxid;
	out->seen_zxid = snapshot.input.fact->mzxid;
	out->holding = !snapshot.is_fenced && snapshot.hold_left_ms > 0;
	out->ready = snapshot.is_ready;
	COPY(out->segue, SEGUE_VERSION);
	COPY(out->host, fleet->host);
	COPY(out->started, fleet->started);
	COPY(out->at, fleet->confirmed.at);
	COPY(out->primary, fleet->confirmed.primary);
	COPY(out->state, snapshot.state);
	COPY(out->reason, snapshot.reason);
	COPY(out->about, cluster->last_decision.about);
	COPY(out->why, cluster->last_decision.why);
	COPY(out->alarm, snapshot.alarm);
	for (size_t i = 0; i < out->target_count; i++)
		fill_target(cluster, i, &out->targets[i]);
}

static void arm(struct cluster_fleet *fleet, int64_t ms)
{
	int64_t due_ms = clock_now_ms() + ms;

	if (fleet->due_ms != 0 && fleet->due_ms <= due_ms)
		return;
	fleet->due_ms = due_ms;
	timer_start(fleet->write, ms);
}

/* No event reports the end of a hold, so the timer is set for it here. */
static void on_write(void *arg)
{
	struct cluster *cluster = arg;
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct fleet_note note;

	cluster->fleet->due_ms = 0;
	fleet_note_init(&note, cluster->target_count);
	fill(cluster, &note);
	fleet_encode(&note, &text);
	zk_ephemeral_show(cluster->fleet->presence, text.data);
	if (note.holding)
		arm(cluster->fleet, cluster_hold_left_ms(cluster) + FLEET_CALM_MS);
	fleet_note_fini(&note);
}

void cluster_fleet_note(struct cluster *cluster)
{
	if (cluster->fleet != NULL)
		arm(cluster->fleet, note_confirmed(cluster) ? 0 : FLEET_CALM_MS);
}

/* -- create and destroy -- */

/* Reads starttime, field 22 of /proc/self/stat (proc(5)), in clock ticks since boot. Fields are
 * counted from the last ")", because the process name before it may contain anything. */
static void fill_started(char *out, size_t size)
{
	auto_strbuf struct strbuf stat = STRBUF_INIT;
	struct err ignored;
	const char *at = NULL;

	out[0] = '\0';
	if (file_read("/proc/self/stat", 4096, &stat, NULL, &ignored))
		at = strrchr(stat.data, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		clock_wall_at(strtoll(at, NULL, 10) * 1000000 / sysconf(_SC_CLK_TCK), out, size);
}

void cluster_fleet_open(struct cluster *cluster, const struct cluster_world *world)
{
	auto_free char *parent = layout_fleet_path(cluster->config);
	struct cluster_fleet *fleet;

	if (!cluster->config->fleet)
		return;
	fleet = xcalloc(1, sizeof(*fleet));
	fleet->path = xasprintf("%s/%s", parent, world->config->name);
	fleet->presence = zk_ephemeral_create(&(struct zk_ephemeral_options){
	    .base = world->base,
	    .zk = world->zk,
	    .acl = world->config->acl == CONFIG_ACL_CREATOR ? ZK_ACL_CREATOR : ZK_ACL_OPEN,
	    .path = fleet->path,
	    .who = "sidecar"});
	fleet->write = timer_new(world->base, on_write, cluster);
	timer_set_priority(fleet->write, CLUSTER_PRIORITY_LATER);
	fleet->primaries = xcalloc(cluster->target_count + 1, sizeof(*fleet->primaries));
	gethostname(fleet->host, sizeof(fleet->host) - 1);
	fill_started(fleet->started, sizeof(fleet->started));
	cluster->fleet = fleet;
	arm(fleet, FLEET_CALM_MS);
}

/* `stop` leaves the znode there, or not. */
static void end(struct cluster *cluster, void (*stop)(struct zk_ephemeral *presence))
{
	struct cluster_fleet *fleet = STEAL(cluster->fleet);

	stop(fleet->presence);
	timer_free(fleet->write);
	free(fleet->primaries);
	free(fleet->path);
	free(fleet);
}

void cluster_fleet_close(struct cluster *cluster)
{
	if (cluster->fleet != NULL)
		end(cluster, zk_ephemeral_leave);
}

void cluster_fleet_pass_on(struct cluster *cluster, const struct cluster *next)
{
	if (cluster->fleet != NULL && next != NULL && next->fleet != NULL &&
	    strcmp(cluster->fleet->path, next->fleet->path) == 0)
		end(cluster, zk_ephemeral_destroy);
}
