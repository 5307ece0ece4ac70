/* The fixture of the driver tests; see the header. */
#include "e2e/driver.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cluster/target_kinds.h"
#include "unit/loop.h"

static void open_target(struct driver *driver)
{
	driver->base = event_base_new();
	driver->hub = target_hub_create(driver->base);
	driver->target =
	    target_create(driver->hub, &driver->config, lab_path(driver->lab, "state"), NULL, NULL);
	cr_assert_not_null(driver->target);
}

static void close_target(struct driver *driver)
{
	target_destroy(driver->target);
	target_hub_destroy(driver->hub);
	loop_for(driver->base, 50); /* reaps what was killed */
	event_base_free(driver->base);
}

void driver_init(struct driver *driver)
{
	struct lab *lab = lab_create("driver");
	int fd;

	*driver = (struct driver){.lab = lab,
	                          .a = lab_backend_start(lab, "a"),
	                          .b = lab_backend_start(lab, "b"),
	                          .c = lab_backend_start(lab, "c"),
	                          .rw = lab_port(lab),
	                          .ro = lab_port(lab),
	                          .zxid = 100};
	driver->haproxy = lab_haproxy_create(lab, NULL);
	lab_haproxy_start(driver->haproxy);
	driver->log = lab_path(lab, "segue.log");
	fd = open(driver->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	dup2(fd, STDERR_FILENO);
	close(fd);
	cr_assert_eq(lab_run(lab, (const char *[]){"mkdir", lab_path(lab, "state"), NULL}, NULL),
	             0);
	driver->config = (struct config_target){
	    .kind = CONFIG_TARGET_HAPROXY,
	    .name = xstrdup("local"),
	    .cluster = xstrdup("orders"),
	    .output = xstrdup(lab_printf(lab, "%s/t.cfg", lab_haproxy_conf_dir(driver->haproxy))),
	    .owner = xstrdup(""),
	    .mode = 0644,
	    .socket = xstrdup(lab_haproxy_socket(driver->haproxy)),
	    .master_socket = xstrdup(lab_haproxy_master_socket(driver->haproxy)),
	    .check_command = xstrdup(
	        lab_printf(lab, "haproxy -c -f %s -f {}", lab_haproxy_main_file(driver->haproxy))),
	    .reload_command = xstrdup(""),
	};
	open_target(driver);
}

void driver_fini(struct driver *driver)
{
	close_target(driver);
	free(driver->config.name);
	free(driver->config.cluster);
	free(driver->config.output);
	free(driver->config.owner);
	free(driver->config.socket);
	free(driver->config.master_socket);
	free(driver->config.check_command);
	free(driver->config.reload_command);
	lab_destroy(driver->lab);
}

void driver_restart(struct driver *driver)
{
	close_target(driver);
	open_target(driver);
}

const char *driver_server(struct driver *driver, const char *name, struct lab_backend *backend,
                          const char *params)
{
	return lab_printf(driver->lab, "  server %s 127.0.0.1:%u %s\n", name,
	                  backend != NULL ? lab_backend_port(backend) : 1, params);
}

const char *driver_text(struct driver *driver, const char *rw, const char *ro, const char *more)
{
	return lab_printf(driver->lab,
	                  "defaults t\n  mode tcp\n  timeout connect 100ms\n"
	                  "  timeout client 1h\n  timeout server 1h\n"
	                  "  timeout queue 5m\n  retries 600\n  option redispatch 2\n"
	                  "frontend t_rw_in from t\n  bind 127.0.0.1:%u\n  default_backend t_rw\n"
	                  "frontend t_ro_in from t\n  bind 127.0.0.1:%u\n  default_backend t_ro\n"
	                  "backend t_rw from t\n%s%sbackend t_ro from t\n%s",
	                  driver->rw, driver->ro, more, rw, ro);
}

void driver_set(struct driver *driver, const char *text)
{
	int64_t now = clock_now_us();
	const struct desired desired = {.text = text,
	                                .len = strlen(text),
	                                .zxid = ++driver->zxid,
	                                .notified_us = now,
	                                .read_us = now,
	                                .rendered_us = now};
	struct err err;

	cr_assert(target_set_desired(driver->target, &desired, &err), "%s", err.message);
}

static bool in_sync(struct driver *driver)
{
	struct target_status status;

	target_status(driver->target, &status);
	return status.in_sync && status.zxid == driver->zxid;
}

bool driver_wait_sync(struct driver *driver)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;
	struct target_status status;

	while (!in_sync(driver) && clock_now_ms() < until)
		loop_for(driver->base, 1);
	if (in_sync(driver))
		return true;
	target_status(driver->target, &status);
	printf("not in sync: step %s, problem '%s', log:\n%s\n", status.step, status.problem,
	       lab_read_file(driver->lab, driver->log));
	return false;
}

bool driver_wait_problem(struct driver *driver, const char *words)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;
	struct target_status status;

	do {
		loop_for(driver->base, 1);
		target_status(driver->target, &status);
		if (strstr(status.problem, words) != NULL)
			return true;
	} while (clock_now_ms() < until);
	printf("problem is '%s', log:\n%s\n", status.problem,
	       lab_read_file(driver->lab, driver->log));
	return false;
}

void driver_apply(struct driver *driver, const char *text)
{
	driver_set(driver, text);
	cr_assert(driver_wait_sync(driver));
}

void driver_run(struct driver *driver, int64_t ms)
{
	loop_for(driver->base, ms);
}

bool driver_reaches(uint16_t port, const char *name)
{
	char got[LAB_NAME_MAX];

	return strcmp(lab_reach(port, got), name) == 0;
}

bool driver_file_is(struct driver *driver, const char *text)
{
	return strcmp(lab_read_file(driver->lab, driver->config.output), text) == 0;
}

int driver_count_log(struct driver *driver, const char *words)
{
	const char *log = lab_read_file(driver->lab, driver->log);
	int count = 0;

	for (; (log = strstr(log, words)) != NULL; log++)
		count++;
	return count;
}

const char *driver_ask(struct driver *driver, const char *command)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;

	cr_assert(lab_haproxy_command(driver->haproxy, command, &reply), "%s", command);
	return lab_printf(driver->lab, "%s", reply.data);
}

int driver_open_session(uint16_t port, const char *name)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons(port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char got[16] = "";

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -1;
	if (name == NULL)
		return fd;
	cr_assert_eq(recv(fd, got, strlen(name) + 1, MSG_WAITALL), (ssize_t)strlen(name) + 1);
	return strncmp(got, name, strlen(name)) == 0 ? fd : -1;
}

bool driver_session_lives(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	return got > 0 || (got < 0 && poll(NULL, 0, 0) == 0);
}

/* What a wait is for: one of these, by `is`. */
struct wanted {
	struct driver *driver;
	const char *text, *server;
	int number;
};

static bool wait_for(bool (*is)(const struct wanted *wanted), const struct wanted *wanted)
{
	int64_t until = clock_now_ms() + DRIVER_TIMEOUT_MS;

	while (!is(wanted) && clock_now_ms() < until)
		driver_run(wanted->driver, 5);
	return is(wanted);
}

static bool is_logged(const struct wanted *wanted)
{
	return driver_count_log(wanted->driver, wanted->text) >= wanted->number;
}

bool driver_wait_log(struct driver *driver, const char *words, int count)
{
	return wait_for(is_logged, &(struct wanted){driver, words, NULL, count});
}

static bool is_file(const struct wanted *wanted)
{
	return driver_file_is(wanted->driver, wanted->text);
}

bool driver_wait_file(struct driver *driver, const char *text)
{
	return wait_for(is_file, &(struct wanted){driver, text, NULL, 0});
}

static bool is_ended(const struct wanted *wanted)
{
	return !driver_session_lives(wanted->number);
}

bool driver_wait_ended(struct driver *driver, int session)
{
	return wait_for(is_ended, &(struct wanted){driver, NULL, NULL, session});
}

static bool is_gone(const struct wanted *wanted)
{
	return strstr(driver_ask(wanted->driver, wanted->text), wanted->server) == NULL;
}

bool driver_wait_gone(struct driver *driver, const char *backend, const char *server)
{
	const char *ask = lab_printf(driver->lab, "show servers conn %s", backend);
	const char *name = lab_printf(driver->lab, "%s/%s", backend, server);

	return wait_for(is_gone, &(struct wanted){driver, ask, name, 0});
}
