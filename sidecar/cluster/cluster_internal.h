/* The cluster object; for cluster*.c only. */
#ifndef SEGUE_CLUSTER_CLUSTER_INTERNAL_H
#define SEGUE_CLUSTER_CLUSTER_INTERNAL_H

#include <event2/util.h>

#include "base/endpoint.h"
#include "cluster/cluster.h"
#include "decide/decide.h"
#include "postgres/verifier.h"
#include "target/target.h"

struct cluster_target { /* a target with its template */
	const struct config_target *config;
	const struct mustache *template;
	struct target *target;
	bool taken;  /* the target has taken a text of this template */
	bool looked; /* and `alarm` is about it */
	char *alarm; /* what a person has to look at; NULL: nothing */
};

/* A decision in words that outlive what it points to. */
struct last_decision {
	enum decision_kind kind;
	const char *reason, *why; /* static */
	char about[MEMBER_ENDPOINT_MAX];
	char alarm[768]; /* "" or what a person has to look at */
	bool news;       /* the targets are led to other servers by it */
	bool overruled;
	bool unverified;                 /* the alarm says that no server lets segue in */
	const struct config_target *own; /* where `about` leads back to; NULL: no */
};

struct cluster {
	const struct config_cluster *config;
	const struct config *segue;
	const struct listeners *listeners;
	struct own_listener *own; /* as was looked last */
	size_t own_count;
	struct applied applied;
	struct member
	    found; /* the primary applied before this cluster was made; its files name it */
	bool has_found;
	struct override override;
	char *override_problem; /* NULL: its file could be read */
	struct watcher *watcher;
	struct verifier *verifier;
	struct cluster_target *outlets;
	size_t target_count;
	bool primed; /* the targets have a text */
	struct decide_hold hold;
	struct manager_times times; /* as the store said last; layout patroni */
	int64_t hold_limit_ms;      /* of this hold, from its start */
	int64_t hold_starting_ms;   /* in it, when the server was last seen to start up; 0: never */
	int64_t hold_timeout_said_ms;
	int64_t episode;           /* of the hold, or of the last one */
	int64_t held_zxid;         /* of the value at hand then */
	struct member previous;    /* the primary before the one applied */
	int64_t previous_until_ms; /* so long it is asked, too */
	int64_t moved_us;          /* to another primary; 0: never */
	int64_t away_ms;           /* since when the store is unreachable; 0: it is not */
	struct event *tick;        /* looks again: somebody is being asked, or an alarm stands */
	struct event *reminder;    /* of an override */
	struct event *resume; /* applies what the cluster before a reload had applied, store or no
	                         store */
	struct event *persist;
	struct file_writer *file_writer;
	struct file_writer_job *saving; /* NULL: no save is under way */
	bool unsaved;                   /* there is something that not even `saving` is about */
	bool save_when_confirmed;       /* sooner than `persist` would: a move to another primary */
	int64_t save_at_ms;             /* when `persist` fires; 0: it does not */
	int64_t saved_timeline;         /* of the primary, on disk; 0: none, or not known */
	int64_t saving_timeline;        /* as `saving` writes it */
	char *state_problem;            /* why nothing is kept on disk; NULL: it is */
	struct last_decision last_decision;
	struct cluster_fleet *fleet; /* NULL: fleet = no */
	char *said; /* the last decision in the log, so that it stands there once */
	char *alarm_said;
	int64_t overruled_ms; /* since when the servers overrule the store; 0: they do not */
};

/* --- cluster.c --- */

/* What it decides by. */
void cluster_input(const struct cluster *cluster, struct decide_input *out);

/* --- own_listener.c --- */

/* Looks which members of the fact, of what is applied, and of a pin are an own listener. */
void cluster_find_own(struct cluster *cluster, const struct watch_fact *fact);

/* The same; has anything changed since it was looked last? A PgBouncer says late where it listens.
 */
bool cluster_own_changed(struct cluster *cluster, const struct watch_fact *fact);

/* "the own listener of [haproxy local]"; caller frees. */
char *cluster_own_words(const struct config_target *target) MUST_CHECK;

/* What a person is to do about it; caller frees. */
char *cluster_own_cure(const struct cluster *cluster) MUST_CHECK;

/* False, with words, when the address is that of an own listener. */
bool cluster_may_lead_to(const struct cluster *cluster, const char *address, uint16_t port,
                         struct err *err) MUST_CHECK;

/* --- cluster.c --- */

/* For how long clients may still be held, in ms; 0 or less: that is over, or nobody is. */
int64_t cluster_hold_left_ms(const struct cluster *cluster);

/* For how long they would be, should a hold begin now; `starting` as for manager_times_ms(). */
int64_t cluster_hold_timeout_ms(const struct cluster *cluster, bool starting);
char *cluster_hold_source(const struct cluster *cluster) MUST_CHECK; /* in words; caller frees */

/* --- cluster.c --- */

/* The one with the kind and name of this target, of another edition of the configuration maybe;
 * NULL: there is none. */
const struct cluster_target *cluster_find_outlet(const struct cluster *cluster,
                                                 const struct config_target *target);

/* The live target is as the applied topology says. */
bool cluster_has_confirmed(const struct cluster *cluster, const struct cluster_target *outlet);

/* --- templates.c --- */

/* Appends what the template makes of what is applied. */
bool cluster_render(const struct cluster *cluster, const struct config_target *target,
                    const struct mustache *template, struct strbuf *text,
                    struct err *err) MUST_CHECK;

/* Says that the lines in it are those of the rendered text; always false. */
bool cluster_of_rendered(struct err *err);

/* Looks, once, at the texts that the targets have taken from a new template, and sets `alarm`. In
 * the turn of the loop in which they were taken: the files are still what they were before. */
void cluster_look_at_texts(struct cluster *cluster);

/* What a person has to look at; NULL: nothing. Borrowed. */
const char *cluster_alarm(const struct cluster *cluster);

/* --- cluster_status*.c --- */

const char *cluster_state(const struct cluster *cluster); /* "current", "held", ... */

/* What would be said of the server there as the primary. */
struct admission cluster_admission(const struct cluster *cluster, const struct member *at);

/* Clients are let go by then, to a server that may well be dead. */
bool cluster_hold_is_over(const struct cluster *cluster);

/* The member at the address of `at`, or NULL, and its role in words. */
const struct member *cluster_find_member(const struct topology *topology, const struct member *at,
                                         const char **role);

/* How far a standby's replay is behind: by the store, or else by what both have said, which is
 * about right, as they were asked at different times. -1: not known, or no standby. */
int64_t cluster_lag_bytes(const struct member *member, const struct server_fact *server,
                          const struct server_fact *primary);

/* --- fleet_node.c --- */

/* Nothing where fleet = no; cluster_fleet_note(), of a cluster, when anything may be different. */
void cluster_fleet_open(struct cluster *cluster, const struct cluster_world *world);
void cluster_fleet_note(void *arg);
void cluster_fleet_close(struct cluster *cluster);

/* --- cluster.c --- */

/* --- log.c --- */

/* To be taken before the decision is carried out, which moves what it points to. */
void cluster_judge(const struct cluster *cluster, const struct decide_input *input,
                   const struct decision *decision, struct last_decision *out);
void cluster_say(struct cluster *cluster, const struct watch_fact *fact);
void cluster_say_override(const struct cluster *cluster);

/* --- save.c --- */

void cluster_load(struct cluster *cluster, const char *state_dir);
void cluster_save_soon(struct cluster *cluster);
void cluster_save_now(struct cluster *cluster);       /* as soon as the proxies have been moved */
void cluster_save_confirmed(struct cluster *cluster); /* a target may have confirmed that */
void cluster_save_lazily(struct cluster *cluster);    /* the same servers, under a newer zxid */
void cluster_save_last(struct cluster *cluster);      /* now, and waits for the disk */
void cluster_on_persist(evutil_socket_t fd, short what, void *arg);

#endif
