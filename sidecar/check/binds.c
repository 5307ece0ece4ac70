/* `segue check`: do HAProxy's own files listen where a rendered text does? Neither `haproxy -c` nor
 * HAProxy itself sees anything in that: the kernel would deal the clients out among both. */
#include <stdlib.h>

#include "check/settings.h"
#include "listeners.h"

static void note_shared(const struct config_target *target, const struct haproxy_bind *rendered,
                        const char *file, const struct haproxy_bind *own, void *arg)
{
	struct check *check = arg;
	auto_free char *what = check_target_name(target);

	check_note(check, CHECK_FAIL, what, LISTENERS_SHARED_CURE,
	           "%s listens at %s (%s), and so does the rendered text, at %s", file,
	           own->spelled, own->section_name, rendered->spelled);
}

void check_binds(struct check *check, const struct config_target *first,
                 const struct haproxy_files *own)
{
	size_t count = check->config->target_count;
	struct strbuf *texts = xcalloc(count, sizeof(*texts));
	struct listeners *listeners;
	struct err ignored; /* noted where each is looked at */

	for (size_t i = 0; i < count; i++) {
		const struct config_target *target = &check->config->targets[i];

		strbuf_init(&texts[i]);
		if (target->kind == CONFIG_TARGET_HAPROXY &&
		    !check_render(check, target, &texts[i], &ignored))
			strbuf_reset(&texts[i]);
	}
	listeners = listeners_create(check->config, texts);
	listeners_find_shared(listeners, first->socket, own, true, note_shared, check);
	listeners_destroy(listeners);
	for (size_t i = 0; i < count; i++)
		strbuf_fini(&texts[i]);
	free(texts);
}
