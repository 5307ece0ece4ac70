/* What the tests of `segue run` stand on: a ZooKeeper, a HAProxy that loads a conf.d folder, three
 * servers that say their name, and a sidecar with one cluster and one target between them. */
#ifndef SEGUE_TESTS_E2E_RUN_H
#define SEGUE_TESTS_E2E_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/lab.h"

#define RUN_BACKENDS   3
#define RUN_TIMEOUT_MS 20000
#define RUN_MASTER     "/segue/orders/master"

struct run_options {
	int zk_servers;       /* its own ones; 0: it shares one */
	const char *segue;    /* more lines for [segue]; NULL: none */
	const char *cluster;  /* more lines for [cluster orders]; NULL: none */
	const char *target;   /* more lines for [haproxy local]; NULL: a check_command */
	const char *sections; /* more sections; NULL: none */
	bool no_haproxy;      /* HAProxy is not started */
};

struct run {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_haproxy *haproxy;
	struct lab_backend *backends[RUN_BACKENDS]; /* named "0", "1", "2" */
	struct lab_segue *segue;
	const char *template_file, *output, *state_file, *faults;
	uint16_t port; /* of the read-write frontend */
};

/* All but segue are up when it returns. */
void run_init(struct run *run, const struct run_options *options);
void run_fini(struct run *run);

/* The template with `more` lines in its backend; "" is what run_init() wrote. */
void run_write_template(struct run *run, const char *more);

/* The znode's JSON that names a backend as primary, and sets it; returns its zxid. */
const char *run_json(struct run *run, int backend);
int64_t run_set_primary(struct run *run, int backend);
int64_t run_set(struct run *run, const void *data, size_t len);

/* Do new connections reach the backend (-1: nobody)? wait: as soon as they do. */
bool run_reaches(const struct run *run, int backend);
bool run_wait_reaches(struct run *run, int backend);

/* The output file names the backend as primary. */
bool run_file_names(struct run *run, int backend);
bool run_wait_file_names(struct run *run, int backend);

/* Waits until segue has said that it moved the target for this zxid. */
bool run_wait_moved(struct run *run, int64_t zxid);

/* Waits until segue has said that the target is as it should be, whether it had to move it or not.
 */
bool run_wait_settled(struct run *run);

/* Starts segue with tests/faults in it. */
void run_start_with_faults(struct run *run);
void run_fault(struct run *run, const char *name, const char *content); /* content NULL: removes */

#endif
