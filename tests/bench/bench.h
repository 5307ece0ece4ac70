/* What the files of the bench share: samples, routes and the rivals that keep them. */
#ifndef SEGUE_TESTS_BENCH_H
#define SEGUE_TESTS_BENCH_H

#include "lab/lab.h"

/* ---- samples.c: microseconds, and what is said of them ---- */

struct samples {
	int64_t *us;
	size_t count;
};

void samples_add(struct samples *samples, int64_t us);
int64_t samples_at(struct samples *samples, unsigned percent); /* sorts; 100: the largest */
void samples_free(struct samples *samples);

/* ---- route.c: a way through HAProxy that somebody keeps as a znode says ---- */

struct route {
	const char *name;     /* of the backend and the cluster */
	const char *path;     /* the master znode */
	uint16_t front;       /* HAProxy's frontend; 0: none, only the backend */
	uint16_t servers[2];  /* say "0" and "1" */
	int now;              /* which of them the znode names */
	const char *settings; /* lines of segue's [cluster]; NULL: its servers are not asked */
};

/* The frontend and the backend as a file of conf.d, `server primary` at servers[now]. */
const char *route_config(struct lab *lab, const struct route *route);
void route_publish(struct lab_zk *zk, struct route *route, int server); /* waits for the answer */

/* Connects through the frontend again and again until a connection is answered by `now`; the
 * clock_now_us() of that, or 0 after the timeout. */
int64_t route_await(const struct route *route, int64_t timeout_ms);

/* Changes the znode to the other server and connects through the frontend until a connection is
 * answered by it; us from just before the set is sent. Fails the bench after 10 s. */
int64_t route_measure(struct lab_zk *zk, struct route *route);

/* ---- the rivals, each a process that never returns by itself ---- */

struct rival {
	const char *zookeeper; /* hosts */
	struct route route;
	const char *socket;    /* floor: HAProxy's */
	const char *main_file; /* confd: for haproxy -c */
	const char *conf_dir;  /* confd: its own file is <conf_dir>/<route>.cfg */
	pid_t haproxy;         /* confd: the master to reload */
	struct lab *lab;
};

int floor_main(void *rival); /* the least there can be: watch, read, one command */
int confd_main(void *rival); /* watch, write the file, haproxy -c, reload */

/* Calls `changed` with the port that the znode's JSON names, at first and after each change. */
int watch_port(const char *hosts, const char *path, void (*changed)(uint16_t port, void *arg),
               void *arg);

/* ---- segue under the bench ---- */

/* segue.ini for these routes in one HAProxy, and the template beside it. */
struct lab_segue *bench_segue(struct lab *lab, struct lab_zk *zk, struct lab_haproxy *haproxy,
                              const struct route *routes, size_t count);

void stopwatch_print(struct lab *lab, struct lab_segue *segue); /* of all its moves so far */

/* ---- usage.c: what /proc says ---- */

struct usage {
	int64_t rss_kb;
	int64_t wakeups; /* voluntary context switches since the start */
	int64_t cpu_us;
};
struct usage usage_of(pid_t pid);

/* ---- report.c: the tables ---- */

struct report {
	unsigned failed;
};
void report_head(void);
void report_row(struct report *report, const char *what, double value, const char *unit,
                double limit); /* unit: " ms" or ""; PASS when value <= limit; limit 0: no target */
void report_none(struct report *report, const char *what, int64_t count); /* PASS when 0 */

/* ---- endpoints.c: how soon each path of the endpoint answers ---- */

void endpoints_bench(struct lab *lab, struct lab_zk *zk, struct report *report, unsigned seconds,
                     unsigned clusters);

/* ---- waiting.c: clients that wait in HAProxy, and sessions that were left behind ---- */

void waiting_bench(struct lab *lab, struct lab_zk *zk, struct report *report, bool quick);

#endif
