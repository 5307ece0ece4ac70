/* The file of what segue pauses. Written before the first PAUSE, removed after the last RESUME; a
 * name in it that is not paused any more does no harm. */
#include "apply/pgbouncer_intent.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"

#define NOTE        "the note of what segue pauses"
#define LIMIT_KEY   "max_db_connections"
#define FENCE_KEY   "fence"
#define RUNTIME_DIR "/run/segue"
#define INTENT_MAX  ((size_t)1024 * 1024) /* bytes: ten thousand databases */

static bool read_file(const char *path, json_t **root, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	json_error_t error;
	bool missing;

	*root = NULL;
	if (!file_read(path, INTENT_MAX, &text, &missing, err))
		return missing;
	*root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	return *root != NULL ||
	       err_set(err,
	               "%s: byte %d: no JSON, or cut off: RESUME by hand what SHOW DATABASES "
	               "shows as paused, then remove the file",
	               path, error.position);
}

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void pgbouncer_intent_set_place(struct pgbouncer_intent *intent, const char *console,
                                const char *output)
{
	free(intent->console);
	free(intent->output);
	intent->console = copy(console);
	intent->output = copy(output);
}

static void take_names(struct pgbouncer_intent *intent, const json_t *root)
{
	const json_t *names = json_object_get(root, "databases");
	const json_t *name;
	size_t i;

	if (json_is_integer(json_object_get(root, LIMIT_KEY)))
		intent->max_db_connections =
		    (int)json_integer_value(json_object_get(root, LIMIT_KEY));
	intent->fence = json_is_true(json_object_get(root, FENCE_KEY));
	pgbouncer_intent_set_place(intent, json_string_value(json_object_get(root, "console")),
	                           json_string_value(json_object_get(root, "output")));
	json_array_foreach(names, i, name) if (json_is_string(name))
	    pgbouncer_intent_add(intent, json_string_value(name));
}

static char *spare_path(const char *state_dir, const char *name)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");
	auto_free char *whose = xstrdup(state_dir); /* another segue may run here */

	if (folder == NULL || *folder == '\0')
		folder = RUNTIME_DIR;
	for (char *c = whose; *c != '\0'; c++)
		*c = *c == '/' ? '-' : *c;
	return xasprintf("%.*s/pgbouncer-%s%s.paused", (int)strcspn(folder, ":"), folder, name,
	                 whose);
}

static void change_places(struct pgbouncer_intent *intent)
{
	char *path = intent->path;

	intent->path = intent->spare;
	intent->spare = path;
}

bool pgbouncer_intent_init(struct pgbouncer_intent *intent, const char *state_dir, const char *name,
                           struct err *err)
{
	json_auto_t *root = NULL;

	*intent = (struct pgbouncer_intent){
	    .max_db_connections = -1,
	    .path = xasprintf("%s/pgbouncer-%s.paused", state_dir, name),
	    .spare = spare_path(state_dir, name),
	    .owner = xasprintf("%d-%" PRId64, (int)getpid(), clock_now_us())};
	if (access(intent->spare, F_OK) == 0)
		change_places(intent); /* it is the younger one */
	if (!read_file(intent->path, &root, err))
		return false;
	take_names(intent, root);
	return true;
}

/* The file beside is overwritten, or used up. */
static void forget_staged(struct pgbouncer_intent *intent)
{
	free(STEAL(intent->staged));
	free(STEAL(intent->staged_text));
}

void pgbouncer_intent_fini(struct pgbouncer_intent *intent)
{
	for (size_t i = 0; i < intent->count; i++)
		free(intent->names[i]);
	if (intent->staged != NULL)
		unlink(intent->staged);
	forget_staged(intent);
	free(intent->names);
	free(intent->owner);
	free(intent->path);
	free(intent->spare);
	free(intent->console);
	free(intent->output);
	*intent = (struct pgbouncer_intent){0};
}

static size_t find(const struct pgbouncer_intent *intent, const char *name)
{
	size_t i = 0;

	while (i < intent->count && strcmp(intent->names[i], name) != 0)
		i++;
	return i;
}

bool pgbouncer_intent_has(const struct pgbouncer_intent *intent, const char *name)
{
	return find(intent, name) < intent->count;
}

void pgbouncer_intent_add(struct pgbouncer_intent *intent, const char *name)
{
	if (pgbouncer_intent_has(intent, name))
		return;
	intent->names = xreallocarray(intent->names, intent->count + 1, sizeof(char *));
	intent->names[intent->count++] = xstrdup(name);
}

void pgbouncer_intent_drop(struct pgbouncer_intent *intent, const char *name)
{
	size_t i = find(intent, name);

	if (i == intent->count)
		return;
	free(intent->names[i]);
	intent->names[i] = intent->names[--intent->count];
	intent->fence = intent->fence && intent->count > 0;
}

/* Without `why` also without the time: the words of a note that is staged. */
static char *encode(const struct pgbouncer_intent *intent, char *const *list, size_t count,
                    const char *why)
{
	json_auto_t *root = json_object();
	json_t *names = json_array();
	char when[CLOCK_WALL_MAX];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(list[i]));
	json_object_set_new(root, "databases", names);
	if (why != NULL) {
		clock_wall(when, sizeof(when));
		json_object_set_new(root, "since", json_string(when));
		json_object_set_new(root, "why", json_string(why));
	}
	json_object_set_new(root, "owner", json_string(intent->owner));
	if (intent->console != NULL)
		json_object_set_new(root, "console", json_string(intent->console));
	if (intent->output != NULL)
		json_object_set_new(root, "output", json_string(intent->output));
	if (intent->fence)
		json_object_set_new(root, FENCE_KEY, json_true());
	if (intent->max_db_connections >= 0)
		json_object_set_new(root, LIMIT_KEY, json_integer(intent->max_db_connections));
	return json_dumps(root, JSON_INDENT(1));
}

static char *stage(const struct pgbouncer_intent *intent, const char *text, struct err *err)
{
	static const struct file_owner owner = {.mode = 0600};

	return file_stage(intent->path, text, strlen(text), &owner, err);
}

bool pgbouncer_intent_stage(struct pgbouncer_intent *intent, char *const *names, size_t count,
                            struct err *err)
{
	auto_free char *text = encode(intent, names, count, NULL);

	if (intent->staged != NULL && strcmp(intent->staged_text, text) == 0)
		return true;
	forget_staged(intent);
	intent->staged = stage(intent, text, err);
	intent->staged_text = STEAL(text);
	return intent->staged != NULL || err_wrap(err, NOTE);
}

bool pgbouncer_intent_save_staged(struct pgbouncer_intent *intent)
{
	auto_free char *text = encode(intent, intent->names, intent->count, NULL);

	intent->undated = intent->staged != NULL && strcmp(intent->staged_text, text) == 0 &&
	                  rename(intent->staged, intent->path) == 0;
	if (intent->undated)
		forget_staged(intent);
	return intent->undated;
}

/* A file that is not there cannot be removed from a read-only disk, and need not be. */
static bool remove_note(const char *path, struct err *err)
{
	return unlink(path) == 0 || errno == ENOENT || access(path, F_OK) != 0 ||
	       err_set_errno(err, errno, "cannot remove %s", path);
}

static bool write_note(const struct pgbouncer_intent *intent, const char *text, struct err *err)
{
	auto_free char *staged = stage(intent, text, err);

	if (staged == NULL)
		return err_wrap(err, NOTE);
	if (rename(staged, intent->path) == 0)
		return true;
	err_set_errno(err, errno, NOTE ": cannot rename %s to %s", staged, intent->path);
	unlink(staged);
	return false;
}

bool pgbouncer_intent_save(struct pgbouncer_intent *intent, const char *why, struct err *err)
{
	auto_free char *text = NULL;
	struct err ignored; /* the first one says what is wrong with state_dir */

	if (intent->count == 0)
		return remove_note(intent->spare, err) && remove_note(intent->path, err);
	forget_staged(intent);
	intent->undated = false;
	text = encode(intent, intent->names, intent->count, why);
	if (write_note(intent, text, err))
		return true;
	change_places(intent);
	if (write_note(intent, text, &ignored))
		return true;
	change_places(intent);
	return false;
}

bool pgbouncer_intent_sync(struct pgbouncer_intent *intent, const char *why, struct err *err)
{
	if (intent->count == 0)
		return true;
	if (intent->undated && !pgbouncer_intent_save(intent, why, err))
		return false;
	return file_sync(intent->path, err) || err_wrap(err, NOTE);
}

bool pgbouncer_intent_is_ours(const struct pgbouncer_intent *intent)
{
	json_auto_t *root = NULL;
	struct err ignored; /* no file, or none that can be read: nobody else's */
	const char *owner;

	if (!read_file(intent->path, &root, &ignored))
		return true;
	owner = json_string_value(json_object_get(root, "owner"));
	return owner == NULL || strcmp(owner, intent->owner) == 0;
}
