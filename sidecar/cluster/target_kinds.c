/* Calls the driver for the kind of the target; see the header. */
#include "cluster/target_kinds.h"

#include "haproxy/driver.h"
#include "haproxy/model/routes.h"
#include "pgbouncer/driver.h"
#include "pgbouncer/model/databases.h"
#include "target/file_target.h"

struct target *target_create(struct target_hub *hub, const struct config_target *config,
                             const char *state_dir, void (*changed)(void *arg), void *arg)
{
	const struct target_setup setup = {.hub = hub,
	                                   .config = config,
	                                   .state_dir = state_dir,
	                                   .changed = changed,
	                                   .changed_arg = arg};

	switch (config->kind) {
	case CONFIG_TARGET_HAPROXY:
		return haproxy_target_create(&setup);
	case CONFIG_TARGET_PGBOUNCER:
		return pgbouncer_target_create(&setup);
	case CONFIG_TARGET_FILE:
		return file_target_create(&setup);
	}
	return NULL;
}

bool text_check_leads(const struct config_target *target, bool whole, const char *text, size_t len,
                      const char *address, uint16_t port, struct err *err)
{
	switch (target->kind) {
	case CONFIG_TARGET_HAPROXY:
		return haproxy_text_leads(target, whole, text, len, address, port, err);
	case CONFIG_TARGET_PGBOUNCER:
		return pgbouncer_text_leads(target, whole, text, len, address, port, err);
	case CONFIG_TARGET_FILE:
		break;
	}
	return true;
}

bool text_check_keeps(const struct config_target *target, const char *before, size_t before_len,
                      const char *text, size_t len, struct err *err)
{
	return target->kind != CONFIG_TARGET_HAPROXY ||
	       haproxy_text_keeps(before, before_len, text, len, err);
}
