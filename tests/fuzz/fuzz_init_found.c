/* What segue init reads of a HAProxy configuration and of /etc/default/haproxy: any bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "init/debian.h"
#include "init/found_haproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	struct found_haproxy found = {0};
	struct debian_haproxy debian;
	struct err err;

	if (found_haproxy_add(&found, "/a.cfg", (const char *)data, size, &err)) {
		found_haproxy_judge(&found);
		if (found.rw != NULL && !found_section_is_postgres(found.rw))
			abort();
		if (found_haproxy_socket(&found) != NULL && found.socket_count == 0)
			abort();
	}
	found_haproxy_free(&found);
	(void)!debian_haproxy_parse(text, &debian, &err);
	debian_haproxy_free(&debian);
	return 0;
}
