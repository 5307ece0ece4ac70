/* Makes staged files durable outside the event loop. One thread, started at the first job, calls
 * file_commit() for one job after the other, in order. The loop waits for the disk only in
 * file_writer_cancel() and file_writer_destroy(), which finish the accepted jobs first. */
#ifndef SEGUE_BASE_FILE_WRITER_H
#define SEGUE_BASE_FILE_WRITER_H

#include "base/err.h"

struct event_base;
struct file_writer;
struct file_writer_job;

/* If `problem` is NULL, the file is in place and durable. Otherwise `path` is as it was, the staged
 * file is removed, and `problem` (borrowed until the callback returns) has the reason. Called once,
 * in the loop. Never called inside file_writer_commit(), nor after file_writer_cancel() or
 * file_writer_destroy(). */
typedef void file_writer_cb(const struct err *problem, void *arg);

/* Starts no thread yet. `base` is borrowed until file_writer_destroy(). */
struct file_writer *file_writer_create(struct event_base *base) MUST_CHECK;

/* Blocks until all jobs are done. Their callbacks are not called. */
void file_writer_destroy(struct file_writer *file_writer);

/* Commits `staged`, a file that file_stage() has written. Until the callback, nothing else may be
 * staged for `path`, because the staged name would be the same. If no thread can be started, the
 * work is done within this call. The returned job is borrowed until its callback or its cancel. */
struct file_writer_job *file_writer_commit(struct file_writer *file_writer, const char *staged,
                                           const char *path, file_writer_cb *cb,
                                           void *arg) MUST_CHECK;

/* Cancels the callback, not the job: blocks until the job is done, so that the path may be staged
 * again. Dropping the job would lose an accepted write. Leaving it pending would mix its staged
 * file with the next one. The caller must not use `job` afterwards. */
void file_writer_cancel(struct file_writer_job *job);

#endif
