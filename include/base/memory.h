/* Resident memory of a daemon that has settled down. */
#ifndef SEGUE_BASE_MEMORY_H
#define SEGUE_BASE_MEMORY_H

#define MEMORY_SETTLE_MS 5000 /* a daemon's wait before it: the first round of all that it does */

/* Gives back what only the beginning needed: free heap, and the pages of all shared libraries that
 * the dynamic loader has read (symbols, hashes, relocations: with libpq there are 25 of them).
 * Nothing is lost: these pages are the files' own, never written, and come back from the page cache
 * as they are used, 16 at a time. That costs some hundred minor faults in the second after, then
 * none; a page that the kernel has dropped from its cache meanwhile is read from disk. segue's own
 * code stays, as a move must not wait for it. */
void memory_settle(void);

#endif
