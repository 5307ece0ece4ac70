/* Reduces the resident memory of a daemon after its start. */
#ifndef SEGUE_BASE_MEMORY_H
#define SEGUE_BASE_MEMORY_H

#define MEMORY_SETTLE_MS 5000 /* after its start: the first round of its work is then done */

/* Returns memory that only the start needed: free heap, and the pages of the shared libraries that
 * the dynamic loader has read (symbols, hashes, relocations; with libpq there are 25 libraries).
 * Nothing is lost: these pages are unmodified file pages, and are mapped again from the page cache
 * when they are used, 16 at a time. This costs some hundred minor faults in the next second, then
 * none. A page that the kernel has dropped from the page cache since is read from disk. The code of
 * segue itself stays resident, because a switch to a new primary must not wait for it. */
void memory_settle(void);

#endif
