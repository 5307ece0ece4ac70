/* A ZooKeeper session that is never connected: the test says what is read of a watched znode. */
#ifndef SEGUE_TESTS_UNIT_ZK_CASE_H
#define SEGUE_TESTS_UNIT_ZK_CASE_H

#include <event2/event.h>

#include "base/util.h"
#include "zookeeper/session.h"

/* Names, and how many they are. */
#define LIST(...)  ((const char *const[]){__VA_ARGS__})
#define NAMES(...) (char *const *)LIST(__VA_ARGS__), ARRAY_LEN(LIST(__VA_ARGS__))

extern struct event_base *zk_case_base;
extern struct zk *zk_case;

void zk_case_open(void);
void zk_case_close(void);

bool zk_case_is_watched(const char *path);

/* The read of a watched znode has ended. Each call is a change of its own. */
void zk_case_tell(const char *path, struct zk_node_fact fact);
void zk_case_data(const char *path, const char *data); /* NULL: the znode does not exist */
void zk_case_names(const char *path, char *const *names, size_t count);
void zk_case_denied(const char *path, const char *problem);
void zk_case_disconnect(void); /* all of them, as after a loss of the connection */

#endif
