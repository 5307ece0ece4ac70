/* `segue check`, the rendered texts of all targets: would their check_commands take them, and could
 * HAProxy listen where they say? */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/install.h"
#include "bind_clash.h"
#include "check/check.h"
#include "listeners.h"
#include "override.h"
#include "pipeline_check.h"

static void note_checked(size_t target, bool accepted, const char *what, void *arg)
{
	struct check *check = arg;
	auto_free char *name = check_target_name(&check->config->targets[target]);

	if (accepted)
		check_note(check, CHECK_OK, name, NULL, "check_command accepts the rendered text");
	else
		check_note(check, CHECK_FAIL, name, "correct the template, or the command",
		           "check_command, on the rendered text: %s", what);
}

static void note_lost(size_t target, bool used, const char *what, void *arg)
{
	struct check *check = arg;
	auto_free char *name = check_target_name(&check->config->targets[target]);

	check_note(check, used ? CHECK_FAIL : CHECK_WARN, name, NULL, "%s", what);
}

static void all_checked(void *arg)
{
	(void)arg; /* the loop ends by itself, as nothing is left to wait for */
}

static void run_commands(struct check *check, const struct strbuf *texts)
{
	const struct precheck_request request = {.config = check->config,
	                                         .texts = texts,
	                                         .checked = note_checked,
	                                         .lost = note_lost,
	                                         .done = all_checked,
	                                         .arg = check};

	if (precheck_start(check->base, &request) != NULL)
		event_base_dispatch(check->base);
}

static void find_clashes(struct check *check, const struct strbuf *texts)
{
	auto_strbuf struct strbuf clashes = STRBUF_INIT;

	bind_conflicts_find(check->config, texts, &clashes);
	for (const char *line = clashes.data; *line != '\0'; line += strcspn(line, "\n") + 1)
		check_note(check, CHECK_FAIL, "bind", NULL, "%.*s", (int)strcspn(line, "\n"), line);
}

void check_note_own(struct check *check, const struct config_target *target, const char *whose,
                    const char *address, uint16_t port)
{
	auto_free char *what = check_target_name(target);

	check_note(check, CHECK_FAIL, what,
	           "nothing is led there, as a connection would go round in it for ever: name the "
	           "address of the PostgreSQL server",
	           "the primary %s, %s port %u, is this proxy's own listener", whose, address,
	           (unsigned)port);
}

static void find_own(struct check *check, const struct listeners *listeners, size_t cluster)
{
	const struct config *config = check->config;
	const struct topology *topology = &check->topologies[cluster];
	const struct member *primary = &topology->primary;
	const struct config_target *target = NULL;
	struct override word;
	struct err ignored; /* noted by check_overrides() */

	if (topology->has_primary)
		target = listeners_find(listeners, cluster, primary->address, primary->port);
	if (target != NULL)
		check_note_own(check, target, "that the store names", primary->address,
		               primary->port);
	if (!override_load(config->state_dir, config->clusters[cluster].name, &word, &ignored) ||
	    word.kind != OVERRIDE_PIN)
		return;
	target = listeners_find(listeners, cluster, word.address, word.port);
	if (target != NULL)
		check_note_own(check, target, "that is pinned", word.address, word.port);
}

static void find_all_own(struct check *check, const struct strbuf *texts)
{
	struct listeners *listeners = listeners_create(check->config, texts);

	for (size_t i = 0; i < check->config->cluster_count; i++)
		find_own(check, listeners, i);
	listeners_destroy(listeners);
}

/* Where there is no folder, or no file can be put there, check_targets() has said so, and no
 * command could be run on a file in it. */
static void leave_homeless_out(const struct check *check, struct strbuf *texts)
{
	for (size_t i = 0; i < check->config->target_count; i++) {
		struct err ignored;
		auto_free char *folder = install_path(&check->config->targets[i], &ignored);

		if (folder != NULL)
			strrchr(folder, '/')[1] = '\0';
		if (folder == NULL || access(folder, W_OK) != 0)
			strbuf_reset(&texts[i]);
	}
}

void check_rendered(struct check *check)
{
	size_t count = check->config->target_count;
	struct strbuf *texts = xcalloc(count, sizeof(*texts));
	struct err ignored; /* noted by check_targets() */

	for (size_t i = 0; i < count; i++) {
		strbuf_init(&texts[i]);
		if (!check_render(check, &check->config->targets[i], &texts[i], &ignored))
			strbuf_reset(&texts[i]);
	}
	find_clashes(check, texts);
	find_all_own(check, texts);
	leave_homeless_out(check, texts);
	run_commands(check, texts);
	for (size_t i = 0; i < count; i++)
		strbuf_fini(&texts[i]);
	free(texts);
}
