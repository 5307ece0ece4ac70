/* What people do without segue: a watcher in the manner of confd, which writes HAProxy's file,
 * checks it with haproxy -c, and reloads. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

static bool file_is_good(const struct rival *rival)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execlp("haproxy", "haproxy", "-c", "-q", "-f", rival->main_file, "-f",
		       rival->conf_dir, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void install_and_reload(uint16_t port, void *arg)
{
	struct rival *rival = arg;
	const char *file = lab_printf(rival->lab, "%s/%s.cfg", rival->conf_dir, rival->route.name);

	rival->route.servers[rival->route.now] = port;
	lab_write_file(file, route_config(rival->lab, &rival->route));
	if (file_is_good(rival))
		kill(rival->haproxy, SIGUSR2);
}

int confd_main(void *rival)
{
	const struct rival *self = rival;

	return watch_port(self->zookeeper, self->route.path, install_and_reload, rival);
}
