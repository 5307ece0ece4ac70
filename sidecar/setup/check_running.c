/* `segue check`, the running segue: does it use the state_dir of segue.ini, and did it accept
 * segue.ini? */
#include <jansson.h>
#include <string.h>

#include "report/client.h"
#include "setup/check.h"

#define TIMEOUT_MS 2000

/* Its status document; NULL: no segue answers, or this user may not ask. */
static json_t *ask_status(const char *listen)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	const struct client_call call = {.listen = listen,
	                                 .method = "GET",
	                                 .path = "/status",
	                                 .body = "",
	                                 .timeout_ms = TIMEOUT_MS};
	enum client_reach reach;
	struct err ignored;
	int status = 0;

	if (!client_request(&call, &status, &body, &reach, &ignored) || status != 200)
		return NULL;
	return json_loadb(body.data, body.len, 0, NULL);
}

void check_live_segue(struct check *check)
{
	const struct config *config = check->config;
	auto_free char *listen = client_pick_listen(config->listen);
	json_auto_t *status = *listen != '\0' ? ask_status(listen) : NULL;
	const char *folder = json_string_value(json_object_get(status, "state_dir"));
	const char *refused = json_string_value(json_object_get(status, "config_refused"));

	if (folder != NULL && strcmp(folder, config->state_dir) != 0)
		check_note(check, CHECK_WARN, "state_dir",
		           "is this intended? A reload (SIGHUP) keeps pins, freezes and the last "
		           "timeline; a restart loses them",
		           "the running segue uses %s, not %s", folder, config->state_dir);
	if (refused != NULL)
		check_note(check, CHECK_WARN, "config", "correct the file, then reload segue",
		           "the running segue says: %s", refused);
}
