/* The chaos run: three database machines with publishers, an ensemble of three, HAProxy and
 * PgBouncer with a sidecar each, clients that write through both, a nemesis that breaks things by a
 * seed, and a judge. The harness is the cluster manager too: it promotes as a person or repmgrd
 * would, and so it knows what is true. Times are clock_now_us(). */
#ifndef SEGUE_TESTS_CHAOS_H
#define SEGUE_TESTS_CHAOS_H

#include "lab/lab.h"
#include "lab/lab_ha.h"

#define NODES            3
#define STORES           3
#define CLIENTS          16 /* of both proxies, half and half */
#define MOVES_MAX        4096
#define PAUSE_TIMEOUT_MS 1500 /* pause_timeout: how long a move may wait for transactions */
#define WINDOWS_MAX      16384
#define NULL_HOLD_MS     8000 /* null_hold of the publishers */
#define EVENTS_MAX       65536

enum proxy { PROXY_HAPROXY, PROXY_PGBOUNCER, PROXIES };

struct node {
	struct lab_host *host;
	struct lab_segue *publisher;
	bool down, frozen; /* PostgreSQL */
};

struct sidecar {
	struct lab_host *host;
	struct lab_segue *segue;
	const char *state_dir; /* a small file system of its own */
	const char *output;    /* the file that it renders */
	size_t log_read;       /* bytes of its log that the judge has seen */
};

/* A promotion: what the manager did. */
struct promotion {
	int node, timeline;
	int64_t asked_us, done_us; /* of pg_promote() */
	int64_t undone_us;         /* 0: it was not */
	bool mistake;              /* to be undone: nobody has to follow it */
};

/* When errors of clients of a proxy are excused: of those whose attempt had begun before `to_us`
 * and ended after `from_us`. */
struct window {
	enum proxy proxy;
	int64_t from_us, to_us; /* to_us 0: open */
	bool ends_when_held;    /* or led to another node than `node`; else by window_close() */
	int node;               /* the primary when it was opened */
	const char *why;
};

/* A line of a sidecar's log. */
struct event {
	enum proxy proxy;
	enum { EVENT_PRIMARY, EVENT_HELD, EVENT_RESUMING, EVENT_MOVED, EVENT_OTHER } kind;
	int64_t at_us;
	int node; /* of the primary that it follows then; -1: unknown */
};

struct client;

struct chaos {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_host *store_hosts[STORES];
	bool store_down[STORES], store_frozen[STORES];
	struct lab_pg *pg;
	struct node nodes[NODES];
	struct sidecar sidecars[PROXIES];
	struct lab_haproxy *haproxy;
	struct lab_pgbouncer *bouncer;
	const char *conninfo[PROXIES];
	struct client *clients;

	unsigned seed, random; /* as given; its state */
	long minutes;
	int64_t started_us, ends_us;
	int primary, timeline; /* the truth */
	/* When publishers saw last that a person wrote, in this round, that there is no primary; 0:
	 * nobody did. */
	int64_t null_from_us;

	struct promotion promotions[MOVES_MAX];
	size_t promotion_count;
	struct window windows[WINDOWS_MAX];
	size_t window_count;
	struct event events[EVENTS_MAX];
	size_t event_count;

	unsigned rounds, faults, violations;
	unsigned told;    /* violations of this round */
	unsigned excused; /* errors of clients */
	int64_t slowest_us;
	const char *kept; /* folder of the logs; NULL: nothing to keep yet */
};

/* main.c */
unsigned chaos_pick(struct chaos *chaos, unsigned below);
void chaos_nap(const struct chaos *chaos, int64_t ms);
/* As lab_wait_until(), with longer naps, as conditions here cost a connection or more. */
bool chaos_wait(bool (*cond)(void *arg), void *arg, int64_t timeout_ms);
bool chaos_stopped(void); /* Ctrl-C */
void chaos_say(const struct chaos *chaos, const char *fmt, ...) PRINTF_LIKE(2, 3);
void chaos_violation(struct chaos *chaos, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *proxy_name(enum proxy proxy);

/* stage.c */
void stage_start(struct chaos *chaos);
void stage_keep_logs(struct chaos *chaos);

/* manager.c */
const char *node_conninfo(const struct chaos *chaos, int node);
int node_of_address(const struct chaos *chaos, const char *address); /* "A" or "A:P"; -1 */
int manager_standby(struct chaos *chaos); /* the most advanced one that answers; -1: none */
bool manager_promote(struct chaos *chaos, int node, bool mistake);
void manager_undo(struct chaos *chaos, int node); /* a mistaken promotion */
void manager_stop(struct chaos *chaos, int node, int signal);
void manager_start(struct chaos *chaos, int node);
void manager_settle(struct chaos *chaos); /* one primary, all others stream from it */

/* nemesis.c */
void nemesis_round(struct chaos *chaos); /* faults, the heal; the judge is called between */
void nemesis_list(void);

/* clients.c */
enum client_kind { CLIENT_STEADY, CLIENT_FRESH, CLIENT_IDLE };

struct ack {
	int64_t began_us, at_us, connected_us;
	uint64_t lsn;
	uint32_t n;
	int timeline;
	int node;
};

struct client_error {
	int64_t began_us, at_us, connected_us;
	uint32_t n;
	bool idle; /* nothing was under way */
	char text[200];
};

void clients_start(struct chaos *chaos);
void clients_stop(struct chaos *chaos);
enum proxy client_proxy(int client);
enum client_kind client_kind(int client);
const char *client_words(int client);
uint32_t client_acks(const struct chaos *chaos, int client);
const struct ack *client_ack(const struct chaos *chaos, int client, uint32_t i);
uint32_t client_errors(const struct chaos *chaos, int client);
const struct client_error *client_error(const struct chaos *chaos, int client, uint32_t i);

/* watch.c: what the sidecars say */
void watch_logs(struct chaos *chaos);
void window_open(struct chaos *chaos, enum proxy proxy, bool ends_when_held, const char *why);
void window_close(struct chaos *chaos, enum proxy proxy, const char *why);
void windows_close_all(struct chaos *chaos);

/* judge.c */
void judge_heal(struct chaos *chaos, int64_t healed_us, int64_t allowance_ms);
void judge_rest(struct chaos *chaos); /* all is settled */
void judge_round(struct chaos *chaos);
void judge_end(struct chaos *chaos);

#endif
