/* What segue init reads of a HAProxy configuration and of /etc/default/haproxy, and the marks of a
 * segue.ini: any bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "haproxy/debian.h"
#include "setup/fill_in.h"
#include "sidecar/setup/init_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void see_mark(unsigned line, const char *key, const char *what, void *arg)
{
	(void)what;
	if (line == 0 || *key == '=' || arg != NULL)
		abort();
}

static void print_arguments(const char *text)
{
	struct debian_haproxy debian;
	struct err err;

	if (debian_haproxy_parse(text, &debian, &err)) {
		auto_free char *line =
		    debian_haproxy_arguments(&debian, DEBIAN_MASTER_SOCKET, true, "/c.d");

		if (strstr(line, DEBIAN_MASTER_SOCKET) == NULL)
			abort();
	}
	debian_haproxy_free(&debian);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	struct haproxy_survey found = {0};
	struct err err;

	if (haproxy_survey_add(&found, "/a.cfg", (const char *)data, size, &err)) {
		haproxy_survey_judge(&found);
		if (found.rw != NULL && !found_section_is_postgres(found.rw))
			abort();
		if (haproxy_survey_socket(&found) != NULL && found.socket_count == 0)
			abort();
	}
	haproxy_survey_free(&found);
	print_arguments(text);
	(void)fill_in_find(text, see_mark, NULL);
	return 0;
}
