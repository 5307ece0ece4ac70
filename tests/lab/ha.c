/* Questions to any PostgreSQL server that the clusters of lab_ha.h and their tests ask. */
#include <stdlib.h>
#include <string.h>

#include "lab/lab_ha.h"

static bool says(const char *conninfo, const char *sql, const char *wanted)
{
	auto_free char *value = lab_pg_query(conninfo, sql);

	return value != NULL && strcmp(value, wanted) == 0;
}

bool lab_takes_writes(const char *conninfo)
{
	return says(conninfo, "select pg_is_in_recovery()", "f");
}

static bool takes_writes(void *arg)
{
	return lab_takes_writes(*(const char **)arg);
}

bool lab_wait_takes_writes(const char *conninfo, int64_t timeout_ms)
{
	return lab_wait_until(takes_writes, &conninfo, timeout_ms);
}

static bool streams(void *arg)
{
	return says(*(const char **)arg, "select status from pg_stat_wal_receiver", "streaming");
}

bool lab_wait_streams(const char *conninfo, int64_t timeout_ms)
{
	return lab_wait_until(streams, &conninfo, timeout_ms);
}

struct replay {
	const char *standby;
	const char *sql; /* "t" once it has replayed that far */
};

static bool replays(void *arg)
{
	const struct replay *replay = arg;

	return says(replay->standby, replay->sql, "t");
}

bool lab_wait_replays(const char *primary, const char *standby, int64_t timeout_ms)
{
	auto_free char *lsn = lab_pg_query(primary, "select pg_current_wal_lsn()");
	auto_free char *sql =
	    xasprintf("select pg_last_wal_replay_lsn() >= '%s'", lsn != NULL ? lsn : "");

	return lsn != NULL && lab_wait_until(replays, &(struct replay){standby, sql}, timeout_ms);
}

/* Not from pg_control_checkpoint(), which lags a checkpoint behind a promotion. */
int lab_timeline(const char *conninfo)
{
	auto_free char *value = lab_pg_query(
	    conninfo, "select case when pg_is_in_recovery()"
	              " then (select received_tli::text from pg_stat_wal_receiver)"
	              " else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))"
	              "::bit(32)::int::text end");

	return value != NULL && value[0] != '\0' ? (int)strtol(value, NULL, 10) : -1;
}

struct timeline_ref {
	const char *conninfo;
	int wanted;
};

static bool is_on_timeline(void *arg)
{
	const struct timeline_ref *ref = arg;

	return lab_timeline(ref->conninfo) == ref->wanted;
}

bool lab_wait_timeline(const char *conninfo, int timeline, int64_t timeout_ms)
{
	return lab_wait_until(is_on_timeline, &(struct timeline_ref){conninfo, timeline},
	                      timeout_ms);
}
