/* The way to the primary, open or closed; see the header. */
#include "door.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

struct driver d;

void door_setup(void)
{
	driver_init(&d);
}

void door_teardown(void)
{
	driver_fini(&d);
}

const char *door_text_at(struct lab_backend *rw, const char *params, const char *more)
{
	return driver_text(&d, driver_server(&d, "primary", rw, params),
	                   driver_server(&d, "r1", d.c, ""), more);
}

void door_set_text(struct lab_backend *primary, const char *text)
{
	const struct desired desired = {.text = text,
	                                .len = strlen(text),
	                                .zxid = ++d.zxid,
	                                .notified_us = clock_now_us(),
	                                .primary = "127.0.0.1",
	                                .primary_port = lab_backend_port(primary)};
	struct err err;

	cr_assert(target_set_desired(d.target, &desired, &err), "%s", err.message);
}

void door_set(struct lab_backend *primary)
{
	door_set_text(primary, door_text_at(primary, "", ""));
}

void door_apply(struct lab_backend *primary)
{
	door_set(primary);
	cr_assert(driver_wait_sync(&d));
}

const char *door_step(void)
{
	struct target_status status;

	target_status(d.target, &status);
	cr_assert_not(status.in_sync && strcmp(status.step, "holding") == 0);
	return status.step;
}

void door_hold(int64_t episode, int64_t timeout_ms)
{
	int held = driver_count_log(&d, "event=held ");

	target_hold(d.target, episode, timeout_ms, false);
	cr_assert(driver_wait_log(&d, "event=held ", held + 1));
	cr_assert_str_eq(door_step(), "holding");
}

void door_fence(int64_t episode)
{
	target_fence(d.target, episode);
	cr_assert(driver_wait_log(&d, "event=fenced ", 1));
	cr_assert_str_eq(door_step(), "fenced");
}

/* Word `number` of the line of `show servers state` for t_rw/primary. */
static const char *live_word(int number)
{
	char word[64] = "";
	const char *at = strstr(driver_ask(&d, "show servers state t_rw"), " t_rw 1 primary ");

	cr_assert_not_null(at);
	for (at++; number > 2; number--)
		at = strchr(at, ' ') + 1;
	sscanf(at, "%63s", word);
	return lab_printf(d.lab, "%s", word);
}

bool door_leads_to(struct lab_backend *backend)
{
	return strcmp(live_word(19), lab_printf(d.lab, "%u", lab_backend_port(backend))) == 0;
}

bool door_is_checked(void)
{
	return (strtol(live_word(14), NULL, 10) & 4) != 0;
}

/* Column `number` of the lines of t_rw in `show stat`, of this name. */
static long stat_column(const char *name, int number)
{
	const char *at =
	    strstr(driver_ask(&d, "show stat t_rw 6 -1"), lab_printf(d.lab, "t_rw,%s,", name));

	cr_assert_not_null(at);
	for (; number > 0; number--)
		at = strchr(at, ',') + 1;
	return strtol(at, NULL, 10);
}

long door_limit(void)
{
	return stat_column("primary", 6);
}

long door_queued(void)
{
	return stat_column("primary", 2) + stat_column("BACKEND", 2);
}

static bool wait_for(long (*number)(void), long wanted)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;

	while (number() != wanted && clock_now_ms() < until)
		driver_run(&d, 5);
	return number() == wanted;
}

bool door_wait_limit(long limit)
{
	return wait_for(door_limit, limit);
}

bool door_wait_queued(long clients)
{
	return wait_for(door_queued, clients);
}

bool door_has_note(void)
{
	return access(lab_path(d.lab, "state/haproxy-local.held"), F_OK) == 0;
}

void door_crash_and_restart(void)
{
	const char *path = lab_path(d.lab, "state/haproxy-local.held");
	char *owner, *note = (char *)lab_read_file(d.lab, path);

	owner = strstr(note, "\"owner\": \"");
	cr_assert_not_null(owner, "%s", note);
	owner[strlen("\"owner\": \"")] = 'x';
	lab_write_file(path, note);
	driver_restart(&d);
}

/* --- clients that wait --- */

static bool got_name(int fd, const char *name)
{
	char got[LAB_NAME_MAX] = "";
	ssize_t len = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT | MSG_PEEK);

	return len == (ssize_t)strlen(name) + 1 && strncmp(got, name, strlen(name)) == 0;
}

bool door_wait_name(int fd, const char *name)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;

	while (!got_name(fd, name) && driver_session_lives(fd) && clock_now_ms() < until)
		driver_run(&d, 2);
	return got_name(fd, name);
}

bool door_is_waiting(int fd)
{
	char byte;

	return driver_session_lives(fd) && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}
