/* HAProxy in master-worker mode, the way Debian's unit runs it: a main file and a conf.d folder,
 * with an admin socket and the master's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/internal.h"

#define COMMAND_TIMEOUT_MS 5000
#define RELOAD_TIMEOUT_MS  5000

struct lab_haproxy {
	struct lab *lab;
	struct lab_process *process;
	const char *main_file, *conf_dir, *socket, *master_socket;
	pid_t old_worker; /* while a reload is awaited */
};

static const char main_config[] = "global\n"
                                  "\tstats socket %s mode 600 level admin expose-fd listeners\n"
                                  "\tstats timeout 10s\n"
                                  "\thard-stop-after 30s\n"
                                  "\tmaxconn 4000\n"
                                  "defaults\n"
                                  "\tmode tcp\n"
                                  "\ttimeout connect 1s\n"
                                  "\ttimeout client 1m\n"
                                  "\ttimeout server 1m\n"
                                  "%s\n";

struct lab_haproxy *lab_haproxy_create(struct lab *lab, const char *config)
{
	struct lab_haproxy *haproxy = lab_alloc(lab, sizeof(*haproxy), NULL);
	const char *dir = lab_printf(lab, "%s/haproxy%u", lab->dir, lab->counter++);

	haproxy->lab = lab;
	haproxy->process = process_create(lab, "haproxy");
	haproxy->main_file = lab_printf(lab, "%s/main.cfg", dir);
	haproxy->conf_dir = lab_printf(lab, "%s/conf.d", dir);
	haproxy->socket = lab_printf(lab, "%s/admin.sock", dir);
	haproxy->master_socket = lab_printf(lab, "%s/master.sock", dir);
	if (mkdir(dir, 0755) != 0 || mkdir(haproxy->conf_dir, 0755) != 0)
		lab_fail("cannot make %s", haproxy->conf_dir);
	lab_write_file(haproxy->main_file,
	               lab_printf(lab, main_config, haproxy->socket, config != NULL ? config : ""));
	return haproxy;
}

const char *lab_haproxy_conf_dir(const struct lab_haproxy *haproxy)
{
	return haproxy->conf_dir;
}

const char *lab_haproxy_main_file(const struct lab_haproxy *haproxy)
{
	return haproxy->main_file;
}

const char *lab_haproxy_socket(const struct lab_haproxy *haproxy)
{
	return haproxy->socket;
}

const char *lab_haproxy_master_socket(const struct lab_haproxy *haproxy)
{
	return haproxy->master_socket;
}

struct lab_process *lab_haproxy_process(struct lab_haproxy *haproxy)
{
	return haproxy->process;
}

bool lab_haproxy_command(struct lab_haproxy *haproxy, const char *command, struct strbuf *reply)
{
	auto_free char *line = xasprintf("%s\n", command);
	auto_close int fd = net_connect_unix(haproxy->socket, COMMAND_TIMEOUT_MS);

	return fd >= 0 && net_ask(fd, line, reply);
}

pid_t lab_haproxy_worker(struct lab_haproxy *haproxy)
{
	auto_strbuf struct strbuf info = STRBUF_INIT;
	const char *pid;

	if (!lab_haproxy_command(haproxy, "show info", &info))
		return 0;
	pid = strstr(info.data, "\nPid: ");
	return pid != NULL ? (pid_t)strtol(pid + strlen("\nPid: "), NULL, 10) : 0;
}

/* A signal that reaches the master before its loop runs is lost: it has to answer too. */
static bool master_answers(const struct lab_haproxy *haproxy)
{
	auto_strbuf struct strbuf procs = STRBUF_INIT;
	auto_close int fd = net_connect_unix(haproxy->master_socket, COMMAND_TIMEOUT_MS);

	return fd >= 0 && net_ask(fd, "show proc;quit\n", &procs) && procs.len > 0;
}

static bool answers(void *arg)
{
	return lab_haproxy_worker(arg) != 0 && master_answers(arg);
}

/* A worker that an earlier run left behind would answer on the old socket's path. */
void lab_haproxy_start(struct lab_haproxy *haproxy)
{
	const char *argv[] = {"haproxy",
	                      "-W",
	                      "-db",
	                      "-S",
	                      haproxy->master_socket,
	                      "-f",
	                      haproxy->main_file,
	                      "-f",
	                      haproxy->conf_dir,
	                      NULL};

	unlink(haproxy->socket);
	unlink(haproxy->master_socket);
	process_exec(haproxy->process, argv, false);
	process_wait_ready(haproxy->process, answers, haproxy, "does not answer on its socket");
}

static bool has_new_worker(void *arg)
{
	struct lab_haproxy *haproxy = arg;
	pid_t worker = lab_haproxy_worker(haproxy);

	return worker != 0 && worker != haproxy->old_worker && master_answers(haproxy);
}

bool lab_haproxy_reload(struct lab_haproxy *haproxy)
{
	haproxy->old_worker = lab_haproxy_worker(haproxy);
	lab_process_signal(haproxy->process, SIGUSR2);
	return lab_wait_until(has_new_worker, haproxy, RELOAD_TIMEOUT_MS);
}
