/* What a publisher asks each server, in one round trip: what verify/question.h asks, whether a
 * standby hears from its primary, repmgr's tables, and whether a row can be written. Pure. */
#ifndef SEGUE_PUBLISHER_INQUIRY_H
#define SEGUE_PUBLISHER_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config.h"
#include "publisher/ballot.h"
#include "verify/server.h"

#define INQUIRY_COLUMNS 11

enum inquiry_repmgr {
	INQUIRY_REPMGR_ABSENT, /* there is no table nodes in that schema */
	INQUIRY_REPMGR_DENIED, /* there is, and the role may not read it */
	INQUIRY_REPMGR_READABLE,
};

/* A row of repmgr.nodes. */
struct inquiry_node {
	char name[TOPOLOGY_NAME_MAX]; /* "": one that is no name for segue */
	enum sighting_role role;
	bool inactive;
	char *conninfo;
};

struct inquiry_answer {
	struct server_fact fact; /* in_recovery, timeline (of a standby, too), lsn, identifier */
	bool receiving;
	char instance[64]; /* the same for one running server, whatever address leads to it */
	enum inquiry_repmgr repmgr;
	struct inquiry_node *nodes; /* owned */
	size_t node_count;
	char promoted_name[TOPOLOGY_NAME_MAX]; /* the latest promotion; "": none */
	char promoted_at[BALLOT_TIME_MAX];
	char refused[160]; /* why a row cannot be written; "": it can, or nobody tried */
};

/* The texts of the question, for one publisher. */
struct inquiry {
	char *plain, *reduced, *with_repmgr;
};

void inquiry_init(struct inquiry *inquiry, const struct config_publisher *config);
void inquiry_fini(struct inquiry *inquiry);

/* Reads the row; on failure `out` is as it was. What it held before is freed. */
bool inquiry_parse(const char *const row[INQUIRY_COLUMNS], struct inquiry_answer *out,
                   struct err *err) MUST_CHECK;
void inquiry_answer_fini(struct inquiry_answer *answer);

#endif
