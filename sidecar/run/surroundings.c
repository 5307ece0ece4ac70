/* Checks what is around the targets and may be changed without segue: HAProxy's own files, which
 * may listen where a rendered text does, its master socket, and the folders of the outputs, in
 * which a new file must be possible when a primary is to be followed. Runs from time to time, with
 * the lowest priority. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timer.h"
#include "cluster/listeners.h"
#include "haproxy/listening.h"
#include "haproxy/process_args.h"
#include "haproxy/socket.h"
#include "pipeline_internal.h"
#include "target/install.h"

#define EVERY_MS 30000

struct look {
	const struct pipeline *pipeline;
	struct strbuf *alarms; /* one per target */
	char *folder;          /* the last one that was tried; NULL: none */
	int error;             /* errno of that; 0: a file can be made there */
};

static struct strbuf *alarm_of(const struct look *look, const struct config_target *target)
{
	struct strbuf *alarm = &look->alarms[target - look->pipeline->config->targets];

	strbuf_append_str(alarm, alarm->len > 0 ? "; " : "");
	return alarm;
}

static void take_shared(const struct config_target *target, const struct haproxy_bind *rendered,
                        const char *file, const struct haproxy_bind *own, void *arg)
{
	strbuf_printf(alarm_of(arg, target),
	              "%s listens at %s (%s), and so does %s, at %s: clients reach either by "
	              "chance: " LISTENERS_SHARED_CURE,
	              file, own->spelled, own->section_name, target->output, rendered->spelled);
}

static void look_at_haproxy(const struct look *look, const struct config_target *first)
{
	const struct pipeline *pipeline = look->pipeline;
	struct string_list arguments = {.count = 0}, files = {.count = 0};
	int64_t pid = haproxy_is_elsewhere(first->socket) ? -1 : haproxy_pid_at(first->socket);

	if (pid >= 0 && haproxy_started_with(first, pid, &arguments) != HAPROXY_STARTED_UNKNOWN) {
		haproxy_started_own_files(pipeline->config, &arguments, &files);
		listeners_find_shared(pipeline->listeners, first->socket, &files, false,
		                      take_shared, (void *)look);
	}
	string_list_free(&files);
	string_list_free(&arguments);
}

/* Returns 0 if a file can be made in `folder`, else the errno. Takes ownership of `folder`. Most
 * targets share one, so the last result is used again. */
static int try_folder(struct look *look, char *folder)
{
	bool same = look->folder != NULL && strcmp(look->folder, folder) == 0;

	if (!same)
		look->error = file_can_create(folder) ? 0 : errno;
	free(look->folder);
	look->folder = folder;
	return look->error;
}

static void look_at_folder(struct look *look, const struct config_target *target)
{
	struct err ignored; /* a mount point or a link, which the start refuses */
	auto_free char *path = install_path(target, &ignored), *cure = NULL;
	const char *name;
	int error;

	if (path == NULL)
		return;
	name = strrchr(path, '/') + 1;
	error = try_folder(look, xstrndup(path, (size_t)(name - path)));
	if (error == 0)
		return;
	cure = install_folder_cure(look->folder, error);
	strbuf_printf(alarm_of(look, target), "cannot create a file in %s, to replace %s: %s: %s",
	              look->folder, path, strerror(error), cure);
}

/* Without access to it HAProxy is not reloaded, and the sessions of its old workers are not
 * ended. */
static void look_at_master(const struct look *look, const struct config_target *target)
{
	auto_free char *shut = target->kind == CONFIG_TARGET_HAPROXY
	                           ? haproxy_socket_shut(target->master_socket)
	                           : NULL;

	if (shut != NULL)
		strbuf_printf(alarm_of(look, target),
		              "HAProxy cannot be reloaded, and sessions of old workers cannot be "
		              "ended: master_socket %s: Permission denied: %s",
		              target->master_socket, shut);
}

static void tell(const struct look *look)
{
	const struct pipeline *pipeline = look->pipeline;

	for (size_t i = 0; i < pipeline->config->target_count; i++) {
		const struct config_target *target = &pipeline->config->targets[i];

		cluster_set_alarm(pipeline->clusters[target->cluster_index], target,
		                  look->alarms[i].data);
	}
}

static void on_look(void *arg)
{
	const struct pipeline *pipeline = arg;
	const struct config *config = pipeline->config;
	struct look look = {.pipeline = pipeline,
	                    .alarms = xcalloc(config->target_count, sizeof(*look.alarms))};

	timer_start(pipeline->look, EVERY_MS);
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		strbuf_init(&look.alarms[i]);
		look_at_folder(&look, target);
		look_at_master(&look, target);
	}
	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    config_haproxy_first(config, i) == i)
			look_at_haproxy(&look, &config->targets[i]);
	tell(&look);
	for (size_t i = 0; i < config->target_count; i++)
		strbuf_fini(&look.alarms[i]);
	free(look.alarms);
	free(look.folder);
}

void pipeline_look_start(struct pipeline *pipeline)
{
	pipeline->look = timer_new(pipeline->base, on_look, pipeline);
	timer_set_priority(pipeline->look, CLUSTER_PRIORITY_LATER);
	timer_fire(pipeline->look);
}
