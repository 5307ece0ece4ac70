/* Host names in bind lines; see the header. */
#include "apply/haproxy_names.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/strbuf.h"

#define HOSTS_FILE "/etc/hosts"
#define HOSTS_MAX  ((size_t)4 * 1024 * 1024) /* bytes */

static bool line_has(const char *line, size_t len, const char *host)
{
	static const char blanks[] = " \t\r";
	const char *end = line + len;
	bool address = true; /* the first word is one */

	for (const char *at = line; at < end && *at != '#';) {
		size_t word = strcspn(at, " \t\r\n#");

		if (!address && word == strlen(host) && strncasecmp(at, host, word) == 0)
			return true;
		address = address && word == 0;
		at += word;
		at += strspn(at, blanks);
	}
	return false;
}

bool haproxy_names_has(const char *hosts, const char *host)
{
	while (*hosts != '\0') {
		size_t len = strcspn(hosts, "\n");

		if (line_has(hosts, len, host))
			return true;
		hosts += len + (hosts[len] == '\n');
	}
	return false;
}

static bool is_in_hosts(const char *host)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	struct err ignored;

	return file_read(HOSTS_FILE, HOSTS_MAX, &text, NULL, &ignored) &&
	       haproxy_names_has(text.data, host);
}

bool haproxy_bind_resolve(const struct haproxy_bind *bind, bool ask, struct haproxy_bind *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char address[INET6_ADDRSTRLEN];
	bool fine = false;

	*out = *bind;
	if (bind->host == NULL)
		return false;
	hints.ai_family = bind->host_family;
	if (!ask && !is_in_hosts(bind->host))
		hints.ai_flags = AI_NUMERICHOST;
	if (getaddrinfo(bind->host, NULL, &hints, &found) != 0)
		return false;
	fine = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0,
	                   NI_NUMERICHOST) == 0 &&
	       haproxy_bind_at(bind, address, out);
	freeaddrinfo(found);
	return fine;
}
