/* Makes staged files durable beside the loop: one thread, started at the first job, does what
 * file_commit() does, job by job in the order in which they came. The loop never waits for the
 * disk, except in file_writer_cancel() and file_writer_destroy(): what was promised is written
 * first. */
#ifndef SEGUE_BASE_FILE_WRITER_H
#define SEGUE_BASE_FILE_WRITER_H

#include "base/err.h"

struct event_base;
struct file_writer;
struct file_writer_job;

/* `problem` NULL: the file is in place, and durable. Otherwise the path is what it was, the staged
 * file is gone, and `problem` (borrowed until the callback returns) says why. Called once, in the
 * loop; never inside file_writer_commit(), and never after file_writer_cancel() or
 * file_writer_destroy(). */
typedef void file_writer_cb(const struct err *problem, void *arg);

/* Starts nothing yet. `base` is borrowed until file_writer_destroy(). */
struct file_writer *file_writer_create(struct event_base *base) MUST_CHECK;

/* Returns when all jobs have been done; their callbacks are not made. */
void file_writer_destroy(struct file_writer *file_writer);

/* Of a file that file_stage() has made. Until the callback, nothing else may be staged for `path`:
 * the staged name would be the same. Where no thread can be had it is done within the call. */
struct file_writer_job *file_writer_commit(struct file_writer *file_writer, const char *staged,
                                           const char *path, file_writer_cb *cb,
                                           void *arg) MUST_CHECK;

/* No callback. Returns when the job has been done, so that the path may be staged again: dropping
 * it would lose what was promised, and leaving it behind would mix it with the next one's. The job
 * is the file_writer's again. */
void file_writer_cancel(struct file_writer_job *job);

#endif
