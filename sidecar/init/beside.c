/* A further proxy of a machine; see the header. One segue drives all of them, so that the file is
 * added to, never replaced. */
#include "init/beside.h"

#include <string.h>

#include "init/debian.h"

#define TARGET "local"

static bool is_taken(const struct config *config, const char *target)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].name, target) == 0)
			return true;
	return false;
}

/* "local", "local-2", ...: of any kind, so that segue render needs no KIND/NAME. */
static char *free_name(const struct config *config)
{
	char *name = xstrdup(TARGET);

	for (unsigned i = 2; is_taken(config, name); i++) {
		auto_free char *taken = name;

		name = xasprintf(TARGET "-%u", i);
	}
	return name;
}

static bool choose_cluster(const struct config *config, struct init_options *options,
                           struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF_INIT;

	if (options->cluster != NULL)
		return true;
	for (size_t i = 0; i < config->cluster_count; i++)
		strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", config->clusters[i].name);
	if (config->cluster_count != 1)
		return err_set(err,
		               "%s has the clusters %s: --cluster says which of them this proxy "
		               "follows, or the name of a new one",
		               config->file, names.data);
	options->cluster = config->clusters[0].name;
	return true;
}

bool append_choose(const struct config *config, struct init_options *options, char **target,
                   struct err *err)
{
	*target = free_name(config);
	options->beside = config;
	options->target = *target;
	return choose_cluster(config, options, err);
}

const struct config_target *append_find_same(const struct config *config,
                                             const struct init_plan *plan)
{
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];
		const char *address =
		    target->kind == CONFIG_TARGET_HAPROXY ? target->socket : target->console;

		if (target->kind == plan->kind &&
		    strcmp(target->cluster, plan->options->cluster) == 0 &&
		    (strcmp(address, plan->address) == 0 ||
		     strcmp(target->output, plan->output) == 0))
			return target;
	}
	return NULL;
}

bool append_has_cluster(const struct config *config, const char *cluster)
{
	for (size_t i = 0; i < config->cluster_count; i++)
		if (strcmp(config->clusters[i].name, cluster) == 0)
			return true;
	return false;
}

static bool has_kind(const struct config *config, enum config_target_kind kind)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (config->targets[i].kind == kind)
			return true;
	return false;
}

bool append_makes_both(const struct init_plan *plan)
{
	const enum config_target_kind other =
	    plan->kind == CONFIG_TARGET_HAPROXY ? CONFIG_TARGET_PGBOUNCER : CONFIG_TARGET_HAPROXY;

	return plan->options->beside != NULL && has_kind(plan->options->beside, other);
}

/* Only PgBouncer's own user needs no password at its console, so that one gets HAProxy's group. The
 * units conflict with each other. */
void append_both_steps(struct init_plan *plan)
{
	plan_step(plan, "One segue drives both proxies, as PgBouncer's user and in HAProxy's "
	                "group. Into the editor that the first line opens go the others:");
	plan_line(plan, "sudo systemctl edit " DEBIAN_POOLER_UNIT);
	plan_line(plan, "[Service]");
	plan_line(plan, "SupplementaryGroups=haproxy");
	plan_line(plan, "MemoryDenyWriteExecute=no");
	plan_step(plan, "Let that unit start with the machine, and not the other, which its start "
	                "ends:");
	plan_line(plan, "sudo systemctl disable " DEBIAN_UNIT);
	plan_line(plan, "sudo systemctl enable " DEBIAN_POOLER_UNIT);
}
