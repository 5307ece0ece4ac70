/* The table of sections and keys of segue.ini; see config_internal.h. A new key needs a row here
 * and nothing else: default, bounds, manual and sample file are made from it. */
#include <string.h>

#include "base/util.h"
#include "config/config.h"
#include "config_internal.h"

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
     .optional = true,
     .example_name = "local",
     .help = "A PgBouncer that is moved by PAUSE, RELOAD and RESUME. One section each."},
    {.kind = CONFIG_SECTION_FILE,
     .word = "file",
     .named = true,
     .optional = true,
     .example_name = "app",
     .help = "Any other reader of the fact: the file is rendered, checked and installed, then the "
             "command runs. One section each."},
    {.kind = CONFIG_SECTION_PUBLISHER,
     .word = "publisher",
     .named = true,
     .optional = true,
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

/* --- the keys --- */

#define TB ((int64_t)1 << 40)

#define OUTPUT_HELP                                                                                \
	"A symbolic link stays one: the file behind it is replaced. A mount point (a single-file " \
	"volume of a container) is refused: mount its folder."

/* Sections that have a key in common. */
#define CONFIG_SECTION_PROXIES         (CONFIG_SECTION_HAPROXY | CONFIG_SECTION_PGBOUNCER)
#define CONFIG_SECTION_HAPROXY_OR_FILE (CONFIG_SECTION_HAPROXY | CONFIG_SECTION_FILE)

/* The struct that each section fills. */
#define FILLED_BY_SEGUE           config
#define FILLED_BY_ZOOKEEPER       config
#define FILLED_BY_CLUSTER         config_cluster
#define FILLED_BY_TARGETS         config_target
#define FILLED_BY_PROXIES         config_target
#define FILLED_BY_HAPROXY_OR_FILE config_target
#define FILLED_BY_HAPROXY         config_target
#define FILLED_BY_PGBOUNCER       config_target
#define FILLED_BY_FILE            config_target
#define FILLED_BY_PUBLISHER       config_publisher

/* clang-format off */
/* Types. REQUIRED: must not be empty. An ENUM is in the order of its enum in config/config.h or
 * base/log.h. */
#define TEXT(name)          .type = CONFIG_TYPE_##name
#define REQUIRED(name)      .type = CONFIG_TYPE_##name, .flags = CONFIG_REQUIRED
#define YES_NO              .type = CONFIG_TYPE_BOOL
#define ENUM(...)           .type = CONFIG_TYPE_ENUM, .choices = WORDS(__VA_ARGS__, NULL)
#define DURATION(low, high) .type = CONFIG_TYPE_DURATION, .min = (low), .max = (high)
#define AUTO(low, high)     DURATION(low, high), .flags = CONFIG_AUTO
#define SIZE(low, high)     .type = CONFIG_TYPE_SIZE, .min = (low), .max = (high)
#define COUNT(low, high)    .type = CONFIG_TYPE_COUNT, .min = (low), .max = (high)
#define MODE(low, high)     .type = CONFIG_TYPE_MODE, .min = (low), .max = (high)
#define WORDS(...)          (const char *const[]){__VA_ARGS__}

/* In place of a default: there is none, and with UNSET the key may be missing. The text is for the
 * sample file. */
#define EXAMPLE(text) NULL, .example = (text)
#define UNSET(text)   "", .example = (text)

#define KEY(in, key, kind, field, value, text) \
	{.sections = CONFIG_SECTION_##in, .name = (key), kind, \
	 .offset = offsetof(struct FILLED_BY_##in, field), .help = (text), \
	 .preset = value} /* NOLINT(bugprone-macro-parentheses): EXAMPLE sets two fields */

/* A key of any name that begins so. */
#define MANY(in, prefix, kind, like, text) \
	{.sections = CONFIG_SECTION_##in, .name = (prefix), .type = CONFIG_TYPE_##kind, \
	 .offset = CONFIG_NOT_KEPT, .example = (like), .help = (text)}

static const struct config_key keys[] = {
    /* [segue] */
    KEY(SEGUE, "name", TEXT(NAME), name, "",
        "This sidecar in the fleet. Not set: the host's name."),
    KEY(SEGUE, "log_level", ENUM("debug", "info", "warning", "error"), log_level, "info",
        "Events below it are not logged."),
    KEY(SEGUE, "log_format", ENUM("text", "json", "journal"), log_format, "text",
        "text is key=value with a time stamp; json is one object a line; journal is text with "
        "journald's priorities and without the time."),
    KEY(SEGUE, "state_dir", TEXT(PATH), state_dir, "/var/lib/segue",
        "Keeps the topology applied last, per cluster, over restarts."),
    KEY(SEGUE, "listen", TEXT(LISTEN), listen, "unix:/run/segue/segue.sock",
        "Where segue status asks, and segue pin, freeze and release give their orders: a unix "
        "socket, made with mode 0660, or host:port, where nothing but GET is taken; or several "
        "with commas, each with places of its own, so that a crowd at a TCP port shuts nobody out "
        "of the unix socket, where segue's own commands ask then. Empty: nowhere. What cannot be "
        "listened on is tried again, and stops nothing else."),
    KEY(SEGUE, "listen_hosts", TEXT(HOST_NAMES), listen_hosts, UNSET("proxy1.example.org"),
        "By which names host:port may be asked, besides its IP addresses, localhost and name: a "
        "web page elsewhere cannot then read it through a browser (DNS rebinding). A dot in front "
        "stands for all names below, too. A reverse proxy that passes the Host header on needs its "
        "own name here."),

    /* [zookeeper] */
    KEY(ZOOKEEPER, "hosts", REQUIRED(HOSTS), zookeeper_hosts, "127.0.0.1:2181",
        "The servers of the ensemble, host:port, comma separated; one /chroot may follow the "
        "last."),
    KEY(ZOOKEEPER, "session_timeout", DURATION(SECOND, 10 * MINUTE), session_timeout_ms, "6s",
        "What is asked of the server, which has bounds of its own (2 to 20 times its tickTime)."),
    KEY(ZOOKEEPER, "auth_file", TEXT(PATH), auth_file, "",
        "A file with one line \"digest user:password\". Not set: no authentication."),
    KEY(ZOOKEEPER, "acl", ENUM("open", "creator"), acl, "open",
        "Who may change the znodes that segue makes. open: anybody. creator: the user of "
        "auth_file, and anybody may read them. What is there already keeps its ACL."),

    /* [cluster NAME] */
    KEY(CLUSTER, "layout", ENUM("segue", "plain", "patroni"), layout, "segue",
        "How the store names the primary. segue: JSON at <path>/master. plain: the znode itself "
        "holds a host, host:port, a connection string or a node name. patroni: what Patroni 2 to 4 "
        "keeps there; the leader is the primary, but a standby cluster (standby_leader) has none."),
    KEY(CLUSTER, "path", REQUIRED(ZNODE), path, EXAMPLE("/segue/orders"),
        "The znode path. Layout segue: the parent of master; layout plain: the master znode "
        "itself; layout patroni: its namespace and scope, as in /service/orders, and of a Citus "
        "cluster the group, too, as in /service/orders/0."),
    MANY(CLUSTER, "node.", NODE, "node.db1 = 10.0.0.1:5432",
        "The address of a node name, for znodes that hold only a name. Any number of them."),
    KEY(CLUSTER, "presence", YES_NO, presence, "no",
        "yes: act only while there is at least one ephemeral child (a live publisher), of "
        "<path>/publishers with layout segue, of the master znode with layout plain. Layout "
        "patroni takes no: its leader key is a presence of its own."),
    KEY(CLUSTER, "max_lag", SIZE(0, 1024 * TB), max_lag, "0",
        "A standby that is known to be further behind the primary gets no readers. 0: any will "
        "do."),
    KEY(CLUSTER, "verify", ENUM("disable", "prefer", "require"), verify, "prefer",
        "Ask the servers, by libpq, who takes writes, before moving to one and all the time. "
        "prefer: a server that is alive but does not let segue in is believed to be what the store "
        "says, with a warning; its error has to be about segue's own access: SQLSTATE 28xxx, "
        "3D000, 42501, 53300 or 55000; but not while the last primary, which took writes when it "
        "could be asked, lives. require: it is not moved to. disable: nobody is asked."),
    KEY(CLUSTER, "verify_conninfo", TEXT(CONNINFO), verify_conninfo,
        "user=segue dbname=postgres connect_timeout=2",
        "How to connect for that; host and port come from the store. The role needs LOGIN and "
        "nothing else; a password belongs into a passfile. How long it may take is up to "
        "verify_timeout, connect_timeout has no effect."),
    KEY(CLUSTER, "verify_timeout", DURATION(50, MINUTE), verify_timeout_ms, "1s",
        "What one question to a server may take, with connecting where that is needed; three in a "
        "row without an answer are a loss."),
    KEY(CLUSTER, "on_primary_loss", ENUM("hold", "keep", "fence"), on_primary_loss, "hold",
        "While there is no primary (layout segue: \"primary\": null). hold: clients wait, for "
        "hold_timeout at most. Those of a PgBouncer are paused; new ones of a HAProxy are led to a "
        "closed port, where they try again until there is a primary, and sessions that run go on. "
        "keep: all stay with the last primary. fence: nobody is to reach the last primary: its "
        "sessions are ended, and clients turned away until the next one is named."),
    KEY(CLUSTER, "hold_timeout", AUTO(100, HOUR), hold_timeout_ms, "auto",
        "How long clients are held; then they are let go, to the last primary. auto, with layout "
        "patroni: ttl + loop_wait + retry_timeout of Patroni's /config + 5s (55s with Patroni's "
        "defaults), followed when they change; while the server answers that it is starting up, 2 "
        "x loop_wait + primary_start_timeout + 5s where that is longer, as Patroni leaves it so "
        "long before it gives up the leader key; 5m at most. auto, with any other layout: 90s, as "
        "repmgrd by its defaults tries to reconnect for 60s before it promotes a standby. Has to "
        "be shorter than PgBouncer's query_wait_timeout, and than a client of a HAProxy can wait: "
        "retries times timeout connect, or times 1s where that is longer."),
    KEY(CLUSTER, "tripwires", COUNT(0, 8), tripwires, "3",
        "Where a PgBouncer is driven and servers are asked: so many connections to the primary "
        "that never say a word, each for 30s at most. They end first when it is killed, so that "
        "clients wait before PgBouncer turns one away: two ends within a millisecond prove the "
        "loss. They take no slot of max_connections and need no login; log_connections = on logs "
        "each. 0: none."),
    KEY(CLUSTER, "on_store_loss", ENUM("hold", "keep", "fence"), on_store_loss, "keep",
        "While ZooKeeper cannot be reached, for longer than session_timeout. keep: nothing "
        "changes. hold, fence: as with on_primary_loss, until it says something again."),
    KEY(CLUSTER, "on_store_rollback", ENUM("refuse", "follow"), on_store_rollback, "refuse",
        "When the store itself went back in time (a restored backup, another ensemble): refuse "
        "keeps the topology applied last and raises an alarm until a newer value is written; "
        "follow takes the older value."),
    KEY(CLUSTER, "fleet", YES_NO, fleet, "no",
        "yes: this sidecar keeps an ephemeral znode /segue/CLUSTER/sidecars/NAME (NAME is name in "
        "[segue]), which says what it has applied and how its targets stand, for segue fleet and "
        "segue wait. It goes with the session, and with SIGTERM at once. A second sidecar of the "
        "same name waits until the first one is gone."),

    /* [haproxy NAME], [pgbouncer NAME], [file NAME] */
    KEY(TARGETS, "cluster", REQUIRED(CLUSTER), cluster, EXAMPLE("orders"),
        "The cluster that it follows: the NAME of a [cluster NAME] section."),
    KEY(HAPROXY, "template", REQUIRED(PATH), template_file,
        EXAMPLE("/etc/segue/templates/haproxy.cfg.mustache"),
        "The Mustache template; see segue-templates(7). Read again on SIGHUP."),
    KEY(PGBOUNCER, "template", REQUIRED(PATH), template_file,
        EXAMPLE("/etc/segue/templates/pgbouncer.ini.mustache"),
        "The Mustache template; see segue-templates(7). Read again on SIGHUP."),
    KEY(FILE, "template", REQUIRED(PATH), template_file,
        EXAMPLE("/etc/segue/templates/app.mustache"),
        "The Mustache template; see segue-templates(7). Read again on SIGHUP."),
    KEY(HAPROXY, "output", REQUIRED(PATH), output, EXAMPLE("/etc/haproxy/conf.d/orders.cfg"),
        "The file that is rendered, one that HAProxy loads at its next start (a further -f). "
        OUTPUT_HELP),
    KEY(PGBOUNCER, "output", REQUIRED(PATH), output, EXAMPLE("/etc/pgbouncer/orders.ini"),
        "The file that is rendered: what pgbouncer.ini takes in, by a line %include and this path. "
        "It has to be there when PgBouncer starts: an empty file will do. " OUTPUT_HELP),
    KEY(FILE, "output", REQUIRED(PATH), output, EXAMPLE("/etc/app/conf.d/database.conf"),
        "The file that is rendered. " OUTPUT_HELP),
    KEY(TARGETS, "owner", TEXT(OWNER), owner, "",
        "Owner of the output: user:group, user or :group. Not set: unchanged."),
    KEY(TARGETS, "mode", MODE(0, 07777), mode, "0644",
        "Permission bits of the output, octal. 0: those of the file that is replaced. Without "
        "0400, by which its owner may read it, they are refused. What reads the file has to be let "
        "in: segue check looks."),
    KEY(HAPROXY, "socket", REQUIRED(SOCKET), socket, "/run/haproxy/admin.sock",
        "The stats socket, level admin."),
    KEY(HAPROXY, "master_socket", TEXT(SOCKET), master_socket, "",
        "The master CLI (haproxy -W -S), for reloads and for the sessions of old workers."),
    KEY(HAPROXY, "reload_command", TEXT(COMMAND), reload_command, "",
        "Used where there is no master_socket. Run without a shell; words are split as sh would."),
    KEY(FILE, "reload_command", TEXT(COMMAND), reload_command, UNSET("systemctl reload app"),
        "Runs after the file was installed. Without a shell; words are split as sh would."),
    KEY(HAPROXY_OR_FILE, "check_command", TEXT(COMMAND), check_command, "",
        "Must succeed on the new file before it is installed; {} is the new file's path. Without a "
        "shell; words are split as sh would."),
    KEY(PGBOUNCER, "console", REQUIRED(CONNINFO), console,
        "host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer",
        "How to connect to the admin console, as a user of admin_users. Over the unix socket "
        "PgBouncer's own system user may be the user pgbouncer without a password; a password "
        "belongs into a passfile."),
    KEY(PGBOUNCER, "pause_timeout", DURATION(100, 10 * MINUTE), pause_timeout_ms, "5s",
        "How long PAUSE may wait for running transactions. Then they are cut off if the primary "
        "has moved; a hold (see on_primary_loss) is given up."),
    KEY(PROXIES, "leads_to_primary", YES_NO, leads_to_primary, "yes",
        "yes: a rendered text in which nothing leads clients to the primary is refused, and the "
        "last good one stays. no: it is for readers only, or leads to another proxy."),
    MANY(TARGETS, "var.", VAR, "var.maxconn = 100",
        "A value for the template: var.maxconn is {{vars.maxconn}}. Any number of them."),

    /* [publisher NAME], which segue publish reads */
    KEY(PUBLISHER, "cluster", REQUIRED(CLUSTER), cluster, EXAMPLE("orders"),
        "The cluster that it publishes, of layout segue; the path comes from there, and "
        "verify_timeout, which bounds each question to a server."),
    KEY(PUBLISHER, "name", TEXT(NAME), name, "",
        "This publisher, among those of the cluster. Not set: the host's name."),
    KEY(PUBLISHER, "nodes", REQUIRED(CONNINFOS), nodes,
        EXAMPLE("host=10.0.0.1 port=5432, host=10.0.0.2 port=5432"),
        "A connection string for each server, comma separated, as the proxies reach it. With "
        "repmgr one is enough: the rest comes from repmgr.nodes. A name that is not repmgr's comes "
        "from node.NAME of the cluster."),
    KEY(PUBLISHER, "conninfo", TEXT(CONNINFO), conninfo,
        "user=repmgr dbname=repmgr connect_timeout=2",
        "What is common to all of them. A string of nodes may say otherwise; one of repmgr.nodes "
        "only says where its server is. The role needs LOGIN, pg_monitor for the timeline of "
        "standbys, and with repmgr SELECT on its tables nodes and events. connect_timeout has no "
        "effect, verify_timeout has."),
    KEY(PUBLISHER, "repmgr", ENUM("auto", "yes", "no"), repmgr, "auto",
        "Whether the cluster is repmgr's (4 or 5). auto: where there is a table nodes in "
        "repmgr_schema. yes: its absence is an error, which is logged. no: its tables are not "
        "read."),
    KEY(PUBLISHER, "repmgr_schema", REQUIRED(NAME), repmgr_schema, "repmgr",
        "The schema of its tables, in the database of conninfo."),
    KEY(PUBLISHER, "interval", DURATION(100, MINUTE), interval_ms, "1s",
        "How often the servers are observed. While no server takes writes, for a minute, every 50 "
        "ms."),
    KEY(PUBLISHER, "null_after", COUNT(1, 1000), null_after, "3",
        "Intervals without a server that takes writes until it is published that there is no "
        "primary, so that the proxies hold. Not while another publisher that is present in the "
        "store shows that it sees the primary: then only this one is cut from it."),
    KEY(PUBLISHER, "null_hold", DURATION(0, 24 * HOUR), null_hold_ms, "60s",
        "For how long a \"primary\": null that no publisher wrote is respected, as of a person who "
        "plans a change: from when this publisher has read it, and not once a server takes writes "
        "on a higher timeline than before. 0s: not at all."),
    KEY(PUBLISHER, "drop_after", COUNT(1, 100000), drop_after, "10",
        "Intervals without an answer until a standby is taken out of what is published."),
    KEY(PUBLISHER, "blind_after", DURATION(100, HOUR), blind_after_ms, "10s",
        "How long no server may answer until this publisher takes its presence away: it does not "
        "know anything."),
    KEY(PUBLISHER, "write_check", ENUM("no", "table"), write_check, "no",
        "table: a server that is not in recovery takes writes only if it also takes a row, which "
        "is rolled back: in repmgr's table events, or in a temporary table where there is none. "
        "no: that it is not in recovery is enough."),
    KEY(PUBLISHER, "notify_socket", TEXT(UNIX), notify_socket, "/run/segue/publish.sock",
        "Where segue notify wakes the segue publish that runs here: a unix socket, which anybody "
        "on this host may write to. Several sections may share one. Empty: none."),
};
/* clang-format on */

const struct config_key *config_key_next(unsigned kinds, const struct config_key *before)
{
	const struct config_key *key = before != NULL ? before + 1 : keys;

	while (key < keys + ARRAY_LEN(keys) && (key->sections & kinds) == 0)
		key++;
	return key < keys + ARRAY_LEN(keys) ? key : NULL;
}

bool config_key_is_prefix(const struct config_key *key)
{
	return key->type == CONFIG_TYPE_NODE || key->type == CONFIG_TYPE_VAR;
}

const struct config_key *config_key_find(enum config_section_kind kind, const char *name)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(kind, key)) != NULL)
		if (config_key_is_prefix(key) ? strncmp(name, key->name, strlen(key->name)) == 0
		                              : strcmp(name, key->name) == 0)
			break;
	return key;
}
