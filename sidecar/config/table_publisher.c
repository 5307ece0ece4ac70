/* The keys of [publisher NAME]: the part of the table that segue publish reads. */
#include "base/util.h"
#include "config.h"
#include "table_internal.h"

/* In the order of the enums of config.h. */
static const char *const repmgrs[] = {"auto", "yes", "no", NULL};
static const char *const write_checks[] = {"no", "table", NULL};

static const struct config_key keys[] = {
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "cluster",
     .type = CONFIG_TYPE_CLUSTER,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_publisher, cluster),
     .example = "orders",
     .help = "The cluster that it publishes, of layout segue; the path comes from there, and "
             "verify_timeout, which bounds each question to a server."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "name",
     .type = CONFIG_TYPE_NAME,
     .offset = AT(config_publisher, name),
     .preset = "",
     .help = "This publisher, among those of the cluster. Not set: the host's name."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "nodes",
     .type = CONFIG_TYPE_CONNINFOS,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_publisher, nodes),
     .example = "host=10.0.0.1 port=5432, host=10.0.0.2 port=5432",
     .help = "A connection string for each server, comma separated, as the proxies reach it. With "
             "repmgr one is enough: the rest comes from repmgr.nodes. A name that is not "
             "repmgr's comes from node.NAME of the cluster."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "conninfo",
     .type = CONFIG_TYPE_CONNINFO,
     .offset = AT(config_publisher, conninfo),
     .preset = "user=repmgr dbname=repmgr connect_timeout=2",
     .help = "What is common to all of them. A string of nodes may say otherwise; one of "
             "repmgr.nodes only says where its server is. The role needs LOGIN, pg_monitor for "
             "the timeline of standbys, and with repmgr SELECT on its tables nodes and events. "
             "connect_timeout has no effect, verify_timeout has."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "repmgr",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_publisher, repmgr),
     .choices = repmgrs,
     .preset = "auto",
     .help = "Whether the cluster is repmgr's (4 or 5). auto: where there is a table nodes in "
             "repmgr_schema. yes: its absence is an error, which is logged. no: its tables are "
             "not read."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "repmgr_schema",
     .type = CONFIG_TYPE_NAME,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_publisher, repmgr_schema),
     .preset = "repmgr",
     .help = "The schema of its tables, in the database of conninfo."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "interval",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config_publisher, interval_ms),
     .min = 100,
     .max = MINUTE,
     .preset = "1s",
     .help = "How often the servers are observed. While no server takes writes, for a minute, "
             "every 50 ms."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "null_after",
     .type = CONFIG_TYPE_COUNT,
     .offset = AT(config_publisher, null_after),
     .min = 1,
     .max = 1000,
     .preset = "3",
     .help = "Intervals without a server that takes writes until it is published that there is no "
             "primary, so that the proxies hold. Not while another publisher that is present in "
             "the store shows that it sees the primary: then only this one is cut from it."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "null_hold",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config_publisher, null_hold_ms),
     .min = 0,
     .max = 24 * HOUR,
     .preset = "60s",
     .help =
         "For how long a \"primary\": null that no publisher wrote is respected, as of a person "
         "who plans a change: from when this publisher has read it, and not once a server takes "
         "writes on a higher timeline than before. 0s: not at all."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "drop_after",
     .type = CONFIG_TYPE_COUNT,
     .offset = AT(config_publisher, drop_after),
     .min = 1,
     .max = 100000,
     .preset = "10",
     .help = "Intervals without an answer until a standby is taken out of what is published."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "blind_after",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config_publisher, blind_after_ms),
     .min = 100,
     .max = HOUR,
     .preset = "10s",
     .help = "How long no server may answer until this publisher takes its presence away: it does "
             "not know anything."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "write_check",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_publisher, write_check),
     .choices = write_checks,
     .preset = "no",
     .help = "table: a server that is not in recovery takes writes only if it also takes a row, "
             "which is rolled back: in repmgr's table events, or in a temporary table where there "
             "is none. no: that it is not in recovery is enough."},
    {.sections = CONFIG_SECTION_PUBLISHER,
     .name = "notify_socket",
     .type = CONFIG_TYPE_UNIX,
     .offset = AT(config_publisher, notify_socket),
     .preset = "/run/segue/publish.sock",
     .help = "Where segue notify wakes the segue publish that runs here: a unix socket, which "
             "anybody on this host may write to. Several sections may share one. Empty: none."},
};

const struct config_key *table_publisher(size_t index)
{
	return index < ARRAY_LEN(keys) ? &keys[index] : NULL;
}
