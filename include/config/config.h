/* segue.ini as values: typed, checked against their bounds, with defaults filled in. Never changed
 * after loading.
 *
 * config/table.c has the only table of keys (section, name, type, bounds, default, help). The
 * loader, man/segue.ini.5 and the sample file all use it. Strings are never NULL: one that is not
 * set is "". struct config owns everything. Durations are in ms. */
#ifndef SEGUE_CONFIG_CONFIG_H
#define SEGUE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/strbuf.h"

/* The file that is read if neither -c nor SEGUE_CONFIG is given. */
#define CONFIG_DEFAULT_FILE "/etc/segue/segue.ini"

enum config_layout { CONFIG_LAYOUT_SEGUE, CONFIG_LAYOUT_PLAIN, CONFIG_LAYOUT_PATRONI };
enum config_acl { CONFIG_ACL_OPEN, CONFIG_ACL_CREATOR };
enum config_verify { CONFIG_VERIFY_DISABLE, CONFIG_VERIFY_PREFER, CONFIG_VERIFY_REQUIRE };
enum config_loss { CONFIG_LOSS_HOLD, CONFIG_LOSS_KEEP, CONFIG_LOSS_FENCE };
enum config_rollback { CONFIG_ROLLBACK_REFUSE, CONFIG_ROLLBACK_FOLLOW };
enum config_repmgr { CONFIG_REPMGR_AUTO, CONFIG_REPMGR_YES, CONFIG_REPMGR_NO };
enum config_write_check { CONFIG_WRITE_CHECK_NO, CONFIG_WRITE_CHECK_TABLE };
enum config_target_kind { CONFIG_TARGET_HAPROXY, CONFIG_TARGET_PGBOUNCER, CONFIG_TARGET_FILE };

struct config_node { /* node.NAME = HOST:PORT */
	char *name;
	char *host; /* no brackets */
	uint16_t port;
};

struct config_var { /* var.NAME = VALUE */
	char *name;
	char *value;
	unsigned line; /* in segue.ini */
};

struct config_cluster {
	char *name;
	enum config_layout layout;
	char *path; /* absolute znode path, no trailing slash */
	struct config_node *nodes;
	size_t node_count;
	bool presence;
	enum config_verify verify;
	char *verify_conninfo;
	int64_t verify_timeout_ms; /* of one question to one server, connecting included */
	int64_t max_lag;           /* bytes that a standby may lag behind; 0: no limit */
	enum config_loss on_primary_loss;
	int64_t hold_timeout_ms; /* 0: auto; see config_hold_ms() */
	int64_t tripwires;       /* silent connections to the primary; 0: none */
	enum config_loss on_store_loss;
	enum config_rollback on_store_rollback;
	bool fleet; /* keep a znode with the state of this sidecar */
};

struct config_target {
	enum config_target_kind kind;
	unsigned mode; /* permission bits */
	char *name;
	char *cluster;        /* name of its cluster */
	size_t cluster_index; /* into config.clusters */
	/* hold_timeout of its cluster (with auto: for Patroni's default settings), and the longest
	 * that it can become. Both 0: the cluster never holds. */
	int64_t hold_timeout_ms, hold_max_ms;
	char *template_file;
	char *output;
	char *owner;                  /* "user:group", "user", ":group" or "" */
	char *socket, *master_socket; /* haproxy */
	char *check_command, *reload_command;
	char *console;         /* pgbouncer */
	bool leads_to_primary; /* haproxy, pgbouncer */
	int64_t pause_timeout_ms;
	struct config_var *vars;
	size_t var_count;
};

struct config_publisher {
	char *section;        /* [publisher SECTION] */
	char *name;           /* name of this publisher; not set: the host name */
	char *cluster;        /* name of its cluster */
	size_t cluster_index; /* into config.clusters; its layout is segue */
	char *nodes;          /* as configured: connection strings, comma separated */
	char *conninfo;       /* what these connection strings have in common */
	enum config_repmgr repmgr;
	char *repmgr_schema;
	int64_t interval_ms;
	int64_t null_after; /* intervals */
	int64_t null_hold_ms;
	int64_t drop_after; /* intervals */
	int64_t blind_after_ms;
	enum config_write_check write_check;
	char *notify_socket; /* "": none */
};

struct config {
	char *file; /* the file that was read */
	char *name;
	enum log_level log_level;
	enum log_format log_format;
	char *state_dir;
	char *listen;
	char *listen_hosts;    /* names, comma separated */
	char *zookeeper_hosts; /* as configured, "host:port,host:port/chroot" */
	int64_t session_timeout_ms;
	char *auth_file;
	enum config_acl acl; /* of znodes that segue creates */
	struct config_cluster *clusters;
	size_t cluster_count;
	struct config_target *targets;
	size_t target_count;
	struct config_publisher *publishers;
	size_t publisher_count;
	struct strbuf warnings; /* one a line */
	struct strbuf text;     /* content of the file, as it was read */
};

/* Reads and checks `file`. On failure returns NULL and appends EVERY error of the file to `errors`,
 * one a line: "file:line: [section] key: what was found: what is allowed". Caller frees. */
struct config *config_load(const char *file, struct strbuf *errors) MUST_CHECK;

/* The same for a text in memory. `file` is only used in messages. */
struct config *config_load_text(const char *file, const char *text, size_t len,
                                struct strbuf *errors) MUST_CHECK;
void config_free(struct config *config);

#define CONFIG_HOLD_MARGIN_MS 5000 /* hold_timeout = auto adds it to the cluster manager's time */

/* How long clients of the cluster are held, in ms: hold_timeout, or the value that auto stands for.
 * `manager_ms`: how long the cluster manager may take until there is a new primary; 0: not known,
 * or layout segue or plain. */
int64_t config_hold_ms(const struct config_cluster *cluster, int64_t manager_ms);
int64_t config_hold_max_ms(const struct config_cluster *cluster); /* largest, for any manager_ms */

/* NULL: there is no [cluster NAME] section of this name. */
const struct config_cluster *config_cluster_find(const struct config *config, const char *name);

/* The first HAProxy target with the socket of this one, perhaps itself: they share a HAProxy. */
size_t config_haproxy_first(const struct config *config, size_t target);

const char *config_target_kind_name(enum config_target_kind kind); /* "haproxy", ... */

#define CONFIG_LABEL_MAX 256 /* bytes; a longer one is cut */
/* Writes "haproxy/NAME", as logs name a target. Returns `out`. */
char *config_target_label(enum config_target_kind kind, const char *name,
                          char out[CONFIG_LABEL_MAX]);
/* The same for a struct config_target, until the end of the block. */
#define CONFIG_LABEL(target) \
	config_target_label((target)->kind, (target)->name, (char[CONFIG_LABEL_MAX]){0})

const char *config_layout_name(enum config_layout layout); /* "segue", ... */

/* Prints the key table as a commented sample file that can be loaded as it is. */
void config_print_sample(FILE *out);

/* Puts "FILE line N: [SECTION]: " in front of an error that begins with "var.NAME: ", as those of
 * view_compile() do. Any other error stays as it is; then returns false. */
bool config_locate_var(const struct config *config, const struct config_target *target,
                       struct err *err);

#endif
