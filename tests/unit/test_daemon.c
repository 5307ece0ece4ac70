/* What systemd hears of a daemon, on a socket that stands for its own. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/daemon.h"

struct stage {
	const char *awaited; /* what has to be heard, too, before a signal comes; or NULL */
	struct daemon *daemon;
	int fd;
	bool ready, takes;
	const char *text;
	int signals[4]; /* each is raised when the one before has been dealt with */
	size_t signal;
	char dir[32], path[64];
	char heard[4096];
};

static void listen_as_systemd(struct stage *stage)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(stage->dir, sizeof(stage->dir), "/tmp/segue-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(stage->dir));
	snprintf(stage->path, sizeof(stage->path), "%s/notify", stage->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", stage->path);
	stage->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(stage->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", stage->path, 1);
}

static void raise_next(struct stage *stage)
{
	raise(stage->signals[stage->signal++]);
}

static bool on_status(struct strbuf *text, void *arg)
{
	struct stage *stage = arg;

	strbuf_append_str(text, stage->text);
	return stage->ready;
}

static void on_reload(void *arg)
{
	struct stage *stage = arg;

	daemon_reloaded(stage->daemon, stage->takes ? NULL : "a.ini line 3: bad\nmore\n");
	raise_next(stage);
}

/* Everything that is there, with a | behind each word. */
static void hear(struct stage *stage)
{
	char word[1024];
	ssize_t len;

	while ((len = recv(stage->fd, word, sizeof(word) - 1, 0)) >= 0) {
		size_t used = strlen(stage->heard);

		snprintf(stage->heard + used, sizeof(stage->heard) - used, "%.*s|", (int)len, word);
	}
}

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct stage *stage = arg;

	(void)fd;
	(void)what;
	hear(stage);
	if (strstr(stage->heard, "READY=1") != NULL && stage->signal == 0 &&
	    (stage->awaited == NULL || strstr(stage->heard, stage->awaited) != NULL))
		raise_next(stage);
}

static void play(struct stage *stage)
{
	const struct daemon_options options = {
	    .verb = "test", .reload = on_reload, .status = on_status, .arg = stage};
	const struct timeval soon = {.tv_usec = 5000};
	struct event *poll;

	log_configure(LOG_ERROR, LOG_TEXT);
	listen_as_systemd(stage);
	stage->daemon = daemon_create(&options);
	poll = event_new(daemon_base(stage->daemon), -1, EV_PERSIST, on_poll, stage);
	event_add(poll, &soon);
	daemon_serve(stage->daemon);
	hear(stage);
	event_free(poll);
	daemon_destroy(stage->daemon);
	close(stage->fd);
	unlink(stage->path);
	rmdir(stage->dir);
}

Test(daemon, systemd_hears_ready_with_what_is_done_and_of_the_end)
{
	struct stage stage = {.ready = true, .text = "all well\n", .signals = {SIGTERM}};

	play(&stage);
	cr_assert_str_eq(stage.heard, "STATUS=all well\nREADY=1|STOPPING=1\nSTATUS=stopping|");
}

Test(daemon, a_reload_is_told_with_its_time_and_its_end)
{
	struct stage stage = {
	    .ready = true, .takes = true, .text = "fine", .signals = {SIGHUP, SIGTERM}};
	const char *reloading;

	play(&stage);
	reloading = strstr(stage.heard, "|RELOADING=1\nMONOTONIC_USEC=");
	cr_assert_not_null(reloading);
	cr_assert_not_null(strstr(reloading, "|STATUS=fine\nREADY=1|"), "%s", stage.heard);
}

Test(daemon, a_reload_that_is_refused_is_ready_too_and_the_status_says_so)
{
	struct stage stage = {.ready = true, .text = "fine", .signals = {SIGHUP, SIGTERM}};

	play(&stage);
	cr_assert_not_null(strstr(stage.heard, "STATUS=CONFIG REFUSED since 2"), "%s", stage.heard);
	cr_assert_not_null(strstr(stage.heard,
	                          ", the previous configuration is in force: a.ini line 3: bad "
	                          "(the log has more); fine\nREADY=1|"),
	                   "%s", stage.heard);
}

static void become_ready(evutil_socket_t fd, short what, void *arg)
{
	struct stage *stage = arg;

	(void)fd;
	(void)what;
	stage->ready = true;
	stage->text = "done";
}

Test(daemon, not_ready_is_a_status_alone_and_problems_are_one_line)
{
	struct stage stage = {.text = "waiting for\x01\nthis", .signals = {SIGTERM}};
	const struct daemon_options options = {.verb = "test", .status = on_status, .arg = &stage};
	const struct timeval soon = {.tv_usec = 50000};
	struct event *poll, *later;

	log_configure(LOG_ERROR, LOG_TEXT);
	listen_as_systemd(&stage);
	stage.daemon = daemon_create(&options);
	poll = event_new(daemon_base(stage.daemon), -1, EV_PERSIST, on_poll, &stage);
	later = event_new(daemon_base(stage.daemon), -1, 0, become_ready, &stage);
	event_add(poll, &soon);
	event_add(later, &soon);
	daemon_serve(stage.daemon);
	cr_assert_eq(
	    strncmp(stage.heard, "STATUS=waiting for\\x01; this\n|STATUS=done\nREADY=1|", 47), 0,
	    "%s", stage.heard);
	event_free(poll);
	event_free(later);
	daemon_destroy(stage.daemon);
	close(stage.fd);
	unlink(stage.path);
	rmdir(stage.dir);
}

Test(daemon, the_watchdog_of_this_process_is_fed)
{
	struct stage stage = {
	    .ready = true, .text = "fine", .awaited = "WATCHDOG=1|", .signals = {SIGTERM}};
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "3000", 1);
	play(&stage);
	cr_assert_not_null(strstr(stage.heard, "WATCHDOG=1|"), "%s", stage.heard);
}

Test(daemon, the_watchdog_of_another_process_is_not)
{
	struct stage stage = {.ready = true, .text = "fine", .signals = {SIGTERM}};

	setenv("WATCHDOG_PID", "1", 1);
	setenv("WATCHDOG_USEC", "3000", 1);
	play(&stage);
	cr_assert_null(strstr(stage.heard, "WATCHDOG"), "%s", stage.heard);
}
