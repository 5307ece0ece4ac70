/* The table of sections and keys of segue.ini; see config_internal.h. A new key needs a row here
 * (in publisher_keys for [publisher NAME]) and nothing else: default, bounds, manual and sample
 * file are made from it. */
#include <string.h>

#include "base/util.h"
#include "config/config.h"
#include "config_internal.h"

/* --- the keys of [publisher NAME], which segue publish reads --- */

/* In the order of the enums of config/config.h. */
static const char *const repmgrs[] = {"auto", "yes", "no", NULL};
static const char *const write_checks[] = {"no", "table", NULL};

static const struct config_key publisher_keys[] = {
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

/* NULL after the last row. */
static const struct config_key *table_publisher(size_t index)
{
	return index < ARRAY_LEN(publisher_keys) ? &publisher_keys[index] : NULL;
}

/* --- the kinds of sections --- */

static const struct config_section_info sections[] = {
    {.kind = CONFIG_SECTION_SEGUE, .word = "segue", .help = "The sidecar itself."},
    {.kind = CONFIG_SECTION_ZOOKEEPER,
     .word = "zookeeper",
     .help = "The store that names the primary of every cluster."},
    {.kind = CONFIG_SECTION_CLUSTER,
     .word = "cluster",
     .named = true,
     .example_name = "orders",
     .help = "A cluster: one primary and its standbys. One section each, at least one."},
    {.kind = CONFIG_SECTION_HAPROXY,
     .word = "haproxy",
     .named = true,
     .example_name = "local",
     .help = "A HAProxy that is moved through its runtime socket. One section each."},
    {.kind = CONFIG_SECTION_PGBOUNCER,
     .word = "pgbouncer",
     .named = true,
     .example_name = "local",
     .help = "A PgBouncer that is moved by PAUSE, RELOAD and RESUME. One section each."},
    {.kind = CONFIG_SECTION_FILE,
     .word = "file",
     .named = true,
     .example_name = "app",
     .help = "Any other reader of the fact: the file is rendered, checked and installed, then the "
             "command runs. One section each."},
    {.kind = CONFIG_SECTION_PUBLISHER,
     .word = "publisher",
     .named = true,
     .example_name = "orders",
     .help =
         "Read by segue publish, which writes the master znode of a cluster. One section each."},
};

const struct config_section_info *config_sections(size_t *count)
{
	*count = ARRAY_LEN(sections);
	return sections;
}

const struct config_section_info *config_section_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (strcmp(sections[i].word, word) == 0)
			return &sections[i];
	return NULL;
}

/* --- the other keys --- */

#define TARGETS (CONFIG_SECTION_HAPROXY | CONFIG_SECTION_PGBOUNCER | CONFIG_SECTION_FILE)
#define TB      ((int64_t)1 << 40)

#define OUTPUT_HELP                                                                                \
	"A symbolic link stays one: the file behind it is replaced. A mount point (a single-file " \
	"volume of a container) is refused: mount its folder."

/* In the order of the enums of config/config.h and base/log.h. */
static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const log_formats[] = {"text", "json", "journal", NULL};
static const char *const layouts[] = {"segue", "plain", "patroni", NULL};
static const char *const verifies[] = {"disable", "prefer", "require", NULL};
static const char *const acls[] = {"open", "creator", NULL};
static const char *const losses[] = {"hold", "keep", "fence", NULL};
static const char *const rollbacks[] = {"refuse", "follow", NULL};

static const struct config_key keys[] = {
    /* [segue] */
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "name",
     .type = CONFIG_TYPE_NAME,
     .offset = AT(config, name),
     .preset = "",
     .help = "This sidecar in the fleet. Not set: the host's name."},
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "log_level",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config, log_level),
     .choices = log_levels,
     .preset = "info",
     .help = "Events below it are not logged."},
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "log_format",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config, log_format),
     .choices = log_formats,
     .preset = "text",
     .help = "text is key=value with a time stamp; json is one object a line; journal is text with "
             "journald's priorities and without the time."},
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "state_dir",
     .type = CONFIG_TYPE_PATH,
     .offset = AT(config, state_dir),
     .preset = "/var/lib/segue",
     .help = "Keeps the topology applied last, per cluster, over restarts."},
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "listen",
     .type = CONFIG_TYPE_LISTEN,
     .offset = AT(config, listen),
     .preset = "unix:/run/segue/segue.sock",
     .help =
         "Where segue status asks, and segue pin, freeze and release give their orders: a unix "
         "socket, made with mode 0660, or host:port, where nothing but GET is taken; or several "
         "with commas, each with places of its own, so that a crowd at a TCP port shuts nobody "
         "out of the unix socket, where segue's own commands ask then. Empty: nowhere. What cannot be listened on is tried again, and stops nothing else."},
    {.sections = CONFIG_SECTION_SEGUE,
     .name = "listen_hosts",
     .type = CONFIG_TYPE_HOST_NAMES,
     .offset = AT(config, listen_hosts),
     .preset = "",
     .example = "proxy1.example.org",
     .help = "By which names host:port may be asked, besides its IP addresses, localhost and name: "
             "a web page elsewhere cannot then read it through a browser (DNS rebinding). A dot in "
             "front stands for all names below, too. A reverse proxy that passes the Host header "
             "on needs its own name here."},

    /* [zookeeper] */
    {.sections = CONFIG_SECTION_ZOOKEEPER,
     .name = "hosts",
     .type = CONFIG_TYPE_HOSTS,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config, zookeeper_hosts),
     .preset = "127.0.0.1:2181",
     .help = "The servers of the ensemble, host:port, comma separated; one /chroot may follow the "
             "last."},
    {.sections = CONFIG_SECTION_ZOOKEEPER,
     .name = "session_timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config, session_timeout_ms),
     .min = SECOND,
     .max = 10 * MINUTE,
     .preset = "6s",
     .help = "What is asked of the server, which has bounds of its own (2 to 20 times its "
             "tickTime)."},
    {.sections = CONFIG_SECTION_ZOOKEEPER,
     .name = "auth_file",
     .type = CONFIG_TYPE_PATH,
     .offset = AT(config, auth_file),
     .preset = "",
     .help = "A file with one line \"digest user:password\". Not set: no authentication."},
    {.sections = CONFIG_SECTION_ZOOKEEPER,
     .name = "acl",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config, acl),
     .choices = acls,
     .preset = "open",
     .help = "Who may change the znodes that segue makes. open: anybody. creator: the user of "
             "auth_file, and anybody may read them. What is there already keeps its ACL."},

    /* [cluster NAME] */
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "layout",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_cluster, layout),
     .choices = layouts,
     .preset = "segue",
     .help = "How the store names the primary. segue: JSON at <path>/master. plain: the znode "
             "itself holds a host, host:port, a connection string or a node name. patroni: what "
             "Patroni 2 to 4 keeps there; the leader is the primary, but a standby cluster "
             "(standby_leader) has none."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "path",
     .type = CONFIG_TYPE_ZNODE,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_cluster, path),
     .example = "/segue/orders",
     .help = "The znode path. Layout segue: the parent of master; layout plain: the master znode "
             "itself; layout patroni: its namespace and scope, as in /service/orders, and of a "
             "Citus cluster the group, too, as in /service/orders/0."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "node.",
     .type = CONFIG_TYPE_NODE,
     .offset = CONFIG_NOT_KEPT,
     .example = "node.db1 = 10.0.0.1:5432",
     .help = "The address of a node name, for znodes that hold only a name. Any number of them."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "presence",
     .type = CONFIG_TYPE_BOOL,
     .offset = AT(config_cluster, presence),
     .preset = "no",
     .help = "yes: act only while there is at least one ephemeral child (a live publisher), of "
             "<path>/publishers with layout segue, of the master znode with layout plain. Layout "
             "patroni takes no: its leader key is a presence of its own."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "max_lag",
     .type = CONFIG_TYPE_SIZE,
     .offset = AT(config_cluster, max_lag),
     .min = 0,
     .max = 1024 * TB,
     .preset = "0",
     .help = "A standby that is known to be further behind the primary gets no readers. 0: any "
             "will do."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "verify",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_cluster, verify),
     .choices = verifies,
     .preset = "prefer",
     .help = "Ask the servers, by libpq, who takes writes, before moving to one and all the time. "
             "prefer: a server that is alive but does not let segue in is believed to be what the "
             "store says, with a warning; its error has to be about segue's own access: SQLSTATE "
             "28xxx, 3D000, 42501, 53300 or 55000; but not while the last primary, which took "
             "writes when it could be asked, lives. require: it is not moved to. disable: nobody "
             "is asked."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "verify_conninfo",
     .type = CONFIG_TYPE_CONNINFO,
     .offset = AT(config_cluster, verify_conninfo),
     .preset = "user=segue dbname=postgres connect_timeout=2",
     .help = "How to connect for that; host and port come from the store. The role needs LOGIN and "
             "nothing else; a password belongs into a passfile. How long it may take is up to "
             "verify_timeout, connect_timeout has no effect."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "verify_timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config_cluster, verify_timeout_ms),
     .min = 50,
     .max = MINUTE,
     .preset = "1s",
     .help = "What one question to a server may take, with connecting where that is needed; three "
             "in a row without an answer are a loss."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "on_primary_loss",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_cluster, on_primary_loss),
     .choices = losses,
     .preset = "hold",
     .help =
         "While there is no primary (layout segue: \"primary\": null). hold: clients wait, for "
         "hold_timeout at most. Those of a PgBouncer are paused; new ones of a HAProxy are led to "
         "a closed port, where they try again until there is a primary, and sessions that run go "
         "on. keep: all stay with the last primary. fence: nobody is to reach the last primary: "
         "its sessions are ended, and clients turned away until the next one is named."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "hold_timeout",
     .type = CONFIG_TYPE_DURATION,
     .flags = CONFIG_AUTO,
     .offset = AT(config_cluster, hold_timeout_ms),
     .min = 100,
     .max = HOUR,
     .preset = "auto",
     .help =
         "How long clients are held; then they are let go, to the last primary. auto, with layout "
         "patroni: ttl + loop_wait + retry_timeout of Patroni's /config + 5s (55s with Patroni's "
         "defaults), followed when they change; while the server answers that it is starting up, "
         "2 x loop_wait + primary_start_timeout + 5s where that is longer, as Patroni leaves it so "
         "long before it gives up the leader key; 5m at most. auto, with any other layout: 90s, as "
         "repmgrd by its defaults tries to reconnect for 60s before it promotes a standby. Has to "
         "be shorter than PgBouncer's query_wait_timeout, and than a client of a HAProxy can wait: "
         "retries times timeout connect, or times 1s where that is longer."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "tripwires",
     .type = CONFIG_TYPE_COUNT,
     .offset = AT(config_cluster, tripwires),
     .min = 0,
     .max = 8,
     .preset = "3",
     .help = "Where a PgBouncer is driven and servers are asked: so many connections to the "
             "primary that never say a word, each for 30s at most. They end first when it is "
             "killed, so that clients wait before PgBouncer turns one away: two ends within a "
             "millisecond prove the loss. They take no slot of "
             "max_connections and need no login; log_connections = on logs each. 0: none."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "on_store_loss",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_cluster, on_store_loss),
     .choices = losses,
     .preset = "keep",
     .help = "While ZooKeeper cannot be reached, for longer than session_timeout. keep: nothing "
             "changes. hold, fence: as with on_primary_loss, until it says something again."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "on_store_rollback",
     .type = CONFIG_TYPE_ENUM,
     .offset = AT(config_cluster, on_store_rollback),
     .choices = rollbacks,
     .preset = "refuse",
     .help = "When the store itself went back in time (a restored backup, another ensemble): "
             "refuse keeps the topology applied last and raises an alarm until a newer value is "
             "written; follow takes the older value."},
    {.sections = CONFIG_SECTION_CLUSTER,
     .name = "fleet",
     .type = CONFIG_TYPE_BOOL,
     .offset = AT(config_cluster, fleet),
     .preset = "no",
     .help =
         "yes: this sidecar keeps an ephemeral znode /segue/CLUSTER/sidecars/NAME (NAME is name "
         "in [segue]), which says what it has applied and how its targets stand, for segue "
         "fleet and segue wait. It goes with the session, and with SIGTERM at once. A second "
         "sidecar of the same name waits until the first one is gone."},

    /* [haproxy NAME], [pgbouncer NAME], [file NAME] */
    {.sections = TARGETS,
     .name = "cluster",
     .type = CONFIG_TYPE_CLUSTER,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, cluster),
     .example = "orders",
     .help = "The cluster that it follows: the NAME of a [cluster NAME] section."},
    {.sections = CONFIG_SECTION_HAPROXY,
     .name = "template",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, template_file),
     .example = "/etc/segue/templates/haproxy.cfg.mustache",
     .help = "The Mustache template; see segue-templates(7). Read again on SIGHUP."},
    {.sections = CONFIG_SECTION_PGBOUNCER,
     .name = "template",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, template_file),
     .example = "/etc/segue/templates/pgbouncer.ini.mustache",
     .help = "The Mustache template; see segue-templates(7). Read again on SIGHUP."},
    {.sections = CONFIG_SECTION_FILE,
     .name = "template",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, template_file),
     .example = "/etc/segue/templates/app.mustache",
     .help = "The Mustache template; see segue-templates(7). Read again on SIGHUP."},
    {.sections = CONFIG_SECTION_HAPROXY,
     .name = "output",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, output),
     .example = "/etc/haproxy/conf.d/orders.cfg",
     .help = "The file that is rendered, one that HAProxy loads at its next start "
             "(a further -f). " OUTPUT_HELP},
    {.sections = CONFIG_SECTION_PGBOUNCER,
     .name = "output",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, output),
     .example = "/etc/pgbouncer/orders.ini",
     .help = "The file that is rendered: what pgbouncer.ini takes in, by a line %include and this "
             "path. It has to be there when PgBouncer starts: an empty file will do. " OUTPUT_HELP},
    {.sections = CONFIG_SECTION_FILE,
     .name = "output",
     .type = CONFIG_TYPE_PATH,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, output),
     .example = "/etc/app/conf.d/database.conf",
     .help = "The file that is rendered. " OUTPUT_HELP},
    {.sections = TARGETS,
     .name = "owner",
     .type = CONFIG_TYPE_OWNER,
     .offset = AT(config_target, owner),
     .preset = "",
     .help = "Owner of the output: user:group, user or :group. Not set: unchanged."},
    {.sections = TARGETS,
     .name = "mode",
     .type = CONFIG_TYPE_MODE,
     .offset = AT(config_target, mode),
     .min = 0,
     .max = 07777,
     .preset = "0644",
     .help = "Permission bits of the output, octal. 0: those of the file that is replaced. Without "
             "0400, by which its owner may read it, they are refused. What reads the file has to "
             "be let in: segue check looks."},
    {.sections = CONFIG_SECTION_HAPROXY,
     .name = "socket",
     .type = CONFIG_TYPE_SOCKET,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, socket),
     .preset = "/run/haproxy/admin.sock",
     .help = "The stats socket, level admin."},
    {.sections = CONFIG_SECTION_HAPROXY,
     .name = "master_socket",
     .type = CONFIG_TYPE_SOCKET,
     .offset = AT(config_target, master_socket),
     .preset = "",
     .help = "The master CLI (haproxy -W -S), for reloads and for the sessions of old workers."},
    {.sections = CONFIG_SECTION_HAPROXY,
     .name = "reload_command",
     .type = CONFIG_TYPE_COMMAND,
     .offset = AT(config_target, reload_command),
     .preset = "",
     .help = "Used where there is no master_socket. Run without a shell; words are split as sh "
             "would."},
    {.sections = CONFIG_SECTION_FILE,
     .name = "reload_command",
     .type = CONFIG_TYPE_COMMAND,
     .offset = AT(config_target, reload_command),
     .preset = "",
     .example = "systemctl reload app",
     .help = "Runs after the file was installed. Without a shell; words are split as sh would."},
    {.sections = CONFIG_SECTION_HAPROXY | CONFIG_SECTION_FILE,
     .name = "check_command",
     .type = CONFIG_TYPE_COMMAND,
     .offset = AT(config_target, check_command),
     .preset = "",
     .help = "Must succeed on the new file before it is installed; {} is the new file's path. "
             "Without a shell; words are split as sh would."},
    {.sections = CONFIG_SECTION_PGBOUNCER,
     .name = "console",
     .type = CONFIG_TYPE_CONNINFO,
     .flags = CONFIG_REQUIRED,
     .offset = AT(config_target, console),
     .preset = "host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer",
     .help = "How to connect to the admin console, as a user of admin_users. Over the unix socket "
             "PgBouncer's own system user may be the user pgbouncer without a password; a password "
             "belongs into a passfile."},
    {.sections = CONFIG_SECTION_PGBOUNCER,
     .name = "pause_timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = AT(config_target, pause_timeout_ms),
     .min = 100,
     .max = 10 * MINUTE,
     .preset = "5s",
     .help = "How long PAUSE may wait for running transactions. Then they are cut off if the "
             "primary has moved; a hold (see on_primary_loss) is given up."},
    {.sections = CONFIG_SECTION_HAPROXY | CONFIG_SECTION_PGBOUNCER,
     .name = "leads_to_primary",
     .type = CONFIG_TYPE_BOOL,
     .offset = AT(config_target, leads_to_primary),
     .preset = "yes",
     .help = "yes: a rendered text in which nothing leads clients to the primary is refused, and "
             "the last good one stays. no: it is for readers only, or leads to another proxy."},
    {.sections = TARGETS,
     .name = "var.",
     .type = CONFIG_TYPE_VAR,
     .offset = CONFIG_NOT_KEPT,
     .example = "var.maxconn = 100",
     .help = "A value for the template: var.maxconn is {{vars.maxconn}}. Any number of them."},
};

const struct config_key *config_key_at(size_t index)
{
	return index < ARRAY_LEN(keys) ? &keys[index] : table_publisher(index - ARRAY_LEN(keys));
}

bool config_key_is_prefix(const struct config_key *key)
{
	return key->type == CONFIG_TYPE_NODE || key->type == CONFIG_TYPE_VAR;
}

static bool key_matches(const struct config_key *row, const char *key)
{
	if (config_key_is_prefix(row))
		return strncmp(key, row->name, strlen(row->name)) == 0;
	return strcmp(key, row->name) == 0;
}

const struct config_key *config_key_find(enum config_section_kind kind, const char *key)
{
	const struct config_key *row;

	for (size_t i = 0; (row = config_key_at(i)) != NULL; i++)
		if ((row->sections & kind) != 0 && key_matches(row, key))
			return row;
	return NULL;
}
