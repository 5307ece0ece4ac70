/* What the sidecars say in their logs, and from it the windows in which errors are excused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "chaos/chaos.h"

/* The moment of a line, "2026-11-23T11:07:25.123456Z ...", as clock_now_us(); 0: it has none. */
static int64_t moment_of(const char *line)
{
	struct timespec wall;
	struct tm tm = {0};
	int us, fields = sscanf(line, "%d-%d-%dT%d:%d:%d.%6dZ", &tm.tm_year, /* NOLINT */
	                        &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &us);

	if (fields != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	clock_gettime(CLOCK_REALTIME, &wall);
	return (int64_t)timegm(&tm) * 1000000 + us -
	       ((int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000) + clock_now_us();
}

static int node_named(const struct chaos *chaos, const char *line)
{
	const char *at = strstr(line, " primary=");

	return at != NULL ? node_of_address(chaos, at + strlen(" primary=")) : -1;
}

/* The first of them ends what was waiting for it. */
static void end_windows(struct chaos *chaos, const struct event *event)
{
	for (size_t i = 0; i < chaos->window_count; i++) {
		struct window *window = &chaos->windows[i];

		if (window->proxy == event->proxy && window->to_us == 0 && window->ends_when_held &&
		    event->at_us > window->from_us &&
		    (event->kind == EVENT_HELD || event->node != window->node))
			window->to_us = event->at_us;
	}
}

static void take_line(struct chaos *chaos, enum proxy proxy, const char *line)
{
	struct event event = {.proxy = proxy, .at_us = moment_of(line), .node = -1};
	const char *name = strstr(line, " event=");
	bool told = strstr(line, " target=") != NULL;

	if (event.at_us == 0 || name == NULL || chaos->event_count == EVENTS_MAX)
		return;
	name += strlen(" event=");
	for (size_t i = chaos->event_count; i > 0 && event.node < 0; i--)
		if (chaos->events[i - 1].proxy == proxy)
			event.node = chaos->events[i - 1].node;
	if (strncmp(name, "primary ", 8) == 0) {
		event.kind = EVENT_PRIMARY;
		event.node = node_named(chaos, line);
	} else if (told && strncmp(name, "held ", 5) == 0) {
		event.kind = EVENT_HELD;
	} else if (told && strncmp(name, "step ", 5) == 0 &&
	           strstr(name, " to=resuming ") != NULL) {
		event.kind = EVENT_RESUMING;
	} else if (told && (strncmp(name, "moved ", 6) == 0 || strncmp(name, "in_sync ", 8) == 0)) {
		event.kind = EVENT_MOVED;
	} else {
		return;
	}
	chaos->events[chaos->event_count++] = event;
	if (event.kind == EVENT_HELD || event.kind == EVENT_MOVED)
		end_windows(chaos, &event);
}

static void read_log(struct chaos *chaos, enum proxy proxy)
{
	struct sidecar *sidecar = &chaos->sidecars[proxy];
	FILE *file = fopen(lab_process_log(lab_segue_process(sidecar->segue)), "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (file == NULL)
		return;
	fseek(file, (long)sidecar->log_read, SEEK_SET);
	while ((len = getline(&line, &size, file)) > 0 && line[len - 1] == '\n') {
		sidecar->log_read += (size_t)len;
		take_line(chaos, proxy, line);
	}
	free(line);
	fclose(file);
}

void watch_logs(struct chaos *chaos)
{
	for (enum proxy proxy = 0; proxy < PROXIES; proxy++)
		read_log(chaos, proxy);
}

void window_open(struct chaos *chaos, enum proxy proxy, bool ends_when_held, const char *why)
{
	watch_logs(chaos); /* what came before does not end it */
	if (chaos->window_count == WINDOWS_MAX)
		lab_fail("more than %d windows", WINDOWS_MAX);
	chaos->windows[chaos->window_count++] = (struct window){.proxy = proxy,
	                                                        .from_us = clock_now_us(),
	                                                        .ends_when_held = ends_when_held,
	                                                        .node = chaos->primary,
	                                                        .why = why};
}

void window_close(struct chaos *chaos, enum proxy proxy, const char *why)
{
	for (size_t i = 0; i < chaos->window_count; i++) {
		struct window *window = &chaos->windows[i];

		if (window->proxy == proxy && window->to_us == 0 && strcmp(window->why, why) == 0)
			window->to_us = clock_now_us();
	}
}

void windows_close_all(struct chaos *chaos)
{
	for (size_t i = 0; i < chaos->window_count; i++)
		if (chaos->windows[i].to_us == 0)
			chaos->windows[i].to_us = clock_now_us();
}
