/* The copy of the last accepted configuration; see the header. It has the text as it was read, and
 * is checked like any other file when it is loaded. */
#include "config/last_good.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define TEXT_MAX          ((size_t)16 * 1024 * 1024)
#define DEFAULT_STATE_DIR "/var/lib/segue"

static bool is_kept(const char *path, const struct config *config)
{
	auto_strbuf struct strbuf kept = STRBUF_INIT;
	struct err ignored;

	return file_read(path, TEXT_MAX, &kept, NULL, &ignored) && kept.len == config->text.len &&
	       memcmp(kept.data, config->text.data, kept.len) == 0;
}

struct config *last_good_before(const struct config *now)
{
	auto_free char *path = xasprintf("%s/" LAST_CONFIG_NAME, now->state_dir);
	auto_strbuf struct strbuf ignored = STRBUF_INIT;

	return is_kept(path, now) ? NULL : config_load(path, &ignored);
}

/* Mode 0600, because the text may have a password for a PgBouncer console. Without fsync. */
void last_good_keep(const struct config *config)
{
	static const struct file_owner owner = {.mode = 0600};
	auto_free char *path = xasprintf("%s/" LAST_CONFIG_NAME, config->state_dir);
	struct err err;

	if (is_kept(path, config) ||
	    file_swap(path, config->text.data, config->text.len, &owner, &err))
		return;
	log_warning(
	    "config_not_kept", KV_STR("file", config->file), KV_STR("path", path), KV_ERR(&err),
	    KV_STR("next", "if segue.ini is invalid when segue stops during a hold, clients "
	                   "wait until the file is corrected"));
}

struct config *last_good_load(struct strbuf *errors)
{
	const char *dir = getenv("STATE_DIRECTORY");
	auto_free char *path = NULL;

	if (dir == NULL || *dir == '\0')
		dir = DEFAULT_STATE_DIR;
	path = xasprintf("%.*s/" LAST_CONFIG_NAME, (int)strcspn(dir, ":"), dir);
	return config_load(path, errors);
}
