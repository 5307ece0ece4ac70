/* Hold records without a target; see the header. A record names the console or socket of its proxy.
 * They are released in a child process, so that a proxy that does not answer does not delay the
 * targets of segue.ini. */
#include "cluster/orphaned_holds.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "haproxy/hold_record.h"
#include "pgbouncer/hold_record.h"
#include "target/command.h"
#include "topology/layout_fields.h"

#define CHILD_MS       30000
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   30000

/* A FILE target has none. */
static const struct {
	const char *prefix, *suffix;
} files[] = {[CONFIG_TARGET_HAPROXY] = {"haproxy-", ".held"},
             [CONFIG_TARGET_PGBOUNCER] = {"pgbouncer-", ".paused"}};

/* `more`: a suffix that no section name can contain, or "". */
static char *record_path(const struct config *config, enum config_target_kind kind,
                         const char *name, const char *more)
{
	return xasprintf("%s/%s%s%s%s", config->state_dir, files[kind].prefix, name, more,
	                 files[kind].suffix);
}

static const struct config_target *find_target(const struct config *config,
                                               enum config_target_kind kind, const char *name)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == kind && strcmp(config->targets[i].name, name) == 0)
			return &config->targets[i];
	return NULL;
}

/* --- the proxy of a record --- */

static void read_place(struct orphaned_hold *note, const char *state_dir)
{
	struct pgbouncer_hold_record record;
	struct haproxy_hold_record held;
	struct err ignored; /* whoever uses the record reports it */

	if (note->kind == CONFIG_TARGET_PGBOUNCER) {
		(void)!pgbouncer_hold_record_init(&record, state_dir, note->name, &ignored);
		note->place = STEAL(record.console);
		note->output = STEAL(record.output);
		pgbouncer_hold_record_fini(&record);
	} else {
		(void)!haproxy_hold_record_init(&held, state_dir, note->name, &ignored);
		note->place = STEAL(held.socket);
		note->output = STEAL(held.output);
		haproxy_hold_record_fini(&held);
	}
}

/* Returns "host port" of a connection string. The other settings may change while the PgBouncer
 * stays the same. */
static char *console_place(const char *conninfo)
{
	struct conninfo auto_conninfo parts = CONNINFO_INIT;
	struct err ignored; /* then the whole string is compared */
	bool ok = conninfo_parse(conninfo, false, &parts, &ignored);

	return ok ? xasprintf("%s %s", parts.host.data, parts.port.data) : xstrdup(conninfo);
}

static bool is_at(const struct orphaned_hold *note, const struct config_target *target)
{
	auto_free char *is = NULL, *was = NULL;

	if (note->place == NULL || note->kind != target->kind)
		return false;
	if (note->kind == CONFIG_TARGET_HAPROXY)
		return strcmp(note->place, target->socket) == 0;
	was = console_place(note->place);
	is = console_place(target->console);
	return strcmp(was, is) == 0;
}

/* --- find --- */

static void note_fini(struct orphaned_hold *note)
{
	free(note->name);
	free(note->path);
	free(note->place);
	free(note->output);
}

static void add(struct orphaned_hold **notes, size_t *count, const struct config *config,
                enum config_target_kind kind, const char *file)
{
	size_t len = strlen(file), before = strlen(files[kind].prefix);
	size_t after = strlen(files[kind].suffix);
	struct orphaned_hold note = {.kind = kind};
	const struct config_target *target;

	if (len <= before + after || strncmp(file, files[kind].prefix, before) != 0 ||
	    strcmp(file + len - after, files[kind].suffix) != 0)
		return;
	note.name = xstrndup(file + before, len - before - after);
	note.path = xasprintf("%s/%s", config->state_dir, file);
	read_place(&note, config->state_dir);
	target = find_target(config, kind, note.name);
	if (target != NULL && (note.place == NULL || is_at(&note, target))) {
		note_fini(&note);
		return;
	}
	*notes = xreallocarray(*notes, *count + 1, sizeof(**notes));
	(*notes)[(*count)++] = note;
}

struct orphaned_hold *orphaned_holds_find(const struct config *config, size_t *count)
{
	struct orphaned_hold *notes = NULL;
	DIR *folder = opendir(config->state_dir);
	const struct dirent *entry;

	*count = 0;
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		for (size_t kind = 0; kind < ARRAY_LEN(files); kind++)
			add(&notes, count, config, (enum config_target_kind)kind, entry->d_name);
	if (folder != NULL)
		closedir(folder);
	return notes;
}

void orphaned_holds_free(struct orphaned_hold *notes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		note_fini(&notes[i]);
	free(notes);
}

/* --- adopt: the section has another name now --- */

/* The section that takes a record over. If several sections drive the proxy, it is the one that
 * writes the same file. */
static const struct config_target *find_heir(const struct config *config,
                                             const struct orphaned_hold *note)
{
	const struct config_target *heir = NULL;
	size_t count = 0;

	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		if (!is_at(note, target))
			continue;
		if (note->output != NULL && strcmp(note->output, target->output) == 0)
			return target;
		heir = target;
		count++;
	}
	return count == 1 && note->kind == CONFIG_TARGET_PGBOUNCER ? heir : NULL;
}

static bool move_record(const struct orphaned_hold *note, const char *path, const char *event,
                        const char *target, const char *next)
{
	struct err err;

	if (rename(note->path, path) == 0)
		return true;
	err_set_errno(&err, errno, "cannot rename %s to %s", note->path, path);
	log_error(event, KV_STR("target", target), KV_ERR(&err), KV_STR("next", next));
	return false;
}

/* Without an heir the record is set aside if the section of that name drives another proxy now and
 * needs the file name. */
static void adopt(const struct config *config, const struct orphaned_hold *note)
{
	const struct config_target *heir = find_heir(config, note);
	auto_free char *aside = record_path(config, note->kind, note->name, "@gone");
	auto_free char *path =
	    heir != NULL ? record_path(config, note->kind, heir->name, "") : NULL;

	if (path == NULL || access(path, F_OK) == 0) {
		if (find_target(config, note->kind, note->name) != NULL)
			(void)move_record(note, aside, "note_not_set_aside", CONFIG_LABEL(note),
			                  "what was held at another proxy stays held: read the "
			                  "file, and resume by hand");
	} else if (move_record(note, path, "note_not_adopted", CONFIG_LABEL(heir),
	                       "its clients are released instead")) {
		log_warning("note_adopted", KV_STR("cluster", heir->cluster),
		            KV_STR("target", CONFIG_LABEL(heir)), KV_STR("note", path),
		            KV_STR("was", CONFIG_LABEL(note)),
		            KV_STR("next", "the section was renamed and drives the same proxy: it "
		                           "continues the hold"));
	}
}

void orphaned_holds_adopt(const struct config *config)
{
	size_t count;
	struct orphaned_hold *notes = orphaned_holds_find(config, &count);

	for (size_t i = 0; i < count; i++)
		adopt(config, &notes[i]);
	orphaned_holds_free(notes, count);
}

/* --- release --- */

struct orphaned_holds {
	struct event_base *base;
	const struct config *config;
	struct command *child;
	struct timer *again;
	unsigned failures;
	char *logged; /* the failure that was logged last; NULL: none */
};

static void ended(bool ok, const char *what, void *arg)
{
	struct orphaned_holds *left = arg;

	left->child = NULL;
	if (ok) {
		log_warning("left_notes_done", KV_STR("what", what));
		return;
	}
	timer_start(left->again, clock_backoff_ms(++left->failures, RETRY_FIRST_MS, RETRY_MAX_MS));
	if (left->logged != NULL && strcmp(left->logged, what) == 0)
		return;
	free(left->logged);
	left->logged = xstrdup(what);
	log_error(
	    "left_notes_stay", KV_STR("error", what),
	    KV_STR("next", "its clients wait; tried again every 30 s, and by `segue resume`"));
}

static void start(void *arg)
{
	struct orphaned_holds *left = arg;
	char self[] = "/proc/self/exe", verb[] = "resume", gone[] = "--gone", c[] = "-c";
	char *argv[] = {self, verb, gone, c, left->config->file, NULL};

	left->child = command_run(left->base, argv, CHILD_MS, ended, left);
}

struct orphaned_holds *orphaned_holds_release(struct event_base *base, const struct config *config)
{
	struct orphaned_holds *left;
	size_t count;
	struct orphaned_hold *notes = orphaned_holds_find(config, &count);

	for (size_t i = 0; i < count; i++)
		log_warning("note_without_target", KV_STR("target", CONFIG_LABEL(&notes[i])),
		            KV_STR("note", notes[i].path),
		            KV_STR("next", "segue.ini no longer has this section: what it held is "
		                           "released; a fence stays"));
	orphaned_holds_free(notes, count);
	if (count == 0)
		return NULL;
	left = xcalloc(1, sizeof(*left));
	left->base = base;
	left->config = config;
	left->again = timer_new(base, start, left);
	start(left);
	return left;
}

void orphaned_holds_cancel(struct orphaned_holds *left)
{
	if (left == NULL)
		return;
	if (left->child != NULL)
		command_cancel(left->child);
	timer_free(left->again);
	free(left->logged);
	free(left);
}
