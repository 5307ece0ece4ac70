/* What the tests of the layout patroni stand on: the keys of a scope, as each version writes them,
 * and what was made of them. */
#ifndef SEGUE_TESTS_UNIT_PATRONI_KEYS_CASE_H
#define SEGUE_TESTS_UNIT_PATRONI_KEYS_CASE_H

#include "topology/layout.h"

#define KEYS_MAX 80

#define URL(name) "\"conn_url\":\"postgres://" name ":5432/postgres\""
/* 3.0.2, as observed on ZooKeeper. */
#define V3(name, role, location)                                                                \
	"{" URL(name) ",\"api_url\":\"http://127.0.0.1:24001/patroni\",\"state\":\"running\","  \
	              "\"role\":\"" role "\",\"version\":\"3.0.2\",\"xlog_location\":" location \
	              ",\"timeline\":1}"
/* 2.1: tags of every member, the pending restart flag. */
#define V2(name, role)                                                                        \
	"{" URL(name) ",\"api_url\":\"http://127.0.0.1:8008/patroni\",\"state\":\"running\"," \
	              "\"role\":\"" role "\",\"version\":\"2.1.4\",\"tags\":{\"clonefrom\":"  \
	              "true},\"pending_restart\":true,\"xlog_location\":67419584,"            \
	              "\"timeline\":3}"
/* 4.1 */
#define V4_PRIMARY                                                                     \
	"{" URL("10.0.0.1") ",\"api_url\":\"http://10.0.0.1:8008/patroni\",\"state\":" \
	                    "\"running\",\"role\":\"primary\",\"version\":\"4.1.0\","  \
	                    "\"xlog_location\":100663296,\"timeline\":7}"
#define V4_REPLICA                                                                            \
	"{" URL("10.0.0.2") ",\"api_url\":\"http://10.0.0.2:8008/patroni\",\"state\":"        \
	                    "\"running\",\"role\":\"replica\",\"version\":\"4.1.0\","         \
	                    "\"tags\":{\"nofailover\":true,\"failover_priority\":0},"         \
	                    "\"xlog_location\":100663290,\"replay_lsn\":100663200,"           \
	                    "\"receive_lsn\":100663290,\"replication_state\":\"streaming\","  \
	                    "\"timeline\":7,\"pending_restart_reason\":{\"max_connections\":" \
	                    "{\"old_value\":\"100\",\"new_value\":\"200\"}}}"
#define STATE(name, state) \
	"{" URL(name) ",\"state\":\"" state "\",\"role\":\"replica\",\"xlog_location\":1}"

extern struct patroni_keys_case {
	struct layout_patroni keys;
	struct layout_patroni_key members[KEYS_MAX];
	struct topology topology;
	struct layout_patroni_notes notes;
} scope;
extern struct err patroni_keys_err;

void patroni_keys_init(void);
void patroni_keys_fini(void);

struct layout_patroni_key patroni_keys_key(const char *data);
void patroni_keys_add(const char *name, const char *data);
void patroni_keys_add_leader(const char *name,
                             const char *data); /* the leader key, and its member */

bool patroni_keys_decode(void);
void patroni_keys_accept(void);
void patroni_keys_refuse(const char *part); /* of the error */
void patroni_keys_expect_left_out(const char *part);

#endif
