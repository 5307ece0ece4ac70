/* The lab: real ZooKeeper, PostgreSQL, HAProxy, PgBouncer and segue on loopback, in a folder of
 * their own, for the end-to-end tests, the demo and the bench.
 *
 * However the process that made the lab ends (kill -9 included), its servers are killed and its
 * folder is removed. A server that does not come up ends the process with exit code 1, a message
 * and the tail of that server's log, so that nothing here returns errors of setting up. Strings
 * handed out live until lab_destroy(). Times are ms; a timeout is from now. */
#ifndef SEGUE_TESTS_LAB_H
#define SEGUE_TESTS_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"
#include "base/util.h"

struct lab;
struct lab_process;

struct lab *lab_create(const char *name); /* `name` shows in the folder's */
void lab_destroy(struct lab *lab);        /* kills all that runs, removes the folder */

/* Prints the message and ends the process with 1. */
void lab_fail(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

/* True as soon as `cond` is, looked at every 5 ms; false after `timeout_ms`. */
bool lab_wait_until(bool (*cond)(void *arg), void *arg, int64_t timeout_ms);

const char *lab_dir(const struct lab *lab);
const char *lab_printf(struct lab *lab, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *lab_path(struct lab *lab, const char *name); /* "<folder>/<name>" */

/* A port of 127.0.0.1 that is nobody else's as long as the lab lives, closed until a server of the
 * lab listens there. */
uint16_t lab_port(struct lab *lab);

void lab_write_file(const char *path, const char *text);
const char *lab_read_file(struct lab *lab, const char *path); /* "" when there is none */

/* Runs a program to its end (60 s at most); returns its exit code, 128 + N when signal N ended it.
 * `output`: stdout and stderr are appended; may be NULL. `argv` ends with NULL. */
int lab_run(struct lab *lab, const char *const *argv, struct strbuf *output);

/* ---- processes: every server below is one ---- */

pid_t lab_process_pid(const struct lab_process *process); /* 0: it does not run */
bool lab_process_alive(struct lab_process *process);
void lab_process_signal(struct lab_process *process, int signal); /* to it alone */
void lab_process_freeze(struct lab_process *process);             /* SIGSTOP, children too */
void lab_process_thaw(struct lab_process *process);
void lab_process_kill(struct lab_process *process); /* SIGKILL, children too; and waits */
bool lab_process_wait(struct lab_process *process, int64_t timeout_ms); /* true: it ended */
int lab_process_stop(struct lab_process *process); /* SIGTERM, SIGKILL after 10 s; exit code */
int lab_process_exit_code(const struct lab_process *process);  /* 128 + N: signal N; -1: runs */
const char *lab_process_log(struct lab_process *process);      /* path of stdout and stderr */
const char *lab_process_log_tail(struct lab_process *process); /* its end, for messages */

/* Runs fn(arg) in a forked process of the lab, and exits it with what fn returns. Its standard
 * output goes to a log of its own. */
struct lab_process *lab_fork(struct lab *lab, const char *name, int (*fn)(void *arg), void *arg);

/* ---- hosts: network namespaces, so that a machine can vanish from some or from all ---- */

struct lab_host;

/* Gives this process a network (and mounts) of its own, in which it is the router between the hosts
 * that follow. As root only; before anything else is started in the lab, and never again in this
 * process. Nothing of it is seen outside, and all of it ends with the processes. */
void lab_net_start(struct lab *lab);
struct lab_host *lab_host_create(struct lab *lab, const char *name);
const char *lab_host_name(const struct lab_host *host);
const char *lab_host_address(const struct lab_host *host);                  /* IPv4 */
void lab_process_place(struct lab_process *process, struct lab_host *host); /* before its start */

/* Packets from one to the other are dropped, nobody is told; this direction only. Idempotent. */
void lab_host_drop(struct lab_host *from, struct lab_host *to);
void lab_host_pass(struct lab_host *from, struct lab_host *to);
void lab_host_link(struct lab_host *host, bool up); /* its cable */

/* Nothing of it answers anybody, the router included, and nobody is told; or it is back. */
void lab_host_cut(struct lab_host *host, bool cut);

/* ---- ZooKeeper ---- */

struct lab_zk;

/* Each server on a host of its own. */
struct lab_zk *lab_zk_start_at(struct lab *lab, struct lab_host *const *hosts, int servers);

struct lab_zk *lab_zk_start(struct lab *lab, int servers); /* 1, or an ensemble of 3; ready */
const char *lab_zk_hosts(const struct lab_zk *zk);         /* "127.0.0.1:P,..." */

/* For a test that needs nothing of ZooKeeper but znodes: a chroot of its own, empty, on the one
 * server that all tests of this run share, which costs next to nothing. Its hosts are
 * "127.0.0.1:P/tN", its paths begin below that; zxids and session ids are shared with the other
 * tests. Whoever kills, freezes, wipes or asks the server, ends the sessions of others, or gives
 * the hosts to a program that takes no chroot, calls lab_zk_start(): the functions from
 * lab_zk_port() to lab_zk_wipe(), and lab_zk_expire_others(), fail on a shared one. Outside a
 * Criterion test the server is the lab's own. */
struct lab_zk *lab_zk_share(struct lab *lab);
uint16_t lab_zk_port(const struct lab_zk *zk, int server);
struct lab_process *lab_zk_process(struct lab_zk *zk, int server);
void lab_zk_server_start(struct lab_zk *zk, int server); /* again, on its port; does not wait */
bool lab_zk_wait_ready(struct lab_zk *zk, int server, int64_t timeout_ms);
int lab_zk_leader(struct lab_zk *zk); /* which server leads (or stands alone); -1: none */
void lab_zk_wipe(struct lab_zk *zk, int server); /* removes the data of a server that is down */

/* The lab's own session, opened at need, timeout 60 s. Each call is retried until it is answered,
 * 30 s at most, then lab_fail(). */
int64_t lab_zk_set(struct lab_zk *zk, const char *path, const void *data,
                   size_t len); /* makes it and its parents where missing; the new mzxid */
int64_t lab_zk_create_ephemeral(struct lab_zk *zk, const char *path); /* with parents; czxid */
void lab_zk_create_many(struct lab_zk *zk, const char *path,
                        int count); /* "path-0" and so on, empty; with parents */
bool lab_zk_delete(struct lab_zk *zk, const char *path); /* false: there was none */
bool lab_zk_get(struct lab_zk *zk, const char *path, struct strbuf *data,
                int64_t *mzxid); /* false: there is none; both may be NULL */

/* A set in two halves, for measuring: begin sends it and returns at once; finish waits for the
 * answer. The node has to exist. One at a time, not retried. */
void lab_zk_set_begin(struct lab_zk *zk, const char *path, const void *data, size_t len);
int64_t lab_zk_set_finish(struct lab_zk *zk);
void lab_zk_disconnect(struct lab_zk *zk); /* ends the session: its ephemerals are gone */

/* Ends every session but the lab's own at the server, at once, as their expiry would; returns how
 * many. */
int lab_zk_expire_others(struct lab_zk *zk);

/* ---- PostgreSQL with streaming replication ---- */

struct lab_pg;

struct lab_pg *lab_pg_start(struct lab *lab, int nodes); /* node 0 is primary; all take queries */
struct lab_pg *lab_pg_start_with(struct lab *lab, int nodes,
                                 const char *settings); /* more lines of postgresql.conf */
/* Each node on a host of its own, where all hosts may connect. */
struct lab_pg *lab_pg_start_at(struct lab *lab, struct lab_host *const *hosts, int nodes,
                               const char *settings);
uint16_t lab_pg_port(const struct lab_pg *pg, int node);
const char *lab_pg_data(const struct lab_pg *pg, int node);     /* its data directory */
const char *lab_pg_conninfo(const struct lab_pg *pg, int node); /* superuser, dbname=postgres */
struct lab_process *lab_pg_process(struct lab_pg *pg, int node);
void lab_pg_node_start(struct lab_pg *pg, int node); /* again; does not wait */
bool lab_pg_wait_recovery(struct lab_pg *pg, int node, bool in_recovery, int64_t timeout_ms);
void lab_pg_promote(struct lab_pg *pg, int node); /* returns once it takes writes */
/* Stopped, made anew as a standby of another node, and started; its data are lost. */
void lab_pg_rejoin(struct lab_pg *pg, int node, int of);

/* A standby goes on with another primary. False: it does not answer. */
bool lab_pg_follow(struct lab_pg *pg, int node, int primary);
/* Makes a node that is down a standby of `primary`, from a new copy of its data; does not start it.
 * False: the copy failed. */
bool lab_pg_rebuild(struct lab_pg *pg, int node, int primary);

/* A program of the same version: "pgbench". */
const char *lab_pg_program(struct lab_pg *pg, const char *name);

/* The first column of the first row, "" for NULL or no rows, freed by the caller; NULL on any
 * error. */
char *lab_pg_query(const char *conninfo, const char *sql) MUST_CHECK;

/* ---- a relay in front of a server: the network to it, which can fail ---- */

struct lab_relay;

struct lab_relay *lab_relay_start(struct lab *lab, uint16_t server_port); /* listens */
uint16_t lab_relay_port(const struct lab_relay *relay);

/* Both take effect before they return, and hold until the relay is lit: connections that are there
 * bring no byte; new ones are made and nobody answers (frozen), or their SYN is not even answered
 * (dark: black-holed; that it is so has been tried). */
void lab_relay_freeze(struct lab_relay *relay);
void lab_relay_darken(struct lab_relay *relay);
void lab_relay_light(struct lab_relay *relay);
void lab_relay_restart(struct lab_relay *relay); /* every connection ends; it listens again */

/* ---- a server that says its name, for HAProxy tests without PostgreSQL ---- */

struct lab_backend;

struct lab_backend *lab_backend_start(struct lab *lab, const char *name); /* "name\n", then echo */
uint16_t lab_backend_port(const struct lab_backend *backend);
struct lab_process *lab_backend_process(struct lab_backend *backend);
void lab_backend_again(struct lab_backend *backend); /* after it was killed: on its port */

/* ---- HAProxy ---- */

struct lab_haproxy;

/* Its folder with main.cfg, conf.d/, admin.sock and master.sock, not started yet. `config`: more
 * lines for main.cfg after global (with the stats socket) and defaults; may be NULL. */
struct lab_haproxy *lab_haproxy_create(struct lab *lab, const char *config);
const char *lab_haproxy_conf_dir(const struct lab_haproxy *haproxy);
const char *lab_haproxy_main_file(const struct lab_haproxy *haproxy);
const char *lab_haproxy_socket(const struct lab_haproxy *haproxy);
const char *lab_haproxy_master_socket(const struct lab_haproxy *haproxy);
struct lab_process *lab_haproxy_process(struct lab_haproxy *haproxy); /* the master */

void lab_haproxy_start(struct lab_haproxy *haproxy);   /* -W with -f main.cfg -f conf.d; ready */
bool lab_haproxy_reload(struct lab_haproxy *haproxy);  /* SIGUSR2; false: no new worker in 5 s */
pid_t lab_haproxy_worker(struct lab_haproxy *haproxy); /* 0: no answer */
bool lab_haproxy_command(struct lab_haproxy *haproxy, const char *command, struct strbuf *reply);

/* Connects to 127.0.0.1:port and reads the first line, without its newline, in a second at most;
 * "" when there is none. The text lives as long as the caller's `name`. */
#define LAB_NAME_MAX 64
const char *lab_reach(uint16_t port, char name[LAB_NAME_MAX]);

/* ---- PgBouncer ---- */

struct lab_pgbouncer;

/* Of the users app, pgbouncer (an admin) and watcher (stats only), should a test set an auth_type:
 * without one, nobody is asked. */
#define LAB_PGBOUNCER_PASSWORD "sesame"

/* Its folder, where its unix socket is too, with pgbouncer.ini and the databases.ini that it
 * includes: an empty [databases], until the test or segue writes it. Not started yet. `settings`:
 * more lines for [pgbouncer]; may be NULL. */
struct lab_pgbouncer *lab_pgbouncer_create(struct lab *lab, const char *settings);
/* Before its start; both need so_reuseport. Its unix socket, and so its console, stay its own. */
void lab_pgbouncer_share_port(struct lab_pgbouncer *bouncer, const struct lab_pgbouncer *with);
const char *lab_pgbouncer_dir(const struct lab_pgbouncer *bouncer);
const char *lab_pgbouncer_main_file(const struct lab_pgbouncer *bouncer);
const char *lab_pgbouncer_databases_file(const struct lab_pgbouncer *bouncer);
const char *lab_pgbouncer_console(const struct lab_pgbouncer *bouncer); /* conninfo of an admin */
const char *lab_pgbouncer_conninfo(const struct lab_pgbouncer *bouncer, const char *database);
uint16_t lab_pgbouncer_port(const struct lab_pgbouncer *bouncer);
struct lab_process *lab_pgbouncer_process(struct lab_pgbouncer *bouncer);
void lab_pgbouncer_start(struct lab_pgbouncer *bouncer); /* ready */

/* A command of the console: `column` (NULL: the first one) of the first row, or of the row whose
 * `key_column` is `key`; "" when there is no such row; NULL on any error. Freed by the caller. */
char *lab_pgbouncer_query(const struct lab_pgbouncer *bouncer, const char *sql,
                          const char *column) MUST_CHECK;
char *lab_pgbouncer_find(const struct lab_pgbouncer *bouncer, const char *sql,
                         const char *key_column, const char *key, const char *column) MUST_CHECK;
bool lab_pgbouncer_says(const struct lab_pgbouncer *bouncer, const char *database,
                        const char *column, const char *wanted); /* SHOW DATABASES */

/* ---- segue itself ---- */

struct lab_segue;

/* $SEGUE, or the binary beside the running one. `ini` is the text of its segue.ini, for which
 * lab_segue_create() makes a folder; nothing runs yet. */
struct lab_segue *lab_segue_create(struct lab *lab, const char *ini);
const char *lab_segue_binary(struct lab *lab);
const char *lab_segue_ini_file(const struct lab_segue *segue);
const char *lab_segue_dir(const struct lab_segue *segue); /* state_dir may be here */
struct lab_process *lab_segue_process(struct lab_segue *segue);
const char *lab_segue_listen(const struct lab_segue *segue); /* where it is no test's own */
void lab_segue_start(struct lab_segue *segue);               /* segue run -c INI; does not wait */
void lab_segue_publish(struct lab_segue *segue); /* segue publish -c INI; does not wait */

/* The log: lines after the mark that hold every one of the strings (the last argument is NULL).
 * wait: returns the first such line, or NULL after the timeout. count: how many there are now. */
void lab_segue_mark(struct lab_segue *segue); /* from here on; a start sets it too */
const char *lab_segue_wait_log(struct lab_segue *segue, int64_t timeout_ms, ...)
    __attribute__((sentinel));
int lab_segue_count_log(struct lab_segue *segue, ...) __attribute__((sentinel));

/* Asks the endpoint at `listen` (as [segue] has it), and waits: the HTTP status, or -1 where nobody
 * answers; `body` is replaced. */
int lab_ask(const char *listen, const char *method, const char *path, struct strbuf *body);
double lab_log_number(const char *line, const char *key); /* of key=NUMBER; -1: not there */

#endif
