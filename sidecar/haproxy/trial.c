/* Keeps the file before a reload until HAProxy has loaded the new one; see the header. A note holds
 * the path, a line "text" or "missing", and the text of the old file. It is not fsynced, as the
 * installation waits for the disk already: after a power failure it may be old, or missing. */
#include "haproxy/trial.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "target/install.h"

#define NOTE_MAX (INSTALL_MAX + PATH_MAX + sizeof("missing\n")) /* bytes */

bool haproxy_trial_note(const char *note, const char *path, const struct strbuf *previous,
                        struct err *err)
{
	static const struct file_owner owner = {.mode = 0600}; /* texts may hold passwords */
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "%s\n%s\n", path, previous != NULL ? "text" : "missing");
	if (previous != NULL)
		strbuf_append(&text, previous->data, previous->len);
	return file_swap(note, text.data, text.len, &owner, err) ||
	       err_wrap(err, "cannot write the copy of the old HAProxy file");
}

void haproxy_trial_forget(const char *note)
{
	struct err err;

	if (!file_remove(note, &err))
		log_warning("note_left", KV_STR("note", note), KV_ERR(&err),
		            KV_STR("next",
		                   "remove it: at its next start segue would put back the old "
		                   "HAProxy file that it contains"));
}

bool haproxy_trial_undo(const char *path, const struct strbuf *previous,
                        const struct haproxy_config *now, const struct file_owner *owner,
                        struct err *err)
{
	auto_strbuf struct strbuf patched = STRBUF_INIT;
	const struct strbuf *text = previous;
	struct err ignored; /* not patched: the file is put back with its old servers */

	if (previous == NULL)
		return file_remove(path, err);
	if (now != NULL &&
	    haproxy_config_patch(previous->data, previous->len, now, &patched, &ignored))
		text = &patched;
	return file_replace(path, text->data, text->len, owner, err);
}

static bool cut_line(struct strbuf *text, char **line)
{
	const char *end = memchr(text->data, '\n', text->len);
	size_t len = end != NULL ? (size_t)(end - text->data) : 0;

	if (end == NULL)
		return false;
	*line = xstrndup(text->data, len);
	text->len -= len + 1;
	memmove(text->data, end + 1, text->len + 1);
	return true;
}

static void undo_note(const char *note)
{
	static const struct file_owner as_it_is = {.mode = 0};
	auto_strbuf struct strbuf text = STRBUF_INIT, tried = STRBUF_INIT;
	auto_free char *path = NULL, *kind = NULL;
	struct haproxy_config now;
	struct err err, ignored;
	bool missing, known, ok;

	if (!file_read(note, NOTE_MAX, &text, NULL, &err) || !cut_line(&text, &path) ||
	    !cut_line(&text, &kind) || *path != '/') {
		log_warning("note_unusable", KV_STR("note", note),
		            KV_STR("next",
		                   "segue removes it; whether an installed HAProxy file has to "
		                   "be put back is not known"));
		haproxy_trial_forget(note);
		return;
	}
	missing = strcmp(kind, "missing") == 0;
	known = file_read(path, INSTALL_MAX, &tried, NULL, &ignored) &&
	        haproxy_config_parse(tried.data, tried.len, &now, &ignored);
	ok = haproxy_trial_undo(path, missing ? NULL : &text, known ? &now : NULL, &as_it_is, &err);
	if (known)
		haproxy_config_free(&now);
	if (!ok) {
		log_error("not_put_back", KV_STR("file", path), KV_STR("note", note), KV_ERR(&err),
		          KV_STR("next", "check the file: HAProxy may refuse it at its next "
		                         "start; segue tries again at its own next start"));
		return;
	}
	haproxy_trial_forget(note);
	log_warning("put_back", KV_STR("file", path),
	            KV_STR("what", missing ? "removed" : "what was there before"),
	            KV_STR("next", "segue was killed before HAProxy loaded the new file; the "
	                           "new file is installed again if it is still needed"));
}

void haproxy_trial_undo_all(const char *state_dir)
{
	DIR *folder = opendir(state_dir);
	const struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		auto_free char *note = xasprintf("%s/%s", state_dir, entry->d_name);

		if (fnmatch("haproxy-*.tried", entry->d_name, 0) == 0)
			undo_note(note);
	}
	if (folder != NULL)
		closedir(folder);
}
