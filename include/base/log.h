/* The log: one line per event on stderr, as key=value, JSON, or key=value with the priorities of
 * journald. An event has a short fixed name (snake_case) and key=value pairs. Values may be any
 * bytes and are escaped here. Lines can wait in memory until log_flush(), so that a slow reader of
 * stderr does not delay a change of the proxy; see log_set_deferred(). */
#ifndef SEGUE_BASE_LOG_H
#define SEGUE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON, LOG_JOURNAL };

/* One key=value pair, made with the KV_ macros. A KV_STR of NULL and a KV_TIME of 0 are omitted. */
struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_MS, LOG_KV_TIME } type;
	const char *str;
	int64_t number;
};

#define KV_STR(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_STR, .str = (v)})
#define KV_INT(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_INT, .number = (int64_t)(v)})
/* Microseconds, logged as milliseconds with three decimals. */
#define KV_MS(k, us)   ((struct log_kv){.key = (k), .type = LOG_KV_MS, .number = (int64_t)(us)})
/* A time of clock_now_us(), logged as wall clock time. */
#define KV_TIME(k, us) ((struct log_kv){.key = (k), .type = LOG_KV_TIME, .number = (int64_t)(us)})
#define KV_ERR(e)      KV_STR("error", (e)->message)

#define LOG_EMIT(level, event, ...)                                  \
	log_emit(level, event, (const struct log_kv[]){__VA_ARGS__}, \
	         sizeof((const struct log_kv[]){__VA_ARGS__}) / sizeof(struct log_kv))
#define log_debug(event, ...)   LOG_EMIT(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)    LOG_EMIT(LOG_INFO, event, __VA_ARGS__)
#define log_warning(event, ...) LOG_EMIT(LOG_WARNING, event, __VA_ARGS__)
#define log_error(event, ...)   LOG_EMIT(LOG_ERROR, event, __VA_ARGS__)

void log_configure(enum log_level level, enum log_format format);

void log_emit(enum log_level level, const char *event, const struct log_kv *pairs, size_t count);

/* The number of lines of that level since the process started, dropped lines included. */
uint64_t log_count(enum log_level level);

/* From now on lines wait in memory. `wanted` is called for the first line that waits, and must
 * arrange that log_flush() runs soon. With NULL (the state at the start) every line is written at
 * once; the call itself then waits up to 500 ms for the waiting lines to be written. */
void log_set_deferred(void (*wanted)(void *arg), void *arg);

/* Writes as much to stderr as is possible without blocking. True when no line is left. If stderr
 * takes nothing for long (a pipe that nobody reads), lines are dropped and counted; the loop never
 * blocks. */
bool log_flush(void);

#endif
