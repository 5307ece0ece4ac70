/* The things that targets share, found by their path or command. */
#include "apply/hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/saver.h"

#define REREAD_MS            1500 /* what a person changes by hand is found within 2 s */
#define WATCH_MS             50
#define WATCH_MS_PER_TARGET  4  /* 250 a second at most */
#define REREAD_MS_PER_TARGET 20 /* 50 re-reads a second at most, whatever the number of targets */

struct target_hub {
	struct event_base *base;
	struct file_writer *file_writer;
	struct haproxy_queue **queues;
	size_t queue_count;
	struct {
		char *key;
		struct reloader *reloader;
	} * reloaders;
	size_t reloader_count;
	int targets;
	struct move_tally tally;
};

struct target_hub *target_hub_create(struct event_base *base)
{
	struct target_hub *hub = xcalloc(1, sizeof(*hub));

	hub->base = base;
	hub->file_writer = file_writer_create(base);
	return hub;
}

void target_hub_destroy(struct target_hub *hub)
{
	if (hub == NULL)
		return;
	for (size_t i = 0; i < hub->queue_count; i++)
		haproxy_queue_destroy(hub->queues[i]);
	for (size_t i = 0; i < hub->reloader_count; i++) {
		reloader_destroy(hub->reloaders[i].reloader);
		free(hub->reloaders[i].key);
	}
	file_writer_destroy(hub->file_writer);
	free(hub->queues);
	free(hub->reloaders);
	free(hub);
}

struct event_base *target_hub_base(const struct target_hub *hub)
{
	return hub->base;
}

struct file_writer *target_hub_saver(const struct target_hub *hub)
{
	return hub->file_writer;
}

struct haproxy_queue *target_hub_queue(struct target_hub *hub, const char *path, bool master)
{
	struct haproxy_queue *queue;

	for (size_t i = 0; i < hub->queue_count; i++)
		if (strcmp(haproxy_queue_path(hub->queues[i]), path) == 0)
			return hub->queues[i];
	queue = haproxy_queue_create(hub->base, path, master);
	hub->queues =
	    xreallocarray(hub->queues, hub->queue_count + 1, sizeof(struct haproxy_queue *));
	hub->queues[hub->queue_count++] = queue;
	return queue;
}

struct reloader *target_hub_reloader(struct target_hub *hub, const char *master_socket,
                                     const char *reload_command)
{
	const char *key = *master_socket != '\0' ? master_socket : reload_command;
	size_t i = 0;

	if (*key == '\0')
		return NULL;
	while (i < hub->reloader_count && strcmp(hub->reloaders[i].key, key) != 0)
		i++;
	if (i < hub->reloader_count)
		return hub->reloaders[i].reloader;
	hub->reloaders = xreallocarray(hub->reloaders, i + 1, sizeof(*hub->reloaders));
	hub->reloaders[i].key = xstrdup(key);
	hub->reloaders[i].reloader =
	    reloader_create(hub->base, master_socket, reload_command, RELOADER_WORKER_MS);
	hub->reloader_count++;
	return hub->reloaders[i].reloader;
}

int64_t target_hub_reread_ms(const struct target_hub *hub)
{
	int64_t ms = (int64_t)hub->targets * REREAD_MS_PER_TARGET;

	return ms > REREAD_MS ? ms : REREAD_MS;
}

int64_t target_hub_watch_ms(const struct target_hub *hub)
{
	int64_t ms = (int64_t)hub->targets * WATCH_MS_PER_TARGET;

	return ms > WATCH_MS ? ms : WATCH_MS;
}

void target_hub_count(struct target_hub *hub, int change)
{
	hub->targets += change;
}

void target_hub_moved(struct target_hub *hub, enum config_target_kind kind, const struct move *move)
{
	move_tally_add(&hub->tally, kind, move);
}

const struct move_tally *target_hub_tally(const struct target_hub *hub)
{
	return &hub->tally;
}

void target_hub_inherit(struct target_hub *hub, const struct target_hub *before)
{
	hub->tally = before->tally;
}
