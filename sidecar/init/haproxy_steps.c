/* `segue init haproxy`, what is left to the person: lines for HAProxy's own files, which segue
 * never changes, and commands, in the order in which clients notice nothing. */
#include <string.h>

#include "init/haproxy_plan.h"
#include "init/unit.h"

#define SOCKET_NEW "stats socket /run/haproxy/admin.sock mode 660 level admin"

const char *haproxy_plan_master(const struct haproxy_plan *init)
{
	return init->is_debians && init->debian.master_socket != NULL ? init->debian.master_socket
	                                                              : DEBIAN_MASTER_SOCKET;
}

static void socket_step(struct haproxy_plan *init)
{
	const struct found_socket *socket = haproxy_survey_socket(&init->found);

	if (socket != NULL && socket->admin)
		return;
	init->restart = true;
	if (socket != NULL) {
		plan_step(init->plan,
		          "Let segue move servers. In %s, line %u becomes:", socket->file,
		          socket->number);
		plan_line(init->plan, "%s level admin", socket->line);
		return;
	}
	plan_step(init->plan, "Let segue reach HAProxy. In %s, in the section `global`, add:",
	          init->found.global_file != NULL ? init->found.global_file : init->main_file);
	plan_line(init->plan, "%s", SOCKET_NEW);
}

static void hard_stop_step(struct haproxy_plan *init)
{
	if (init->found.has_hard_stop)
		return;
	init->restart = true;
	plan_step(init->plan,
	          "An old worker must not keep its clients for days after a reload. In %s, in the "
	          "section `global`, add:",
	          init->found.global_file != NULL ? init->found.global_file : init->main_file);
	plan_line(init->plan, "hard-stop-after 1h");
}

/* The master socket is root's alone, where nothing else is said, and the unit of segue's package
 * runs as user segue, in the group of Debian's HAProxy. */
static bool is_master_closed(const struct haproxy_plan *init)
{
	return init->debian.master_socket != NULL && !debian_master_is_open(&init->debian) &&
	       debian_has_unit(DEBIAN_UNIT);
}

static void arguments_step(struct haproxy_plan *init)
{
	const struct debian_haproxy *debian = &init->debian;
	auto_free char *line = NULL;

	if (!init->is_debians) {
		init->restart = true;
		plan_step(init->plan, "HAProxy has to be started in master-worker mode, and with "
		                      "these among its arguments:");
		plan_line(init->plan, "-W -S %s -f %s -f %s", haproxy_plan_master(init),
		          init->main_file, init->folder);
		return;
	}
	if (init->folder_known && debian->master_socket != NULL && !is_master_closed(init))
		return;
	init->restart = true;
	line = debian_haproxy_arguments(debian, haproxy_plan_master(init),
	                                debian_has_unit(DEBIAN_UNIT),
	                                init->folder_known ? NULL : init->folder);
	plan_step(init->plan,
	          "HAProxy has to load the folder that segue writes to. In %s, in the place of "
	          "any other EXTRAOPTS:",
	          init->plan->options->defaults);
	plan_line(init->plan, "EXTRAOPTS=\"%s\"", line);
}

/* Those that segue's user cannot write to yet: the package's own stay as it has made them. */
static void folder_lines(const struct haproxy_plan *init, struct strbuf *out)
{
	const bool packaged = debian_has_unit(DEBIAN_UNIT);
	const char *const folders[] = {init->folder, "/var/lib/segue", "/run/segue"};
	struct account *account = plan_account(DEBIAN_UNIT, "root");

	for (size_t i = 0; i < (packaged ? 1 : ARRAY_LEN(folders)); i++)
		if (account == NULL || !account_may_write(account, folders[i]))
			strbuf_printf(out, " %s", folders[i]);
	account_free(account);
	if (out->len > 0) {
		auto_free char *names = strbuf_detach(out);

		strbuf_printf(out, "sudo %s%s",
		              packaged ? "install -d -g segue -m 2775" : "mkdir -p", names);
	}
}

static void restart_step(struct haproxy_plan *init)
{
	auto_strbuf struct strbuf folders = STRBUF_INIT;

	folder_lines(init, &folders);
	if (folders.len == 0 && !init->restart)
		return;
	plan_step(init->plan, "%s%s%s:", folders.len > 0 ? "Make the folders" : "",
	          folders.len > 0 && init->restart ? ", and start HAProxy anew" : "",
	          folders.len == 0 ? "Start HAProxy anew" : "");
	if (folders.len > 0)
		plan_line(init->plan, "%s", folders.data);
	if (init->restart)
		plan_line(init->plan, "sudo systemctl restart haproxy");
}

static void old_section_line(struct haproxy_plan *init, const struct found_section *section)
{
	static const char *const kinds[] = {[FOUND_DEFAULTS] = "defaults",
	                                    [FOUND_FRONTEND] = "frontend",
	                                    [FOUND_BACKEND] = "backend",
	                                    [FOUND_LISTEN] = "listen"};

	plan_line(init->plan, "%s %s, in %s (lines %u to %u, as it was read)", kinds[section->kind],
	          section->name, section->file, section->first, section->last);
}

static void old_sections_step(struct haproxy_plan *init)
{
	const struct found_section *sections[] = {init->found.rw, init->found.ro};

	if (sections[0] == NULL && sections[1] == NULL)
		return;
	plan_step(init->plan,
	          "Segue's file takes the place of these sections, and listens at their "
	          "addresses: put a # in front of each of their lines. HAProxy is not to be "
	          "reloaded now: segue does it with its own file there:");
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		if (sections[i] != NULL && sections[i]->frontend != NULL)
			old_section_line(init, sections[i]->frontend);
		if (sections[i] != NULL)
			old_section_line(init, sections[i]);
	}
}

void haproxy_plan_last_steps(struct haproxy_plan *init)
{
	old_sections_step(init);
	plan_run_step(init->plan, DEBIAN_UNIT, NULL);
}

void haproxy_plan_first_steps(struct haproxy_plan *init)
{
	socket_step(init);
	hard_stop_step(init);
	arguments_step(init);
	restart_step(init);
}
