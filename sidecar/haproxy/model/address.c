/* Reads names and addresses; see the header. An address that is neither a plain IP with port nor
 * has one of HAProxy's prefixes is an error: mostly it is a template value that is empty or a host
 * name. */
#include "haproxy/model/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

char *haproxy_address_canonical(const char *text)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char out[INET6_ADDRSTRLEN];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, text, binary) != 1)
		return NULL;
	return inet_ntop(family, binary, out, sizeof(out)) != NULL ? xstrdup(out) : NULL;
}

bool haproxy_name_is_valid(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && strchr("_:.-", *c) == NULL))
			return false;
	return *name != '\0';
}

int haproxy_address_family(const char **text)
{
	static const struct {
		const char *prefix;
		int family;
	} known[] = {
	    {"ipv4@", AF_INET}, {"tcp4@", AF_INET},  {"ipv6@", AF_INET6}, {"tcp6@", AF_INET6},
	    {"ip@", AF_UNSPEC}, {"tcp@", AF_UNSPEC}, {"unix@", AF_UNIX},  {"uxst@", AF_UNIX},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t len = strlen(known[i].prefix);

		if (strncmp(*text, known[i].prefix, len) == 0) {
			*text += len;
			return known[i].family;
		}
	}
	if (**text == '/' || strncmp(*text, "abns@", 5) == 0)
		return AF_UNIX;
	return strchr(*text, '@') != NULL ? -1 : AF_UNSPEC;
}

const char *haproxy_address_split(char *text, const char **host)
{
	char *colon = strrchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

	*host = text;
	if (colon != NULL)
		*colon = '\0';
	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		++*host;
	}
	return colon != NULL ? colon + 1 : "";
}

static bool read_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*port = (uint16_t)value;
	return isdigit((unsigned char)*text) && *end == '\0' && value >= 1 && value <= UINT16_MAX;
}

static enum haproxy_address_kind bad_address(const char *word, const char *host, struct err *err)
{
	if (*host == '\0' || *host == '*')
		err_set(err, "'%s' has no address: write ADDRESS:PORT", word);
	else if (strchr(host, ':') != NULL)
		err_set(err,
		        "'%s' is not ADDRESS:PORT: write an IPv6 address as [2001:db8::1]:5432",
		        word);
	else
		err_set(err,
		        "'%s' is a host name: HAProxy would resolve it once, at its start, so use "
		        "{{primary.address}}, which is numeric",
		        word);
	return HAPROXY_ADDRESS_BAD;
}

static enum haproxy_address_kind bad_port(const char *word, const char *port, struct err *err)
{
	if (*port == '\0')
		err_set(err, "'%s' has no port: write ADDRESS:PORT", word);
	else
		err_set(err, "port '%s' of '%s' is not a number from 1 to 65535", port, word);
	return HAPROXY_ADDRESS_BAD;
}

enum haproxy_address_kind haproxy_address_read(const char *word, char **address, uint16_t *port,
                                               struct err *err)
{
	auto_free char *copy = xstrdup(word), *canonical = NULL;
	const char *rest = copy, *host, *number;
	int family = haproxy_address_family(&rest);

	if (family == -1 || family == AF_UNIX)
		return HAPROXY_ADDRESS_OTHER;
	number = haproxy_address_split(copy + (rest - copy), &host);
	canonical = haproxy_address_canonical(host);
	if (canonical == NULL)
		return bad_address(word, host, err);
	if (family != AF_UNSPEC && (family == AF_INET6) != (strchr(canonical, ':') != NULL)) {
		err_set(err,
		        "'%s': the address is not of the family (IPv4, IPv6) that its prefix "
		        "demands",
		        word);
		return HAPROXY_ADDRESS_BAD;
	}
	if (!read_port(number, port))
		return bad_port(word, number, err);
	*address = STEAL(canonical);
	return HAPROXY_ADDRESS_IP;
}
