/* The publishers of a configuration; see the header. A configuration without a publisher is
 * refused. Always: a reload keeps the session if its settings stay, so that the presence znodes
 * stay, and no socket is opened twice. */
#include "publisher/publishers.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "publisher/notify_socket.h"
#include "zookeeper/store.h"

#define SAY_AGAIN_US INT64_C(1000000)

struct one {
	struct publishers *all;
	const struct config_publisher *config;
	struct publisher *publisher;
	struct notify_socket *wake; /* NULL: none, or an earlier publisher has opened it */
};

struct publishers {
	struct publishers_options options;
	struct config *config;
	struct libpq pq;
	struct store *store;  /* after a reload the next publishers may have the same one */
	struct timer *settle; /* NULL before the first round has ended */
	struct one *ones;
	size_t count;
	int64_t notified_us; /* when a notification was logged last */
};

/* The [publisher] sections that count. */
static void choose(struct publishers *all)
{
	const char *section = all->options.section;

	all->ones = xcalloc(all->config->publisher_count + 1, sizeof(*all->ones));
	for (size_t i = 0; i < all->config->publisher_count; i++) {
		const struct config_publisher *config = &all->config->publishers[i];

		if (section == NULL || strcmp(section, config->section) == 0)
			all->ones[all->count++] = (struct one){.all = all, .config = config};
	}
}

struct publishers *publishers_prepare(const struct publishers_options *options,
                                      const struct publishers *old, struct strbuf *errors)
{
	struct config *config = config_load(options->config_file, errors);
	struct publishers *all;
	struct err err;

	if (config == NULL)
		return NULL;
	all = xcalloc(1, sizeof(*all));
	all->options = *options;
	all->config = config;
	choose(all);
	if (all->count > 0)
		all->store =
		    store_prepare(options->base, config, old != NULL ? old->store : NULL, &err);
	if (all->store != NULL && libpq_load(&all->pq, &err))
		return all;
	if (all->count > 0)
		strbuf_printf(errors, "%s: %s\n", options->config_file, err.message);
	else
		strbuf_printf(errors, "%s: found no [publisher %s] section\n", options->config_file,
		              options->section != NULL ? options->section : "NAME");
	publishers_destroy(all);
	return NULL;
}

/* -- waking -- */

static void on_wake(const char *cluster, void *arg)
{
	struct publishers *all = arg;
	int64_t now_us = clock_now_us();

	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->ones[i].config->cluster, cluster) != 0)
			continue;
		/* Any user of this host may wake, but must not fill the log. */
		if (all->notified_us == 0 || now_us - all->notified_us >= SAY_AGAIN_US) {
			all->notified_us = now_us;
			log_info("notified", KV_STR("cluster", cluster));
		}
		publisher_wake(all->ones[i].publisher);
	}
}

static bool has_wake(const struct publishers *all, size_t before, const char *path)
{
	for (size_t i = 0; i < before; i++)
		if (strcmp(all->ones[i].config->notify_socket, path) == 0)
			return true;
	return false;
}

/* Without its socket a publisher still sees everything, but up to an interval later. */
static void open_wakes(struct publishers *all)
{
	struct err err;

	for (size_t i = 0; i < all->count && !all->options.once; i++) {
		struct one *one = &all->ones[i];
		const char *path = one->config->notify_socket;

		if (*path == '\0' || has_wake(all, i, path))
			continue;
		one->wake = notify_socket_create(all->options.base, path, on_wake, all, &err);
		if (one->wake == NULL)
			log_warning("notify_socket_failed", KV_STR("publisher", one->config->name),
			            KV_ERR(&err),
			            KV_STR("next", "segue notify does not reach this publisher; "
			                           "it observes at its interval only"));
	}
}

/* -- beginning and end -- */

static void on_told(const struct publisher_word *word, void *arg)
{
	const struct one *one = arg;
	struct publishers *all = one->all;

	if (all->settle == NULL) /* the first round loads what the servers' authentication needs */
		all->settle = memory_settle_later(all->options.base);
	if (all->options.told != NULL)
		all->options.told(one->publisher, one->config, word, all->options.arg);
}

static const char *path_of(const struct one *one)
{
	return one->all->config->clusters[one->config->cluster_index].path;
}

/* The session goes on, so nothing else would delete the presence znodes of publishers that end. */
static void leave_without_heir(const struct publishers *old, const struct publishers *next)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct one *one = &old->ones[i];
		bool heir = false;

		for (size_t k = 0; k < next->count; k++)
			heir =
			    heir || (strcmp(next->ones[k].config->name, one->config->name) == 0 &&
			             strcmp(path_of(&next->ones[k]), path_of(one)) == 0);
		if (!heir)
			publisher_leave(one->publisher);
	}
}

static bool create_all(struct publishers *all, struct err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		struct one *one = &all->ones[i];
		const struct publisher_options options = {.base = all->options.base,
		                                          .pq = &all->pq,
		                                          .resolver = all->store->resolver,
		                                          .zk = all->store->zk,
		                                          .config = all->config,
		                                          .publisher = one->config,
		                                          .once = all->options.once,
		                                          .dry_run = all->options.dry_run,
		                                          .told = on_told,
		                                          .arg = one};

		one->publisher = publisher_create(&options, err);
		if (one->publisher == NULL)
			return false;
	}
	return true;
}

bool publishers_start(struct publishers *publishers, struct publishers *old, struct err *err)
{
	if (!store_open(publishers->store, err) || !create_all(publishers, err))
		return false;
	if (old != NULL && old->store == publishers->store)
		leave_without_heir(old, publishers);
	publishers_destroy(old);
	open_wakes(publishers);
	return true;
}

void publishers_destroy(struct publishers *publishers)
{
	if (publishers == NULL)
		return;
	for (size_t i = 0; i < publishers->count; i++) {
		publisher_destroy(publishers->ones[i].publisher);
		notify_socket_destroy(publishers->ones[i].wake);
	}
	timer_free(publishers->settle);
	store_end(publishers->store); /* deletes the presence znodes, too */
	free(publishers->ones);
	config_free(publishers->config);
	free(publishers);
}

const struct config *publishers_config(const struct publishers *publishers)
{
	return publishers->config;
}

size_t publishers_count(const struct publishers *publishers)
{
	return publishers->count;
}
