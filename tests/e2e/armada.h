/* What the tests of the fleet stand on: a ZooKeeper and sidecars with a file target each, which say
 * in the store how they stand. No server is asked, so that any address may be the primary. */
#ifndef SEGUE_TESTS_E2E_ARMADA_H
#define SEGUE_TESTS_E2E_ARMADA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "lab/lab.h"

#define ARMADA_FLEET      "verify = disable\nfleet = yes\n" /* of [cluster] */
#define ARMADA_MAX        3
#define ARMADA_TIMEOUT_MS 20000
#define ARMADA_NODES      "/segue/orders/sidecars"

struct armada {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_segue *sidecars[ARMADA_MAX]; /* named proxy0, ... */
	struct lab_segue *person;               /* who runs the verbs: never started */
};

/* `cluster`: more lines for [cluster orders]; NULL: none. Nothing but the store runs yet. */
void armada_init(struct armada *armada, const char *cluster);
void armada_init_own(struct armada *armada, const char *cluster); /* shares no ZooKeeper server */
void armada_fini(struct armada *armada);

/* A sidecar's segue.ini anew: its name, whether it is in the fleet, more lines for its target. */
void armada_configure(struct armada *armada, int sidecar, const char *name, const char *cluster,
                      const char *target);

void armada_start(struct armada *armada, int count);    /* sidecars 0 to count - 1 */
void armada_reload(struct armada *armada, int sidecar); /* SIGHUP, and it is done */

/* Names 10.0.0.N:5432 as the primary; the zxid. */
int64_t armada_name(struct armada *armada, int n);

/* Until the znode of that sidecar holds `text`, or (NULL) is gone. */
bool armada_wait_says(struct armada *armada, const char *name, const char *text);
bool armada_wait_confirmed(struct armada *armada, const char *name, int64_t zxid);

/* Runs `segue VERB -c INI ARGS...` (NULL at the end) to its end; its exit code. */
int armada_run(struct armada *armada, struct strbuf *output, const char *verb, ...)
    __attribute__((sentinel));

#endif
