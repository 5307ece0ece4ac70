/* Reads names and addresses; see the header. An address that is neither a plain IP with port nor
 * has one of HAProxy's prefixes is an error: mostly it is a template value that is empty or a host
 * name. */
#include "haproxy/model/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

/* Skips a prefix before an IP. Returns the family that it demands; AF_UNSPEC: IPv4 or IPv6; -1: it
 * is no IP address. */
static int skip_family(const char **word)
{
	static const struct {
		const char *prefix;
		int family;
	} known[] = {
	    {"ipv4@", AF_INET},  {"tcp4@", AF_INET}, {"ipv6@", AF_INET6},
	    {"tcp6@", AF_INET6}, {"ip@", AF_UNSPEC}, {"tcp@", AF_UNSPEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t len = strlen(known[i].prefix);

		if (strncmp(*word, known[i].prefix, len) == 0) {
			*word += len;
			return known[i].family;
		}
	}
	return **word == '/' || strchr(*word, '@') != NULL ? -1 : AF_UNSPEC;
}

static bool read_port(const char *text, uint16_t *port)
{
	unsigned long value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text) || value > UINT16_MAX)
			return false;
		value = value * 10 + (unsigned long)(*text - '0');
	}
	*port = (uint16_t)value;
	return value >= 1 && value <= UINT16_MAX;
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

/* Splits at the last colon, with or without brackets, as HAProxy does. */
enum haproxy_address_kind haproxy_address_read(const char *word, char **address, uint16_t *port,
                                               struct err *err)
{
	const char *rest = word, *colon;
	int family = skip_family(&rest);
	auto_free char *host = NULL, *canonical = NULL;
	size_t len;

	if (family == -1)
		return HAPROXY_ADDRESS_OTHER;
	colon = strrchr(rest, ':');
	host = colon != NULL ? xstrndup(rest, (size_t)(colon - rest)) : xstrdup(rest);
	len = strlen(host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	canonical = haproxy_address_canonical(host);
	if (canonical == NULL)
		return bad_address(word, host, err);
	if (family != AF_UNSPEC && (family == AF_INET6) != (strchr(canonical, ':') != NULL)) {
		err_set(
		    err,
		    "'%s': the address is not of the family (IPv4, IPv6) that its prefix demands",
		    word);
		return HAPROXY_ADDRESS_BAD;
	}
	if (colon == NULL || !read_port(colon + 1, port))
		return bad_port(word, colon != NULL ? colon + 1 : "", err);
	*address = STEAL(canonical);
	return HAPROXY_ADDRESS_IP;
}
