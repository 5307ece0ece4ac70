/* The file with the databases that segue pauses. It is written before the first PAUSE and removed
 * after the last RESUME. A name in it that is no longer paused does no harm. */
#include "pgbouncer/hold_record.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "target/hold_record.h"

#define RECORD      "the hold record"
#define LIMIT_KEY   "max_db_connections"
#define POOL_KEY    "min_pool_size"
#define FENCE_KEY   "fence"
#define RUNTIME_DIR "/run/segue"
#define ADVICE                                                                             \
	" (RESUME by hand the databases that SHOW DATABASES shows as paused, then remove " \
	"the file)"

static bool read_file(const char *path, json_t **root, struct err *err)
{
	return hold_record_read(path, ADVICE, root, err) &&
	       (*root == NULL || json_is_array(json_object_get(*root, "databases")) ||
	        err_set(err, "%s: not a hold record" ADVICE ": it has no list of databases", path));
}

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void pgbouncer_hold_record_set_origin(struct pgbouncer_hold_record *record, const char *console,
                                      const char *output)
{
	free(record->console);
	free(record->output);
	record->console = copy(console);
	record->output = copy(output);
}

static char *spare_path(const char *state_dir, const char *name)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");
	auto_free char *whose = xstrdup(state_dir); /* another segue may use the same folder */

	if (folder == NULL || *folder == '\0')
		folder = RUNTIME_DIR;
	for (char *c = whose; *c != '\0'; c++)
		*c = *c == '/' ? '-' : *c;
	return xasprintf("%.*s/pgbouncer-%s%s.paused", (int)strcspn(folder, ":"), folder, name,
	                 whose);
}

static void use_other_path(struct pgbouncer_hold_record *record)
{
	char *path = record->path;

	record->path = record->spare;
	record->spare = path;
}

static int get_number(const json_t *root, const char *key)
{
	const json_t *number = json_object_get(root, key);

	return json_is_integer(number) ? (int)json_integer_value(number) : -1;
}

static void put_number(json_t *root, const char *key, int number)
{
	if (number >= 0)
		json_object_set_new(root, key, json_integer(number));
}

bool pgbouncer_hold_record_init(struct pgbouncer_hold_record *record, const char *state_dir,
                                const char *name, struct err *err)
{
	json_auto_t *root = NULL;
	const json_t *database;
	size_t i;

	*record = (struct pgbouncer_hold_record){
	    .max_db_connections = -1,
	    .min_pool_size = -1,
	    .path = xasprintf("%s/pgbouncer-%s.paused", state_dir, name),
	    .spare = spare_path(state_dir, name),
	    .owner = hold_record_new_owner()};
	if (access(record->spare, F_OK) == 0)
		use_other_path(record); /* it is the newer one */
	if (!read_file(record->path, &root, err))
		return false;
	record->max_db_connections = get_number(root, LIMIT_KEY);
	record->min_pool_size = get_number(root, POOL_KEY);
	record->fence = json_is_true(json_object_get(root, FENCE_KEY));
	pgbouncer_hold_record_set_origin(record,
	                                 json_string_value(json_object_get(root, "console")),
	                                 json_string_value(json_object_get(root, "output")));
	json_array_foreach(json_object_get(root, "databases"), i,
	                   database) if (json_is_string(database))
	    pgbouncer_hold_record_add(record, json_string_value(database));
	return true;
}

/* The staged file has been overwritten or renamed into place. */
static void forget_staged(struct pgbouncer_hold_record *record)
{
	free(STEAL(record->staged));
	free(STEAL(record->staged_text));
}

void pgbouncer_hold_record_fini(struct pgbouncer_hold_record *record)
{
	for (size_t i = 0; i < record->count; i++)
		free(record->names[i]);
	if (record->staged != NULL)
		unlink(record->staged);
	forget_staged(record);
	free(record->names);
	free(record->owner);
	free(record->path);
	free(record->spare);
	free(record->console);
	free(record->output);
	*record = (struct pgbouncer_hold_record){0};
}

static size_t find(const struct pgbouncer_hold_record *record, const char *name)
{
	size_t i = 0;

	while (i < record->count && strcmp(record->names[i], name) != 0)
		i++;
	return i;
}

bool pgbouncer_hold_record_has(const struct pgbouncer_hold_record *record, const char *name)
{
	return find(record, name) < record->count;
}

void pgbouncer_hold_record_add(struct pgbouncer_hold_record *record, const char *name)
{
	if (pgbouncer_hold_record_has(record, name))
		return;
	record->names = xreallocarray(record->names, record->count + 1, sizeof(char *));
	record->names[record->count++] = xstrdup(name);
}

void pgbouncer_hold_record_drop(struct pgbouncer_hold_record *record, const char *name)
{
	size_t i = find(record, name);

	if (i == record->count)
		return;
	free(record->names[i]);
	record->names[i] = record->names[--record->count];
	record->fence = record->fence && record->count > 0;
}

/* If `why` is NULL, the time is left out as well: the form of a staged record. */
static char *encode(const struct pgbouncer_hold_record *record, char *const *list, size_t count,
                    const char *why)
{
	json_auto_t *root = json_object();
	json_t *names = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(list[i]));
	json_object_set_new(root, "databases", names);
	/* jansson adds nothing for a string that is NULL. */
	json_object_set_new(root, "why", json_string(why));
	json_object_set_new(root, "console", json_string(record->console));
	json_object_set_new(root, "output", json_string(record->output));
	if (record->fence)
		json_object_set_new(root, FENCE_KEY, json_true());
	put_number(root, LIMIT_KEY, record->max_db_connections);
	put_number(root, POOL_KEY, record->min_pool_size);
	return hold_record_encode(root, record->owner, why != NULL);
}

static const struct file_owner file_owner = {.mode = 0600};

bool pgbouncer_hold_record_stage(struct pgbouncer_hold_record *record, char *const *names,
                                 size_t count, struct err *err)
{
	auto_free char *text = encode(record, names, count, NULL);

	if (record->staged != NULL && strcmp(record->staged_text, text) == 0)
		return true;
	forget_staged(record);
	record->staged = file_stage(record->path, text, strlen(text), &file_owner, err);
	record->staged_text = STEAL(text);
	return record->staged != NULL || err_wrap(err, RECORD);
}

bool pgbouncer_hold_record_save_staged(struct pgbouncer_hold_record *record)
{
	auto_free char *text = encode(record, record->names, record->count, NULL);

	record->undated = record->staged != NULL && strcmp(record->staged_text, text) == 0 &&
	                  rename(record->staged, record->path) == 0;
	if (record->undated)
		forget_staged(record);
	return record->undated;
}

bool pgbouncer_hold_record_save(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err)
{
	auto_free char *text = NULL;
	struct err ignored; /* the first error says what is wrong with state_dir */

	if (record->count == 0)
		return file_remove(record->spare, err) && file_remove(record->path, err);
	forget_staged(record);
	record->undated = false;
	text = encode(record, record->names, record->count, why);
	if (file_swap(record->path, text, strlen(text), &file_owner, err))
		return true;
	use_other_path(record);
	if (file_swap(record->path, text, strlen(text), &file_owner, &ignored))
		return true;
	use_other_path(record);
	return err_wrap(err, RECORD);
}

bool pgbouncer_hold_record_sync(struct pgbouncer_hold_record *record, const char *why,
                                struct err *err)
{
	if (record->count == 0)
		return true;
	if (record->undated && !pgbouncer_hold_record_save(record, why, err))
		return false;
	return file_sync(record->path, err) || err_wrap(err, RECORD);
}

bool pgbouncer_hold_record_is_ours(const struct pgbouncer_hold_record *record)
{
	return hold_record_is_of(record->path, record->owner);
}
