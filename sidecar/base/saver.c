/* The loop appends jobs, the thread does the first one that is not done, the loop takes the done
 * ones off. The thread allocates nothing (it would get a heap of its own), takes no signal, and
 * never renames before the fsync: after a power cut that may be an empty file. */
#include "base/saver.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

/* Of an error message and a path, and what a sanitizer adds. */
#define STACK_BYTES ((size_t)256 * 1024)

struct saver_job {
	struct saver *saver;
	struct saver_job *next;
	char *staged, *path;
	saver_cb *cb; /* NULL: cancelled; the loop's alone */
	void *arg;
	bool done, ok; /* under the lock */
	struct err err;
};

struct saver {
	struct event_base *base;
	struct event *woken; /* NULL: never used */
	int fd;              /* of `woken`, an eventfd; -1: none to be had */
	pthread_t thread;
	bool running; /* there is the thread */
	pthread_mutex_t lock;
	pthread_cond_t changed;  /* a job has come, a job is done, it is to end */
	struct saver_job *first; /* in order; done ones lie in front */
	bool ending;
};

/* Under the lock. */
static struct saver_job *next_to_do(const struct saver *saver)
{
	struct saver_job *job = saver->first;

	while (job != NULL && job->done)
		job = job->next;
	return job;
}

static void tell_loop(const struct saver *saver)
{
	if (saver->fd >= 0)
		(void)eventfd_write(saver->fd, 1); /* the counter is never full */
	else
		event_active(saver->woken, EV_READ, 0); /* no thread: this is the loop */
}

/* Called with the lock held, which it lets go of while the disk works. */
static void do_job(struct saver *saver, struct saver_job *job)
{
	bool ok;

	pthread_mutex_unlock(&saver->lock);
	ok = file_commit(job->staged, job->path, &job->err);
	pthread_mutex_lock(&saver->lock);
	job->ok = ok;
	job->done = true;
	pthread_cond_broadcast(&saver->changed);
	tell_loop(saver);
}

static void *thread_main(void *arg)
{
	struct saver *saver = arg;
	struct saver_job *job;

	pthread_mutex_lock(&saver->lock);
	while ((job = next_to_do(saver)) != NULL || !saver->ending) {
		if (job != NULL)
			do_job(saver, job);
		else
			pthread_cond_wait(&saver->changed, &saver->lock);
	}
	pthread_mutex_unlock(&saver->lock);
	return NULL;
}

static void job_free(struct saver_job *job)
{
	free(job->staged);
	free(job->path);
	free(job);
}

static struct saver_job *take_done(struct saver *saver)
{
	struct saver_job *job;

	pthread_mutex_lock(&saver->lock);
	job = saver->first;
	if (job != NULL && job->done)
		saver->first = job->next;
	else
		job = NULL;
	pthread_mutex_unlock(&saver->lock);
	return job;
}

/* One by one: a callback may cancel other jobs. */
static void woken_cb(evutil_socket_t fd, short events, void *arg)
{
	struct saver *saver = arg;
	struct saver_job *job;
	eventfd_t count;

	(void)events;
	if (fd >= 0)
		(void)eventfd_read(fd, &count);
	while ((job = take_done(saver)) != NULL) {
		if (job->cb != NULL)
			job->cb(job->ok ? NULL : &job->err, job->arg);
		job_free(job);
	}
}

/* Signals are the loop's: a new thread takes over the mask of who makes it. */
static void start_thread(struct saver *saver)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	saver->running = pthread_create(&saver->thread, &attr, thread_main, saver) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

static void open_wake(struct saver *saver)
{
	saver->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	saver->woken = event_new(saver->base, saver->fd, EV_READ | EV_PERSIST, woken_cb, saver);
	if (saver->fd >= 0)
		event_add(saver->woken, NULL);
}

struct saver *saver_create(struct event_base *base)
{
	struct saver *saver = xcalloc(1, sizeof(*saver));

	saver->base = base;
	saver->fd = -1;
	pthread_mutex_init(&saver->lock, NULL);
	pthread_cond_init(&saver->changed, NULL);
	return saver;
}

static void end_thread(struct saver *saver)
{
	pthread_mutex_lock(&saver->lock);
	saver->ending = true;
	pthread_cond_broadcast(&saver->changed);
	pthread_mutex_unlock(&saver->lock);
	pthread_join(saver->thread, NULL);
}

void saver_destroy(struct saver *saver)
{
	struct saver_job *job;

	if (saver->running)
		end_thread(saver);
	while ((job = take_done(saver)) != NULL)
		job_free(job);
	if (saver->woken != NULL)
		event_free(saver->woken);
	util_cleanup_close(&saver->fd);
	pthread_cond_destroy(&saver->changed);
	pthread_mutex_destroy(&saver->lock);
	free(saver);
}

/* Under the lock. */
static void append(struct saver *saver, struct saver_job *job)
{
	struct saver_job **last = &saver->first;

	while (*last != NULL)
		last = &(*last)->next;
	*last = job;
	pthread_cond_broadcast(&saver->changed);
}

struct saver_job *saver_commit(struct saver *saver, const char *staged, const char *path,
                               saver_cb *cb, void *arg)
{
	struct saver_job *job = xcalloc(1, sizeof(*job));

	job->saver = saver;
	job->staged = xstrdup(staged);
	job->path = xstrdup(path);
	job->cb = cb;
	job->arg = arg;
	if (saver->woken == NULL)
		open_wake(saver);
	if (!saver->running && saver->fd >= 0)
		start_thread(saver);
	pthread_mutex_lock(&saver->lock);
	append(saver, job);
	if (!saver->running)
		do_job(saver, job);
	pthread_mutex_unlock(&saver->lock);
	return job;
}

void saver_cancel(struct saver_job *job)
{
	struct saver *saver = job->saver;

	job->cb = NULL;
	pthread_mutex_lock(&saver->lock);
	while (!job->done)
		pthread_cond_wait(&saver->changed, &saver->lock);
	pthread_mutex_unlock(&saver->lock);
}
