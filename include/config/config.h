/* segue.ini as values: typed, bounded, with defaults filled in; immutable once loaded.
 *
 * config/table.c holds the one table of keys (section, name, type, bounds, default, help) that the
 * loader, man/segue.ini.5 and the sample file share. Strings are never NULL: an unset one is "".
 * All owned by struct config. Durations are ms. */
#ifndef SEGUE_CONFIG_CONFIG_H
#define SEGUE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/strbuf.h"

/* What is read where neither -c nor SEGUE_CONFIG names another. */
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
	int64_t verify_timeout_ms; /* for one question to one server */
	int64_t max_lag;           /* bytes that a standby may be behind; 0: any */
	enum config_loss on_primary_loss;
	int64_t hold_timeout_ms; /* 0: auto; see config_hold_ms() */
	int64_t tripwires;       /* silent connections to the primary; 0: none */
	enum config_loss on_store_loss;
	enum config_rollback on_store_rollback;
	bool fleet; /* keep a znode that says how this sidecar stands */
};

struct config_target {
	enum config_target_kind kind;
	unsigned mode; /* permission bits */
	char *name;
	char *cluster;        /* its name */
	size_t cluster_index; /* into config.clusters */
	/* Its cluster's, by the defaults of Patroni where that is auto, and the longest that it may
	 * become; 0: that never holds. */
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
	char *name;           /* this publisher; the host's where it is not set */
	char *cluster;        /* its name */
	size_t cluster_index; /* into config.clusters; layout segue */
	char *nodes;          /* as configured: connection strings, comma separated */
	char *conninfo;       /* what is common to them */
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
	char *file; /* where it was read from */
	char *name;
	enum log_level log_level;
	enum log_format log_format;
	char *state_dir;
	char *listen;
	char *listen_hosts;    /* names, comma separated */
	char *zookeeper_hosts; /* as configured, "host:port,host:port/chroot" */
	int64_t session_timeout_ms;
	char *auth_file;
	enum config_acl acl; /* of znodes that segue makes */
	struct config_cluster *clusters;
	size_t cluster_count;
	struct config_target *targets;
	size_t target_count;
	struct config_publisher *publishers;
	size_t publisher_count;
	struct strbuf warnings; /* one a line */
	struct strbuf text;     /* of the file, as it was read */
};

/* Reads and checks `file`. On failure returns NULL with EVERY error of the file appended to
 * `errors`, one a line: "file:line: [section] key: what was found: what is allowed". */
struct config *config_load(const char *file, struct strbuf *errors) MUST_CHECK;

/* The same for a text in memory; `file` is for messages. */
struct config *config_load_text(const char *file, const char *text, size_t len,
                                struct strbuf *errors) MUST_CHECK;
void config_free(struct config *config);

/* Appends the line "digest user:password" of auth_file, without its end, for zk_options; nothing
 * where there is no auth_file. */
bool config_read_auth(const struct config *config, struct strbuf *out, struct err *err) MUST_CHECK;

#define CONFIG_HOLD_MARGIN_MS 5000 /* of auto, on top of what the cluster manager may take */

/* How long clients of the cluster are held: hold_timeout, or by auto. `manager_ms`: how long its
 * cluster manager may take to have a new primary; 0: not known, or layout segue or plain. */
int64_t config_hold_ms(const struct config_cluster *cluster, int64_t manager_ms);
int64_t config_hold_max_ms(const struct config_cluster *cluster); /* for any manager_ms */

const char *config_target_kind_name(enum config_target_kind kind); /* "haproxy", ... */
const char *config_layout_name(enum config_layout layout);         /* "segue", ... */

/* The key table as the SECTIONS part of man/segue.ini.5 (man(7) macros) and as a commented sample
 * file that loads as it is. */
void config_print_man(FILE *out);
void config_print_sample(FILE *out);

/* Where something stands in segue.ini, for messages about what is only found out later. */

/* Puts "FILE line N" in front of an error that begins with "var.NAME: ", as view_compile() makes
 * them. False: it is another one, and stays as it is. */
bool config_place_var(const struct config *config, const struct config_target *target,
                      struct err *err);

#endif
