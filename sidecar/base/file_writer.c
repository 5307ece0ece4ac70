/* The loop appends jobs to a list, the thread does the first job that is not done, the loop removes
 * the done ones. The thread never allocates (malloc would create a heap for it), takes no signal,
 * and never renames before the fsync: after a power failure the file could then be empty. */
#include "base/file_writer.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

/* Stack of the thread: enough for an error message, a path, and what a sanitizer adds. */
#define STACK_BYTES ((size_t)256 * 1024)

struct file_writer_job {
	struct file_writer *file_writer;
	struct file_writer_job *next;
	char *staged, *path;
	file_writer_cb *cb; /* NULL: cancelled; only the loop uses it */
	void *arg;
	bool done, ok; /* protected by the lock */
	struct err err;
};

struct file_writer {
	struct event_base *base;
	struct event *woken; /* NULL: no job was ever committed */
	int fd;              /* the eventfd of `woken`; -1: it could not be created */
	pthread_t thread;
	bool running; /* the thread exists */
	pthread_mutex_t lock;
	pthread_cond_t changed;        /* a new job, a job is done, or `ending` is set */
	struct file_writer_job *first; /* in order; the done ones come first */
	bool ending;
};

/* The caller holds the lock. */
static struct file_writer_job *next_to_do(const struct file_writer *file_writer)
{
	struct file_writer_job *job = file_writer->first;

	while (job != NULL && job->done)
		job = job->next;
	return job;
}

/* The caller holds the lock. It is released while the disk works. */
static void do_job(struct file_writer *file_writer, struct file_writer_job *job)
{
	bool ok;

	pthread_mutex_unlock(&file_writer->lock);
	ok = file_commit(job->staged, job->path, &job->err);
	pthread_mutex_lock(&file_writer->lock);
	job->ok = ok;
	job->done = true;
	pthread_cond_broadcast(&file_writer->changed);
	if (file_writer->fd >= 0)
		(void)eventfd_write(file_writer->fd, 1); /* the counter is never full */
	else
		event_active(file_writer->woken, EV_READ, 0); /* no thread: this is the loop */
}

static void *thread_main(void *arg)
{
	struct file_writer *file_writer = arg;
	struct file_writer_job *job;

	pthread_mutex_lock(&file_writer->lock);
	while ((job = next_to_do(file_writer)) != NULL || !file_writer->ending) {
		if (job != NULL)
			do_job(file_writer, job);
		else
			pthread_cond_wait(&file_writer->changed, &file_writer->lock);
	}
	pthread_mutex_unlock(&file_writer->lock);
	return NULL;
}

static void job_free(struct file_writer_job *job)
{
	free(job->staged);
	free(job->path);
	free(job);
}

static struct file_writer_job *take_done(struct file_writer *file_writer)
{
	struct file_writer_job *job;

	pthread_mutex_lock(&file_writer->lock);
	job = file_writer->first;
	if (job != NULL && job->done)
		file_writer->first = job->next;
	else
		job = NULL;
	pthread_mutex_unlock(&file_writer->lock);
	return job;
}

/* Takes one job at a time, because a callback may cancel other jobs. */
static void woken_cb(evutil_socket_t fd, short events, void *arg)
{
	struct file_writer *file_writer = arg;
	struct file_writer_job *job;
	eventfd_t count;

	(void)events;
	if (fd >= 0)
		(void)eventfd_read(fd, &count);
	while ((job = take_done(file_writer)) != NULL) {
		if (job->cb != NULL)
			job->cb(job->ok ? NULL : &job->err, job->arg);
		job_free(job);
	}
}

/* Only the loop handles signals. A new thread inherits the signal mask of its creator. */
static void start_thread(struct file_writer *file_writer)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	file_writer->running =
	    pthread_create(&file_writer->thread, &attr, thread_main, file_writer) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

static void open_wake(struct file_writer *file_writer)
{
	file_writer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	file_writer->woken = event_new(file_writer->base, file_writer->fd, EV_READ | EV_PERSIST,
	                               woken_cb, file_writer);
	if (file_writer->fd >= 0)
		event_add(file_writer->woken, NULL);
}

struct file_writer *file_writer_create(struct event_base *base)
{
	struct file_writer *file_writer = xcalloc(1, sizeof(*file_writer));

	file_writer->base = base;
	file_writer->fd = -1;
	pthread_mutex_init(&file_writer->lock, NULL);
	pthread_cond_init(&file_writer->changed, NULL);
	return file_writer;
}

void file_writer_destroy(struct file_writer *file_writer)
{
	struct file_writer_job *job;

	pthread_mutex_lock(&file_writer->lock);
	file_writer->ending = true;
	pthread_cond_broadcast(&file_writer->changed);
	pthread_mutex_unlock(&file_writer->lock);
	if (file_writer->running)
		pthread_join(file_writer->thread, NULL);
	while ((job = take_done(file_writer)) != NULL)
		job_free(job);
	if (file_writer->woken != NULL)
		event_free(file_writer->woken);
	util_cleanup_close(&file_writer->fd);
	pthread_cond_destroy(&file_writer->changed);
	pthread_mutex_destroy(&file_writer->lock);
	free(file_writer);
}

struct file_writer_job *file_writer_commit(struct file_writer *file_writer, const char *staged,
                                           const char *path, file_writer_cb *cb, void *arg)
{
	struct file_writer_job *job = xcalloc(1, sizeof(*job)), **last = &file_writer->first;

	job->file_writer = file_writer;
	job->staged = xstrdup(staged);
	job->path = xstrdup(path);
	job->cb = cb;
	job->arg = arg;
	if (file_writer->woken == NULL)
		open_wake(file_writer);
	if (!file_writer->running && file_writer->fd >= 0)
		start_thread(file_writer);
	pthread_mutex_lock(&file_writer->lock);
	while (*last != NULL)
		last = &(*last)->next;
	*last = job;
	pthread_cond_broadcast(&file_writer->changed);
	if (!file_writer->running)
		do_job(file_writer, job);
	pthread_mutex_unlock(&file_writer->lock);
	return job;
}

void file_writer_cancel(struct file_writer_job *job)
{
	struct file_writer *file_writer = job->file_writer;

	job->cb = NULL;
	pthread_mutex_lock(&file_writer->lock);
	while (!job->done)
		pthread_cond_wait(&file_writer->changed, &file_writer->lock);
	pthread_mutex_unlock(&file_writer->lock);
}
