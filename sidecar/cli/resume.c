/* segue resume: releases the clients that segue holds, when segue itself no longer can. For
 * ExecStopPost= of the unit, and for people. What a person paused or disabled stays so. A fence
 * stays too, unless its target is named: a package upgrade must not open it. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cluster/orphaned_holds.h"
#include "config/config.h"
#include "config/last_good.h"
#include "haproxy/hold_record.h"
#include "haproxy/release.h"
#include "pgbouncer/hold_record.h"
#include "target/install.h"

#define RESUME_TIMEOUT_MS 5000

struct outcome {
	size_t opened; /* servers or databases that were held and are released; 0: none */
	bool fenced;   /* a fence was left as it is */
};

static bool resume_pgbouncer(const struct config *config, const struct config_target *target,
                             bool named, struct outcome *out, struct err *err)
{
	struct pgbouncer_hold_record record;
	bool ok = pgbouncer_hold_record_init(&record, config->state_dir, target->name, err);

	out->fenced = ok && record.fence && !named;
	out->opened = ok && !out->fenced ? record.count : 0;
	if (out->opened > 0)
		ok = pgbouncer_resume(target->console, &record, RESUME_TIMEOUT_MS, err);
	pgbouncer_hold_record_fini(&record);
	return ok;
}

static bool open_servers(const struct config_target *target, struct haproxy_hold_record *note,
                         size_t *count, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct haproxy_release_job job = {
	    .socket = target->socket, .record = note, .timeout_ms = RESUME_TIMEOUT_MS};
	bool ok = file_read(target->output, INSTALL_MAX, &text, NULL, err);

	job.text = text.data;
	job.len = text.len;
	if (!ok || !haproxy_release_wait(&job, count, err))
		return false;
	haproxy_hold_record_set(note, HAPROXY_RECORD_NONE, NULL, NULL);
	return haproxy_hold_record_save(note, 0, err);
}

static bool resume_haproxy(const struct config *config, const struct config_target *target,
                           bool named, struct outcome *out, struct err *err)
{
	struct haproxy_hold_record note;
	bool ok = haproxy_hold_record_init(&note, config->state_dir, target->name, err);

	out->fenced = ok && note.kind == HAPROXY_RECORD_FENCE && !named;
	if (ok && note.kind != HAPROXY_RECORD_NONE && !out->fenced)
		ok = open_servers(target, &note, &out->opened, err);
	haproxy_hold_record_fini(&note);
	return ok;
}

static bool resume_and_tell(const struct config *config, const struct config_target *target,
                            bool named)
{
	bool is_haproxy = target->kind == CONFIG_TARGET_HAPROXY;
	const char *kind = config_target_kind_name(target->kind);
	struct outcome outcome = {0};
	struct err err;

	if (!(is_haproxy ? resume_haproxy(config, target, named, &outcome, &err)
	                 : resume_pgbouncer(config, target, named, &outcome, &err))) {
		fprintf(stderr, "segue resume: %s/%s: %s\n", kind, target->name, err.message);
		return false;
	}
	if (outcome.fenced)
		printf("%s/%s: the fence stays: no client may reach the last primary; to open it "
		       "anyway: segue resume %s\n",
		       kind, target->name, target->name);
	if (outcome.opened > 0)
		printf("%s/%s: %zu %s%s %s\n", kind, target->name, outcome.opened,
		       is_haproxy ? "server" : "database", outcome.opened > 1 ? "s" : "",
		       is_haproxy ? "opened" : "resumed");
	return true;
}

/* segue.ini has no section for this target any more: the hold record says where the proxy and its
 * output are. */
static bool resume_left(const struct config *config, const struct orphaned_hold *note, bool named)
{
	const char *kind = config_target_kind_name(note->kind);
	const struct config_target target = {.kind = note->kind,
	                                     .name = note->name,
	                                     .console = note->place,
	                                     .socket = note->place,
	                                     .output = note->output};

	if (note->place != NULL && note->output != NULL) {
		printf(
		    "%s/%s: segue.ini has no such section any more: its hold record %s is used\n",
		    kind, note->name, note->path);
		return resume_and_tell(config, &target, named);
	}
	fprintf(
	    stderr,
	    "segue resume: %s/%s: segue.ini has no [%s %s] any more, and its hold record %s, of "
	    "an older segue, does not say where it is: %s, then remove that file\n",
	    kind, note->name, kind, note->name, note->path,
	    note->kind == CONFIG_TARGET_PGBOUNCER
	        ? "type RESUME with the name of each of its \"databases\" on that PgBouncer's "
	          "console"
	        : "reload that HAProxy, which then uses the addresses in its file");
	return false;
}

/* True if a hold record of that kind and name is in the list: then that record is about another
 * proxy than this target. */
static bool is_left(const struct orphaned_hold *notes, size_t count,
                    const struct config_target *target)
{
	for (size_t i = 0; i < count; i++)
		if (notes[i].kind == target->kind && strcmp(notes[i].name, target->name) == 0)
			return true;
	return false;
}

static int resume_all(const struct config *config, const char *name, bool only_gone)
{
	size_t count;
	struct orphaned_hold *notes = orphaned_holds_find(config, &count);
	bool found = false, ok = true;

	for (size_t i = 0; i < count; i++) {
		if (name != NULL && strcmp(name, notes[i].name) != 0)
			continue;
		found = true;
		ok = resume_left(config, &notes[i], name != NULL) && ok;
	}
	for (size_t i = 0; i < config->target_count && !only_gone; i++) {
		const struct config_target *target = &config->targets[i];

		if (target->kind == CONFIG_TARGET_FILE || is_left(notes, count, target) ||
		    (name != NULL && strcmp(name, target->name) != 0))
			continue;
		found = true;
		ok = resume_and_tell(config, target, name != NULL) && ok;
	}
	orphaned_holds_free(notes, count);
	if (found || name == NULL)
		return ok ? CMD_OK : CMD_FAILED;
	fprintf(stderr, "segue resume: there is no [haproxy %s] or [pgbouncer %s] in %s\n", name,
	        name, config->file);
	return CMD_USAGE;
}

static int run(const char *config_file, const char *name, bool only_gone)
{
	auto_strbuf struct strbuf ignored = STRBUF_INIT;
	struct config *config = cmd_load(config_file);
	int code = CMD_USAGE;

	if (config == NULL) {
		config = last_good_load(&ignored);
		if (config != NULL)
			fprintf(
			    stderr,
			    "segue resume: the configuration that segue run accepted last is used: %s\n",
			    config->file);
		else
			fputs(
			    "segue resume: the configuration that segue run accepted last is not known "
			    "either: correct the file, or use -c with " LAST_CONFIG_NAME
			    " of its state_dir\n",
			    stderr);
	}
	if (config != NULL)
		code = resume_all(config, name, only_gone);
	config_free(config);
	return code;
}

int cmd_resume(int argc, char **argv)
{
	struct cmd_args args;
	bool gone = false;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue resume [-c FILE] [--gone] [TARGET]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE ")\n"
	        "  --gone             only targets that are no longer in the configuration\n"
	        "\n"
	        "Releases the clients that segue holds, of TARGET (the name of a section) or of all.\n"
	        "[pgbouncer]: RESUMEs every database that segue has paused. [haproxy]: sets the servers\n"
	        "that segue holds to the addresses in the installed file. A fence is opened only if\n"
	        "TARGET is given; otherwise the targets that stay fenced are listed. What a person has\n"
	        "paused or disabled stays as it is. Use it after segue has stopped (ExecStopPost=): a\n"
	        "running segue would hold them again.\n" CMD_EXIT_CODES,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args), {.name = "gone", .flag = &gone}}};
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	return run(args.config_file, args.words[0], gone);
}
