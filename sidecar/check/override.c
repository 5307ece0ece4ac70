/* `segue check`, the operator's word: a pin or a freeze that somebody has forgotten keeps segue
 * from its work as surely as a broken template. Reads the files only. */
#include "override.h"

#include "check/check.h"

static void note_word(struct check *check, const char *what, const char *fix,
                      const struct override *word)
{
	auto_strbuf struct strbuf said = STRBUF_INIT;

	if (*word->by != '\0')
		strbuf_printf(&said, ", by %s", word->by);
	if (*word->since != '\0')
		strbuf_printf(&said, ", since %s", word->since);
	switch (word->kind) {
	case OVERRIDE_NONE:
		break;
	case OVERRIDE_PIN:
		check_note(check, CHECK_WARN, what, fix,
		           "pinned to %s port %u%s: neither store nor servers move it",
		           word->address, (unsigned)word->port, said.data);
		break;
	case OVERRIDE_FREEZE:
		check_note(check, CHECK_WARN, what, fix, "frozen%s: nothing moves, nobody is held",
		           said.data);
		break;
	}
}

void check_overrides(struct check *check)
{
	for (size_t i = 0; i < check->config->cluster_count; i++) {
		const char *cluster = check->config->clusters[i].name;
		auto_free char *file = override_file(check->config->state_dir, cluster);
		auto_free char *what = xasprintf("cluster/%s", cluster);
		auto_free char *fix = xasprintf("segue release %s ends it", cluster);
		struct override word;
		struct err err;

		if (!check_may_read(check, CHECK_FAIL, what, file))
			continue;
		if (override_load(check->config->state_dir, cluster, &word, &err))
			note_word(check, what, fix, &word);
		else
			check_note(check, CHECK_FAIL, what, fix, "%s", err.message);
	}
}
