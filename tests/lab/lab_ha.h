/* The lab's clusters that fail over by themselves: Patroni on ZooKeeper, and repmgr. They die with
 * their lab, as all of it does (see lab.h), and a start that fails ends the process in the same
 * way. Nodes count from 0; node 0 is the first primary. Times are ms; a timeout is from now. */
#ifndef SEGUE_TESTS_LAB_HA_H
#define SEGUE_TESTS_LAB_HA_H

#include "lab/lab.h"

/* ---- any PostgreSQL server, by its conninfo ---- */

bool lab_takes_writes(const char *conninfo); /* it answers, and is not in recovery */
bool lab_wait_takes_writes(const char *conninfo, int64_t timeout_ms);
bool lab_wait_streams(const char *conninfo, int64_t timeout_ms); /* as a standby, from anyone */

/* What `primary` has written by now is readable on `standby`. */
bool lab_wait_replays(const char *primary, const char *standby, int64_t timeout_ms);

/* The timeline that a primary writes, or a standby receives; -1: no answer, or it receives none. */
int lab_timeline(const char *conninfo);
bool lab_wait_timeline(const char *conninfo, int timeline, int64_t timeout_ms);

/* ---- Patroni ---- */

/* A node stands for a machine: Patroni (the agent) and the PostgreSQL that it runs. The store's
 * name of node N is "pg<N+1>". Sessions end 5 to 7 s after a death (ttl 5, ZooKeeper's tick of 2);
 * loop_wait is 1 s, retry_timeout 2 s. */
struct lab_patroni;

/* Ready: node 0 takes writes, the others stream from it, and the store says so. */
struct lab_patroni *lab_patroni_start(struct lab *lab, struct lab_zk *zk, const char *scope,
                                      int nodes);
/* Each node on a host of its own, ZooKeeper on one, too; with other times than the lab's. */
struct lab_patroni_options {
	const char *scope;
	int nodes;
	struct lab_host *const *hosts;     /* NULL: all on 127.0.0.1 */
	int ttl, loop_wait, retry_timeout; /* s; ttl 0: those of the lab */
};
struct lab_patroni *lab_patroni_start_with(struct lab *lab, struct lab_zk *zk,
                                           const struct lab_patroni_options *options);

const char *lab_patroni_path(const struct lab_patroni *patroni); /* "/service/<scope>" */
const char *lab_patroni_name(const struct lab_patroni *patroni, int node);
const char *lab_patroni_address(const struct lab_patroni *patroni, int node);
const char *lab_patroni_conninfo(const struct lab_patroni *patroni, int node); /* superuser */
uint16_t lab_patroni_port(const struct lab_patroni *patroni, int node);
uint16_t lab_patroni_api_port(const struct lab_patroni *patroni, int node); /* its REST API */

int lab_patroni_leader(struct lab_patroni *patroni); /* whom the leader key names; -1: nobody */

/* The node that takes writes and is not `not_node` (-1: any); -1: none did in time. */
int lab_patroni_wait_primary(struct lab_patroni *patroni, int not_node, int64_t timeout_ms);

/* The machine, to freeze and thaw all that it runs, and its log: Patroni's and PostgreSQL's. */
struct lab_process *lab_patroni_machine(struct lab_patroni *patroni, int node);
void lab_patroni_cut(struct lab_patroni *patroni, int node); /* SIGKILL to all that it runs */
pid_t lab_patroni_agent(const struct lab_patroni *patroni, int node);    /* 0: it does not run */
pid_t lab_patroni_postgres(const struct lab_patroni *patroni, int node); /* postmaster; 0: none */
void lab_patroni_kill_agent(struct lab_patroni *patroni, int node);      /* SIGKILL, it alone */
void lab_patroni_kill_postgres(struct lab_patroni *patroni, int node);   /* with its backends */

/* Starts Patroni where it does not run; that one starts or takes over PostgreSQL, which this does
 * not wait for. */
void lab_patroni_node_start(struct lab_patroni *patroni, int node);

/* patronictl, to its end; fails the lab when it does. */
void lab_patroni_switchover(struct lab_patroni *patroni, int from, int to);
void lab_patroni_pause(struct lab_patroni *patroni); /* returns when all nodes have noticed */
void lab_patroni_resume(struct lab_patroni *patroni);
void lab_patroni_set(struct lab_patroni *patroni, const char *setting); /* "ttl=20", of all */

/* ---- repmgr ---- */

struct lab_repmgr;

struct lab_repmgr_options {
	int nodes;                 /* 1 to 4 */
	bool witness;              /* one more server, in no stream, for a majority */
	const char *event_command; /* event_notification_command, with %n %e %s %t %d; NULL: none */
	int reconnect_attempts;    /* 0: 3; a second apart, before a failover */
};

/* Ready: all are registered, and each one's repmgrd watches. Node N is repmgr's node N+1,
 * "node<N+1>", the witness the last one. */
struct lab_repmgr *lab_repmgr_start(struct lab *lab, const struct lab_repmgr_options *options);

/* The servers, for all the lab_pg_ functions: they take writes, die and come back as any others.
 * repmgr's tables are in their database postgres. */
struct lab_pg *lab_repmgr_pg(struct lab_repmgr *repmgr);
struct lab_pg *lab_repmgr_witness(struct lab_repmgr *repmgr); /* its node 0; NULL: none */

/* `node` may be the witness: the number of nodes. */
const char *lab_repmgr_conf(const struct lab_repmgr *repmgr, int node);     /* repmgr.conf */
struct lab_process *lab_repmgr_daemon(struct lab_repmgr *repmgr, int node); /* its repmgrd */

/* Again; waits until it watches. The primary has to be up: repmgrd ends at once without it. */
void lab_repmgr_daemon_start(struct lab_repmgr *repmgr, int node);

/* The node that takes writes and is not `not_node` (-1: any); -1: none did in time. */
int lab_repmgr_wait_primary(struct lab_repmgr *repmgr, int not_node, int64_t timeout_ms);

/* `repmgr -f CONF ARGS...` of that node (the last one is NULL), to its end; the exit code. Not for
 * what starts servers by itself (node rejoin) or by ssh (standby switchover). */
int lab_repmgr_run(struct lab_repmgr *repmgr, int node, const char *const *args,
                   struct strbuf *output);

#endif
