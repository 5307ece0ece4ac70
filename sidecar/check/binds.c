/* `segue check`: do HAProxy's own files listen where a rendered one does? Neither `haproxy -c` nor
 * HAProxy itself sees anything in that: the kernel would deal the clients out among both. */
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_binds.h"
#include "base/file.h"
#include "check/settings.h"

struct clashes {
	struct check *check;
	const struct haproxy_files *own; /* owners from 0 on; those of targets follow */
};

static void note_clash(const struct haproxy_bind *a, const struct haproxy_bind *b, void *arg)
{
	struct clashes *clashes = arg;
	size_t own = clashes->own->count;
	auto_free char *what = NULL;

	if (a->owner >= own || b->owner < own) /* two targets; or two files that are not segue's */
		return;
	what = check_target_name(&clashes->check->config->targets[b->owner - own]);
	check_note(clashes->check, CHECK_FAIL, what,
	           "take that section out, as segue's has its place, or give the template other "
	           "addresses (var.rw_bind, var.ro_bind)",
	           "%s listens at %s, and so does the rendered text, at %s",
	           clashes->own->items[a->owner], a->spelled, b->spelled);
}

void check_binds(struct check *check, const struct config_target *first,
                 const struct haproxy_files *own)
{
	struct clashes clashes = {.check = check, .own = own};
	struct haproxy_binds binds = {.count = 0};
	struct err ignored; /* noted where each is looked at */

	for (size_t i = 0; i < own->count; i++) {
		auto_strbuf struct strbuf text = STRBUF_INIT;

		if (file_read(own->items[i], CHECK_SETTINGS_FILE_MAX, &text, NULL, &ignored))
			haproxy_binds_read(&binds, text.data, text.len, 0, i);
	}
	for (size_t i = 0; i < check->config->target_count; i++) {
		const struct config_target *target = &check->config->targets[i];
		auto_strbuf struct strbuf text = STRBUF_INIT;

		if (target->kind == CONFIG_TARGET_HAPROXY &&
		    strcmp(target->socket, first->socket) == 0 &&
		    check_render(check, target, &text, &ignored))
			haproxy_binds_read(&binds, text.data, text.len, 0, own->count + i);
	}
	haproxy_binds_clashes(&binds, note_clash, &clashes);
	haproxy_binds_free(&binds);
}
