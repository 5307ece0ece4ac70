/* Reduces the resident memory of a daemon after its start. */
#ifndef SEGUE_BASE_MEMORY_H
#define SEGUE_BASE_MEMORY_H

#include "base/util.h"

struct event_base;
struct timer;

/* Returns memory that only the start needed: free heap, and the pages of the shared libraries that
 * the dynamic loader has read (symbols, hashes, relocations; with libpq there are 25 libraries).
 * Nothing is lost: these pages are unmodified file pages, and are mapped again from the page cache
 * when they are used, 16 at a time. This costs some hundred minor faults in the next second, then
 * none. A page that the kernel has dropped from the page cache since is read from disk. The code of
 * segue itself stays resident, because a switch to a new primary must not wait for it. */
void memory_settle(void);

/* The same, once, after MEMORY_SETTLE_MS: the first round of the daemon's work is then done. The
 * caller frees the timer. */
#define MEMORY_SETTLE_MS 5000
struct timer *memory_settle_later(struct event_base *base) MUST_CHECK;

#endif
