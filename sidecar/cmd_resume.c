/* segue resume: lets go of the clients that segue keeps waiting, when segue itself cannot any more.
 * For ExecStopPost= of the unit, and for people. What a person paused stays paused. */
#include <stdio.h>
#include <string.h>

#include "apply/pgbouncer_intent.h"
#include "apply/pgbouncer_resume.h"
#include "base/strbuf.h"
#include "cmd.h"
#include "config.h"

#define RESUME_TIMEOUT_MS 5000

static bool resume_target(const struct config *config, const struct config_target *target,
                          struct err *err)
{
	struct pgbouncer_intent intent;
	bool ok = pgbouncer_intent_init(&intent, config->state_dir, target->name, err);
	size_t count = ok ? intent.count : 0;

	if (count > 0)
		ok = pgbouncer_resume(target->console, &intent, RESUME_TIMEOUT_MS, err);
	if (ok && count > 0)
		printf("pgbouncer/%s: %zu database%s resumed\n", target->name, count,
		       count > 1 ? "s" : "");
	else if (!ok)
		fprintf(stderr, "segue resume: pgbouncer/%s: %s\n", target->name, err->message);
	pgbouncer_intent_fini(&intent);
	return ok;
}

static int resume_all(const struct config *config, const char *name)
{
	int code = CMD_OK;
	bool found = false;

	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];
		struct err err;

		if (target->kind != CONFIG_TARGET_PGBOUNCER ||
		    (name != NULL && strcmp(name, target->name) != 0))
			continue;
		found = true;
		if (!resume_target(config, target, &err))
			code = CMD_FAILED;
	}
	if (found || name == NULL)
		return code;
	fprintf(stderr, "segue resume: there is no [pgbouncer %s] in %s\n", name, config->file);
	return CMD_USAGE;
}

static int run(const char *config_file, const char *name)
{
	struct strbuf auto_strbuf errors = STRBUF_INIT;
	struct config *config = config_load(config_file, &errors);
	int code = CMD_USAGE;

	if (config != NULL)
		code = resume_all(config, name);
	else
		fputs(errors.data, stderr);
	config_free(config);
	return code;
}

int cmd_resume(int argc, char **argv)
{
	static const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue resume [-c FILE] [TARGET]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CMD_DEFAULT_CONFIG ")\n"
	        "\n"
	        "RESUMEs every PgBouncer database that segue has paused, of TARGET (the name of a\n"
	        "[pgbouncer] section) or of all; what a person has paused stays as it is. A segue that\n"
	        "runs would pause them again: it is meant for after its end (ExecStopPost=).\n",
	    .words_max = 1};
	struct cmd_args args;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	return run(args.config_file, args.word_count > 0 ? args.words[0] : NULL);
}
