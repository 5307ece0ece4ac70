/* The table of sections and keys of segue.ini; see config_internal.h. A new key needs a row here
 * and nothing else: default, bounds, manual and sample file are made from it. */
#include <string.h>

#include "base/util.h"
#include "config/config.h"
#include "config_internal.h"

/* --- the kinds of sections --- */

const struct config_section_info config_sections[] = {
    {.kind = CONFIG_SECTION_SEGUE, .word = "segue", .help = "The sidecar itself."},
    {.kind = CONFIG_SECTION_ZOOKEEPER,
     .word = "zookeeper",
     .help = "The ZooKeeper ensemble that names the primary of every cluster."},
    {.kind = CONFIG_SECTION_CLUSTER,
     .word = "cluster",
     .named = true,
     .example_name = "orders",
     .help = "A cluster: one primary and its standbys. One section for each, at least one."},
    {.kind = CONFIG_SECTION_HAPROXY,
     .word = "haproxy",
     .named = true,
     .example_name = "local",
     .help = "A HAProxy that is changed through its runtime socket. One section for each."},
    {.kind = CONFIG_SECTION_PGBOUNCER,
     .word = "pgbouncer",
     .named = true,
     .optional = true,
     .example_name = "local",
     .help = "A PgBouncer that is changed by PAUSE, RELOAD and RESUME. One section for each."},
    {.kind = CONFIG_SECTION_FILE,
     .word = "file",
     .named = true,
     .optional = true,
     .example_name = "app",
     .help = "Any other program that reads the primary from a file: the file is rendered, checked "
             "and installed, then the reload command runs. One section for each file."},
    {.kind = CONFIG_SECTION_PUBLISHER,
     .word = "publisher",
     .named = true,
     .optional = true,
     .example_name = "orders",
     .help = "Read by segue publish, which writes the master znode of a cluster. One section for "
             "each."},
    {.word = NULL}};

const struct config_section_info *config_section_find(const char *word)
{
	const struct config_section_info *info = config_sections;

	while (info->word != NULL && strcmp(info->word, word) != 0)
		info++;
	return info->word != NULL ? info : NULL;
}

/* --- the keys --- */

#define OUTPUT_HELP                                                                                 \
	"If it is a symbolic link, its target is replaced. A mount point (a single-file volume of " \
	"a container) is refused: mount its folder."

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
        "The name of this sidecar in the fleet. Not set: the host name."),
    KEY(SEGUE, "log_level", ENUM("debug", "info", "warning", "error"), log_level, "info",
        "Events below it are not logged."),
    KEY(SEGUE, "log_format", ENUM("text", "json", "journal"), log_format, "text",
        "text is key=value with a time stamp; json is one object a line; journal is text with "
        "journald's priorities and without the time."),
    KEY(SEGUE, "state_dir", TEXT(PATH), state_dir, "/var/lib/segue",
        "The directory in which the last applied topology of each cluster is kept across "
        "restarts."),
    KEY(SEGUE, "listen", TEXT(LISTEN), listen, "unix:/run/segue/segue.sock",
        "The address for segue status, pin, freeze and release: a unix socket (created with mode "
        "0660), or host:port, which accepts only GET. Several addresses are comma separated. "
        "Each has its own limit of connections, so that many clients of a TCP port cannot block "
        "the unix socket, which segue's own commands prefer. Empty: no listener. An address that "
        "cannot be listened on is tried again; everything else goes on."),
    KEY(SEGUE, "listen_hosts", TEXT(HOST_NAMES), listen_hosts, UNSET("proxy1.example.org"),
        "The names that are accepted in the Host header at host:port, besides IP addresses, "
        "localhost and name. This protects against DNS rebinding by web pages. A leading dot "
        "also accepts all names below. A reverse proxy that passes the Host header on needs its "
        "own name here."),

    /* [zookeeper] */
    KEY(ZOOKEEPER, "hosts", REQUIRED(HOSTS), zookeeper_hosts, "127.0.0.1:2181",
        "The servers of the ensemble, host:port, comma separated; one /chroot may follow the "
        "last."),
    KEY(ZOOKEEPER, "session_timeout", DURATION(SECOND, 10 * MINUTE), session_timeout_ms, "6s",
        "The session timeout that is requested from ZooKeeper. The server limits it to 2 to 20 "
        "times its tickTime."),
    KEY(ZOOKEEPER, "auth_file", TEXT(PATH), auth_file, "",
        "A file with one line \"digest user:password\". Not set: no authentication."),
    KEY(ZOOKEEPER, "acl", ENUM("open", "creator"), acl, "open",
        "Who may change the znodes that segue creates. open: anybody. creator: only the user of "
        "auth_file; anybody may read them. Existing znodes keep their ACL."),

    /* [cluster NAME] */
    KEY(CLUSTER, "layout", ENUM("segue", "plain", "patroni"), layout, "segue",
        "How the znodes name the primary. segue: JSON at <path>/master. plain: the znode itself "
        "holds a host, host:port, a connection string or a node name. patroni: the znodes of "
        "Patroni 2 to 4; the leader is the primary, but a standby cluster (standby_leader) has "
        "none."),
    KEY(CLUSTER, "path", REQUIRED(ZNODE), path, EXAMPLE("/segue/orders"),
        "The znode path. Layout segue: the parent of master; layout plain: the master znode "
        "itself; layout patroni: its namespace and scope, as in /service/orders, and of a Citus "
        "cluster the group, too, as in /service/orders/0."),
    MANY(CLUSTER, "node.", NODE, "node.db1 = 10.0.0.1:5432",
        "The address of a node name, for znodes that hold only a name. Any number of them."),
    KEY(CLUSTER, "presence", YES_NO, presence, "no",
        "yes: act only while there is at least one ephemeral child (a live publisher): of "
        "<path>/publishers with layout segue, of the master znode with layout plain. Layout "
        "patroni does not allow yes, because its leader key is ephemeral itself."),
    KEY(CLUSTER, "max_lag", SIZE(0, 1024 * TB), max_lag, "0",
        "A standby whose known lag is larger gets no read-only traffic. 0: no limit."),
    KEY(CLUSTER, "verify", ENUM("disable", "prefer", "require"), verify, "prefer",
        "Whether segue asks the servers with libpq which one takes writes: before it moves to a "
        "server, and continuously. prefer: if a server runs but refuses segue (SQLSTATE 28xxx, "
        "3D000, 42501, 53300 or 55000), the value in ZooKeeper is trusted, with a warning; but "
        "not while the last primary still runs and took writes in its last answer. require: such "
        "a server is not used. disable: no server is asked."),
    KEY(CLUSTER, "verify_conninfo", TEXT(CONNINFO), verify_conninfo,
        "user=segue dbname=postgres connect_timeout=2",
        "Connection parameters for verify; host and port come from ZooKeeper. The role needs "
        "LOGIN and nothing else. Put a password into a passfile. verify_timeout limits the time; "
        "connect_timeout has no effect."),
    KEY(CLUSTER, "verify_timeout", DURATION(50, MINUTE), verify_timeout_ms, "1s",
        "The time limit for one question to a server, connecting included. After three questions "
        "in a row without an answer the server counts as lost."),
    KEY(CLUSTER, "on_primary_loss", ENUM("hold", "keep", "fence"), on_primary_loss, "hold",
        "What to do while there is no primary (layout segue: \"primary\": null). hold: clients "
        "wait, for hold_timeout at most. Clients of a PgBouncer are paused. New connections of a "
        "HAProxy go to a closed port and are retried until there is a primary; existing sessions "
        "go on. keep: all clients stay with the last primary. fence: no client may reach the "
        "last primary: its sessions are ended, and clients are refused until the next primary is "
        "named."),
    KEY(CLUSTER, "hold_timeout", AUTO(100, HOUR), hold_timeout_ms, "auto",
        "How long clients are held at most; then they are released to the last primary. auto, "
        "with layout patroni: ttl + loop_wait + retry_timeout of Patroni's /config + 5s (55s "
        "with Patroni's defaults); changes are followed. While the server answers that it is "
        "starting up, 2 x loop_wait + primary_start_timeout + 5s if that is longer, because "
        "Patroni waits so long before it gives up the leader key. 5m at most. auto, with any "
        "other layout: 90s, because repmgrd by default tries to reconnect for 60s before it "
        "promotes a standby. hold_timeout has to be shorter than PgBouncer's query_wait_timeout, "
        "and shorter than the time that HAProxy retries: retries x timeout connect, or retries x "
        "1s if that is longer."),
    KEY(CLUSTER, "tripwires", COUNT(0, 8), tripwires, "3",
        "With a [pgbouncer NAME] section and verify: the number of idle connections to the "
        "primary that send nothing, each for at most 30s. They end first when the primary is "
        "killed; two that end within a millisecond prove the loss, and clients are held before "
        "PgBouncer refuses one. They take no slot of max_connections and need no login; "
        "log_connections = on logs each. 0: none."),
    KEY(CLUSTER, "on_store_loss", ENUM("hold", "keep", "fence"), on_store_loss, "keep",
        "What to do if ZooKeeper has been unreachable for longer than session_timeout. keep: "
        "nothing changes. hold, fence: as with on_primary_loss, until ZooKeeper can be read "
        "again."),
    KEY(CLUSTER, "on_store_rollback", ENUM("refuse", "follow"), on_store_rollback, "refuse",
        "What to do if ZooKeeper itself went back in time (a restored backup, another ensemble). "
        "refuse: the topology applied last is kept, and an alarm is raised until a newer value "
        "is written. follow: the older value is used."),
    KEY(CLUSTER, "fleet", YES_NO, fleet, "no",
        "yes: this sidecar keeps an ephemeral znode /segue/CLUSTER/sidecars/NAME (NAME is name "
        "in [segue]) with the applied value and the state of its targets, for segue fleet and "
        "segue wait. It is removed at SIGTERM, or when the session expires. A second sidecar "
        "with the same name waits until the znode of the first is gone."),

    /* [haproxy NAME], [pgbouncer NAME], [file NAME] */
    KEY(TARGETS, "cluster", REQUIRED(CLUSTER), cluster, EXAMPLE("orders"),
        "The cluster to follow: the NAME of a [cluster NAME] section."),
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
        "The rendered file, which HAProxy has to load at its next start (a further -f). "
        OUTPUT_HELP),
    KEY(PGBOUNCER, "output", REQUIRED(PATH), output, EXAMPLE("/etc/pgbouncer/orders.ini"),
        "The rendered file. pgbouncer.ini has to include it with the line \"%include PATH\". It "
        "has to exist when PgBouncer starts; it may be empty. " OUTPUT_HELP),
    KEY(FILE, "output", REQUIRED(PATH), output, EXAMPLE("/etc/app/conf.d/database.conf"),
        "The rendered file. " OUTPUT_HELP),
    KEY(TARGETS, "owner", TEXT(OWNER), owner, "",
        "Owner of the output: user:group, user or :group. Not set: unchanged."),
    KEY(TARGETS, "mode", MODE(0, 07777), mode, "0644",
        "Permission bits of the output, octal. 0: those of the file that is replaced. A mode "
        "without 0400 (the owner may read) is refused. The program that uses the file needs "
        "permission to read it; segue check tests that."),
    KEY(HAPROXY, "socket", REQUIRED(SOCKET), socket, "/run/haproxy/admin.sock",
        "The stats socket, level admin."),
    KEY(HAPROXY, "master_socket", TEXT(SOCKET), master_socket, "",
        "The master CLI (haproxy -W -S), for reloads and for the sessions of old workers."),
    KEY(HAPROXY, "reload_command", TEXT(COMMAND), reload_command, "",
        "Used if there is no master_socket. Run without a shell; words are split as sh would."),
    KEY(FILE, "reload_command", TEXT(COMMAND), reload_command, UNSET("systemctl reload app"),
        "Runs after the file was installed. Without a shell; words are split as sh would."),
    KEY(HAPROXY_OR_FILE, "check_command", TEXT(COMMAND), check_command, "",
        "Must succeed on the new file before it is installed; {} is the new file's path. Without a "
        "shell; words are split as sh would."),
    KEY(PGBOUNCER, "console", REQUIRED(CONNINFO), console,
        "host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer",
        "Connection parameters for the admin console, as a user in admin_users. Over the unix "
        "socket, PgBouncer's own system user may connect as the user pgbouncer without a "
        "password. Put a password into a passfile."),
    KEY(PGBOUNCER, "pause_timeout", DURATION(100, 10 * MINUTE), pause_timeout_ms, "5s",
        "How long PAUSE waits for running transactions. After that they are terminated if there "
        "is a new primary; if PAUSE was for a hold (see on_primary_loss), the hold is given up."),
    KEY(PROXIES, "leads_to_primary", YES_NO, leads_to_primary, "yes",
        "yes: a rendered file with no route to the primary is refused, and the last good file "
        "stays. no: the file is for read-only clients, or leads to another proxy."),
    MANY(TARGETS, "var.", VAR, "var.maxconn = 100",
        "A value for the template: var.maxconn is {{vars.maxconn}}. Any number of them."),

    /* [publisher NAME], which segue publish reads */
    KEY(PUBLISHER, "cluster", REQUIRED(CLUSTER), cluster, EXAMPLE("orders"),
        "The cluster to publish. Its layout has to be segue. Its path and its verify_timeout "
        "(the limit for each question to a server) are used."),
    KEY(PUBLISHER, "name", TEXT(NAME), name, "",
        "The name of this publisher, unique in the cluster. Not set: the host name."),
    KEY(PUBLISHER, "nodes", REQUIRED(CONNINFOS), nodes,
        EXAMPLE("host=10.0.0.1 port=5432, host=10.0.0.2 port=5432"),
        "A connection string for each server, comma separated, with the address that the proxies "
        "use. With repmgr one is enough: the others come from repmgr.nodes. A name that repmgr "
        "does not know comes from node.NAME of the cluster."),
    KEY(PUBLISHER, "conninfo", TEXT(CONNINFO), conninfo,
        "user=repmgr dbname=repmgr connect_timeout=2",
        "Connection parameters for all servers. A connection string in nodes overrides them. "
        "From repmgr.nodes only host and port are used. The role needs LOGIN, pg_monitor for the "
        "timeline of standbys, and with repmgr SELECT on its tables nodes and events. "
        "connect_timeout has no effect; verify_timeout applies."),
    KEY(PUBLISHER, "repmgr", ENUM("auto", "yes", "no"), repmgr, "auto",
        "Whether repmgr 4 or 5 manages the cluster. auto: yes if repmgr_schema has a table "
        "nodes. yes: a missing table is logged as an error. no: the tables of repmgr are not "
        "read."),
    KEY(PUBLISHER, "repmgr_schema", REQUIRED(NAME), repmgr_schema, "repmgr",
        "The schema of repmgr's tables, in the database of conninfo."),
    KEY(PUBLISHER, "interval", DURATION(100, MINUTE), interval_ms, "1s",
        "How often the servers are asked. While no server takes writes, they are asked every 50 "
        "ms, for at most one minute."),
    KEY(PUBLISHER, "null_after", COUNT(1, 1000), null_after, "3",
        "If no server takes writes for so many intervals, \"primary\": null is published, and "
        "the proxies hold. It is not published while another live publisher reports that it sees "
        "the primary, because then only this publisher is cut off from it."),
    KEY(PUBLISHER, "null_hold", DURATION(0, 24 * HOUR), null_hold_ms, "60s",
        "How long a \"primary\": null stays if no publisher wrote it (a person did, for a "
        "planned change). The time starts when this publisher reads it. It ends early if a "
        "server takes writes on a higher timeline than before. 0s: it is replaced at once."),
    KEY(PUBLISHER, "drop_after", COUNT(1, 100000), drop_after, "10",
        "A standby that does not answer for so many intervals is no longer published."),
    KEY(PUBLISHER, "blind_after", DURATION(100, HOUR), blind_after_ms, "10s",
        "If no server answers for so long, this publisher removes its presence znode, because it "
        "knows nothing about the cluster."),
    KEY(PUBLISHER, "write_check", ENUM("no", "table"), write_check, "no",
        "table: a server that is not in recovery counts as primary only if a test row can be "
        "inserted (which is rolled back): in repmgr's table events, or in a temporary table if "
        "there is none. no: it is enough that the server is not in recovery."),
    KEY(PUBLISHER, "notify_socket", TEXT(UNIX), notify_socket, "/run/segue/publish.sock",
        "The unix socket through which segue notify wakes the segue publish on this machine. Any "
        "user of this host may write to it. Several sections may share one. Empty: none."),
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
