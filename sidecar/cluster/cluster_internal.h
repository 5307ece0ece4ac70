/* The cluster object. Only for the files of this folder. */
#ifndef SEGUE_CLUSTER_CLUSTER_INTERNAL_H
#define SEGUE_CLUSTER_CLUSTER_INTERNAL_H

#include "base/endpoint.h"
#include "cluster/cluster.h"
#include "decide/decide.h"
#include "postgres/verifier.h"
#include "target/target.h"

struct cluster_target { /* a target with its template */
	const struct config_target *config;
	const struct mustache *template;
	struct target *target;
	bool taken;  /* the target has accepted a text of this template */
	bool looked; /* that text was examined, and `alarm` is about it */
	char *alarm; /* what a person has to look at; NULL: nothing */
};

/* A copy of the decision. It outlives what the decision points to. */
struct last_decision {
	enum decision_kind kind;
	const char *reason, *why; /* static */
	char about[MEMBER_ENDPOINT_MAX];
	char alarm[768]; /* "" or what a person has to look at */
	bool news;       /* not a DECIDE_MOVE to the servers that are applied already */
	bool overruled;
	bool split;                      /* `alarm` says that two servers take writes */
	bool unverified;                 /* `alarm` says that no server lets segue log in */
	const struct config_target *own; /* the target whose own listener `about` is; NULL: none */
};

struct cluster {
	const struct config_cluster *config;
	const struct config *segue;
	const struct listeners *listeners;
	struct own_listener *own; /* the members that are own listeners, as found last */
	size_t own_count;
	struct applied applied;
	struct member found; /* applied before this object was created, so that the files name it */
	bool has_found;
	struct override override;
	char *override_problem; /* why its file cannot be used; NULL: it can */
	struct watcher *watcher;
	struct verifier *verifier;
	struct cluster_target *targets;
	size_t target_count;
	bool primed; /* the targets have been given a text */
	struct decide_hold hold;
	struct manager_times times; /* as the store had them last; layout patroni */
	int64_t hold_limit_ms;      /* of this hold, counted from its start */
	int64_t hold_starting_ms;   /* in it, when the server was last seen starting up; 0: never */
	int64_t hold_timeout_logged_ms;
	int64_t episode;           /* names this hold, or the last one */
	int64_t held_zxid;         /* of the value in the store when the hold began */
	struct member previous;    /* the primary before the one applied */
	int64_t previous_until_ms; /* until then `previous` is asked, too */
	int64_t moved_us;          /* last move to a new primary, or first of this run; 0: never */
	int64_t away_ms;           /* since when the store is unreachable; 0: it is reachable */
	struct timer *tick; /* reconciles again: a server is being asked, or an alarm is active */
	struct timer *reminder; /* logs an override again */
	/* Applies again, with or without the store, what was applied before a reload. */
	struct timer *resume;
	struct timer *persist;
	struct file_writer *file_writer;
	struct file_writer_job *saving; /* NULL: no save is under way */
	bool unsaved;                   /* there are changes that are not in `saving` */
	bool save_when_confirmed;       /* a move to another primary: save once it is confirmed */
	int64_t save_at_ms;             /* when `persist` fires; 0: it is not set */
	int64_t saved_timeline;         /* timeline of the primary on disk; 0: none, or not known */
	int64_t saving_timeline;        /* the timeline that `saving` writes */
	char *state_problem;            /* why the state is not on disk; NULL: it is */
	struct last_decision last_decision;
	struct cluster_fleet *fleet; /* NULL: fleet = no */
	char *logged; /* the last decision in the log, so that it is logged only once */
	enum decision_kind logged_kind;
	char *alarm_logged;
	int64_t overruled_ms; /* since when the servers overrule the store; 0: they do not */
};

/* --- cluster.c --- */

/* For how long clients would be held, in ms, if a hold began now; `starting` as for
 * manager_times_ms(). */
int64_t cluster_hold_timeout_ms(const struct cluster *cluster, bool starting);
char *cluster_hold_source(const struct cluster *cluster) MUST_CHECK; /* in words; caller frees */

/* Adds to the error that its line numbers are those of the rendered text; always returns false. */
bool cluster_of_rendered(struct err *err);

/* --- own_listener.c --- */

#define CLUSTER_MEMBERS_MAX (2 * TOPOLOGY_SLOTS_MAX)

/* Finds which members of the fact, of what is applied and of a pin are own listeners (struct
 * own_listener in decide/decide.h). `others` gets the members that are none; the pinned server is
 * not among them. Returns their number. */
size_t cluster_find_own(struct cluster *cluster, const struct watch_fact *fact,
                        const struct member *others[CLUSTER_MEMBERS_MAX]);

/* Does the same. Returns true if the result has changed: a PgBouncer reports late where it
 * listens. */
bool cluster_own_changed(struct cluster *cluster, const struct watch_fact *fact);

/* Returns "the own listener of [haproxy local]"; caller frees. */
char *cluster_own_words(const struct config_target *target) MUST_CHECK;

/* What a person should do about an own listener; caller frees. */
char *cluster_own_cure(const struct cluster *cluster) MUST_CHECK;

/* Returns false with an error if the address is that of an own listener. */
bool cluster_may_lead_to(const struct cluster *cluster, const char *address, uint16_t port,
                         struct err *err) MUST_CHECK;

/* --- snapshot.c --- */

/* What decide() is called with. */
void cluster_input(const struct cluster *cluster, struct decide_input *out);

/* For how long clients may still be held, in ms. 0 or less: the hold is over, or there is none. */
int64_t cluster_hold_left_ms(const struct cluster *cluster);

/* The target has confirmed the applied topology. */
bool cluster_has_confirmed(const struct cluster *cluster, const struct cluster_target *entry);

/* The primary before the last move, while it may still come back; NULL: none. */
const struct member *cluster_previous(const struct cluster *cluster);

/* What is told of a cluster at one moment, in /status, /metrics, /readyz, systemd's status and the
 * fleet znode. The caller has it on its stack. All pointers are borrowed from the cluster, until
 * the loop goes on. */
struct cluster_snapshot {
	const struct cluster *cluster;
	struct decide_input input;         /* the facts, as decide() gets them */
	const struct topology *topology;   /* that is applied */
	const struct topology *named;      /* by the store; if it has none, the applied one */
	const struct server_fact *primary; /* the answers of its primary; NULL: it is not asked */
	bool is_held;                      /* there is no primary: clients are held or fenced */
	bool is_fenced;
	int64_t hold_left_ms; /* from 0 on; 0, too: there is no hold */
	bool hold_is_over; /* it was too long: clients are released, to a server that may be dead */
	bool is_ready;
	const char *state;  /* "current", "held", ... */
	const char *reason; /* may be NULL */
	const char *alarm;  /* what a person has to look at; NULL: nothing */
};

void cluster_snapshot(const struct cluster *cluster, struct cluster_snapshot *out);

/* True if clients are led to the primary that this process has applied. While they are held they
 * are led to none, although the targets may be in sync. */
bool cluster_leads(const struct cluster *cluster);

struct cluster_server { /* all pointers are borrowed, as above */
	const struct server_fact *fact;
	struct member at;            /* only address and port */
	const struct member *member; /* of what is applied; NULL: it is none */
	const char *role;            /* "primary", "standby", "?" */
	int64_t lag_bytes; /* the replay of a standby is behind by; -1: not known, or no standby */
};

/* Fills in the server of snapshot->input.servers[index]. */
void cluster_server(const struct cluster_snapshot *snapshot, size_t index,
                    struct cluster_server *out);

/* Returns the member at the address of `at`; NULL: there is none, or no topology. */
const struct member *cluster_find_member(const struct topology *topology, const struct member *at);

/* --- fleet_node.c --- */

/* They do nothing with fleet = no. cluster_fleet_note(): anything may have changed. */
void cluster_fleet_open(struct cluster *cluster, const struct cluster_world *world);
void cluster_fleet_note(struct cluster *cluster);
void cluster_fleet_close(struct cluster *cluster);

/* --- log.c --- */

/* To be called before the decision is carried out, because that changes what the decision points
 * to. */
void cluster_judge(const struct cluster *cluster, const struct decide_input *input,
                   const struct decision *decision, struct last_decision *out);
void cluster_log(struct cluster *cluster, const struct watch_fact *fact);
void cluster_log_override(const struct cluster *cluster);

/* --- saved_topology.c --- */

void cluster_load(struct cluster *cluster, const char *state_dir);
#define CLUSTER_SAVE_AFTER_MS 1000 /* for what need not be on disk at once */
void cluster_save_later(struct cluster *cluster, int64_t after_ms);
/* After a move. `urgent`: as soon as the proxies have confirmed it. `news`: to other servers. */
void cluster_save_move(struct cluster *cluster, bool urgent, bool news);
void cluster_save_confirmed(struct cluster *cluster); /* if all targets have confirmed the move */
void cluster_save_last(struct cluster *cluster);      /* now, and waits for the disk */
void cluster_on_persist(void *arg);

#endif
