/* The log: one line per event, key=value (or JSON, or text with journal priorities), to stderr.
 *
 * An event has a short fixed name (snake_case) and pairs; values may be hostile bytes and are
 * escaped here. Lines collect in memory and leave with log_flush(), so that a slow sink never
 * stands between a change and the proxy; see log_set_deferred(). */
#ifndef SEGUE_BASE_LOG_H
#define SEGUE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON, LOG_JOURNAL };

/* One key=value pair; make them with the KV_ macros. A KV_STR of NULL or KV_TIME of 0 is left out.
 */
struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_MS, LOG_KV_TIME } type;
	const char *str;
	int64_t number;
};

#define KV_STR(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_STR, .str = (v)})
#define KV_INT(k, v)   ((struct log_kv){.key = (k), .type = LOG_KV_INT, .number = (int64_t)(v)})
/* Microseconds, shown as milliseconds with three decimals. */
#define KV_MS(k, us)   ((struct log_kv){.key = (k), .type = LOG_KV_MS, .number = (int64_t)(us)})
/* A moment by clock_now_us(), shown by the wall clock. */
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

/* So many lines of that level since the process started, also those that a slow sink has cost. */
uint64_t log_count(enum log_level level);

/* From now on lines wait in memory; `wanted` is called when the first one does, and has to see to
 * it that log_flush() runs soon. NULL: every line leaves at once (the state at start), and what
 * waits is given half a second. */
void log_set_deferred(void (*wanted)(void *arg), void *arg);

/* Writes what the sink takes without blocking; true when nothing is left. A sink that takes nothing
 * for long (a pipe that nobody reads) costs lines, which are counted, never the loop. */
bool log_flush(void);

#endif
