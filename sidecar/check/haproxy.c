/* `segue check`, the running HAProxies: do the sockets answer, with the level that a move needs,
 * and what was HAProxy started with? Only questions are sent. */
#include <event2/event.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "apply/haproxy_socket.h"
#include "apply/haproxy_state.h"
#include "check/check.h"
#include "check/settings.h"
#include "config/index.h"

#define ANSWER_MAX_MS 3000

/* Needs level admin, and names a server that cannot be: the answer to "no such backend" is yes. */
#define ADMIN_QUESTION "set server segue-check-no-such-backend/none weight 1"

struct answer {
	bool fine;
	struct strbuf *reply;
	struct err *err;
};

static void take_answer(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct answer *answer = arg;

	answer->fine = reply != NULL;
	if (reply != NULL)
		strbuf_append(answer->reply, reply, len);
	else
		*answer->err = *err;
}

static bool ask(struct check *check, const char *path, bool master, const char *line,
                struct strbuf *reply, struct err *err)
{
	struct answer answer = {.reply = reply, .err = err};

	if (haproxy_batch_send(check->base, path, master, line, ANSWER_MAX_MS, take_answer,
	                       &answer) == NULL)
		return err_set(err, "no connection was tried");
	event_base_dispatch(check->base); /* until nothing is left to wait for */
	return answer.fine;
}

static void check_level(struct check *check, const char *what, const char *path)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct err err;

	if (!ask(check, path, false, ADMIN_QUESTION, &reply, &err))
		check_note(check, CHECK_FAIL, what, NULL, "%s: %s", path, err.message);
	else if (strcasestr(reply.data, "permission denied") != NULL)
		check_note(check, CHECK_FAIL, what, HAPROXY_ADMIN_CURE,
		           "%s does not let servers be changed", path);
	else
		check_note(check, CHECK_OK, what, NULL, "%s has level admin", path);
}

/* The pid, or 0. */
static int64_t check_socket(struct check *check, const char *what, const char *path)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct haproxy_info info;
	struct err err;

	if (check_is_shut(check, path)) {
		check_denied(check, CHECK_FAIL, what, "connect to", path);
		return 0;
	}
	if (!ask(check, path, false, "show info", &reply, &err)) {
		auto_free char *line = xasprintf(
		    "is HAProxy up? In the section global of haproxy.cfg there has to be: stats "
		    "socket %s mode 660 level admin",
		    path);
		auto_free char *fix = check_socket_fix(path, line);

		check_note(check, CHECK_FAIL, what, fix, "stats socket %s: %s", path, err.message);
		return 0;
	}
	if (!haproxy_info_parse(reply.data, reply.len, &info, &err)) {
		check_note(check, CHECK_FAIL, what, "name HAProxy's stats socket", "%s: %s", path,
		           err.message);
		return 0;
	}
	check_note(check, info.stopping ? CHECK_WARN : CHECK_OK, what, NULL,
	           "%s: HAProxy %s, pid %" PRId64 "%s", path, info.version, info.pid,
	           info.stopping ? ", an old worker that is stopping" : "");
	check_level(check, what, path);
	return info.pid;
}

static char *master_fix(const struct config_target *target)
{
	const char *path = target->master_socket;
	auto_free char *line = check_haproxy_arguments(target, NULL);
	auto_free char *make = xasprintf("HAProxy makes it when it is started with -W -S; Debian: "
	                                 "%s in /etc/default/haproxy, then systemctl restart "
	                                 "haproxy",
	                                 line);

	if (access(path, F_OK) == 0 && access(path, W_OK) != 0)
		return xasprintf("it is root's alone: run segue as root, or open it to a group of "
		                 "segue's user: %s in /etc/default/haproxy, then systemctl "
		                 "restart haproxy",
		                 line);
	return check_socket_fix(path, make);
}

static bool has_worker(const struct haproxy_procs *procs, int64_t pid)
{
	for (size_t i = 0; i < procs->old_count; i++)
		if (procs->old_pids[i] == pid)
			return true;
	return procs->worker_pid == pid;
}

/* `pid`: of who answers at the stats socket; 0: not known. */
static void check_master(struct check *check, const char *what, const struct config_target *target,
                         int64_t pid)
{
	const char *path = target->master_socket;
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	struct haproxy_procs procs;
	struct err err;

	if (check_is_shut(check, path)) {
		check_denied(check, CHECK_FAIL, what, "connect to", path);
		return;
	}
	if (!ask(check, path, true, "show proc", &reply, &err) ||
	    !haproxy_procs_parse(reply.data, reply.len, &procs, &err)) {
		auto_free char *fix = master_fix(target);

		check_note(check, CHECK_FAIL, what, fix, "master socket %s: %s", path, err.message);
		return;
	}
	check_note(check, procs.failed > 0 ? CHECK_WARN : CHECK_OK, what,
	           procs.failed > 0 ? "haproxy -c says what is wrong with its files" : NULL,
	           "%s: master %" PRId64 ", worker %" PRId64 ", old workers %zu, failed reloads %u",
	           path, procs.master_pid, procs.worker_pid, procs.old_count, procs.failed);
	if (pid != 0 && !has_worker(&procs, pid))
		check_note(check, CHECK_FAIL, what,
		           "correct the one that is another HAProxy's: servers are changed over "
		           "socket, and master_socket reloads",
		           "pid %" PRId64 " answers at %s, and is no worker of the master at %s",
		           pid, target->socket, path);
	haproxy_procs_free(&procs);
}

void check_haproxies(struct check *check)
{
	struct config_index sockets = {.root = NULL}, masters = {.root = NULL};
	int64_t pid;

	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];
		auto_free char *what = check_target_name(target);

		if (target->kind != CONFIG_TARGET_HAPROXY)
			continue;
		pid = 0;
		if (config_index_add(&sockets, target->socket, 0, i) == NULL) {
			pid = check_socket(check, what, target->socket);
			check_settings(check, target, pid);
		}
		if (*target->master_socket != '\0' &&
		    config_index_add(&masters, target->master_socket, 0, i) == NULL)
			check_master(check, what, target, pid);
	}
	config_index_free(&sockets);
	config_index_free(&masters);
}
