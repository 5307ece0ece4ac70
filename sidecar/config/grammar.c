/* The grammars of values; see the header. */
#include "config/grammar.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define NAME_MAX_BYTES  63
#define ZNODE_MAX_BYTES 512
#define HOST_MAX_BYTES  253 /* RFC 1035 */
#define LABEL_MAX_BYTES 63

#define DIGITS      "0123456789"
#define LABEL_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_-"

bool grammar_name(const char *text)
{
	size_t len = strspn(text, LABEL_BYTES ".");

	return len >= 1 && len <= NAME_MAX_BYTES && text[len] == '\0' && text[0] != '.';
}

struct unit {
	const char *name;
	int64_t size;
};

/* A whole number of at most `max_digits`, and one of the units behind it. */
static bool read_with_unit(const char *text, size_t max_digits, const struct unit *units,
                           size_t count, int64_t *out)
{
	size_t len = strspn(text, DIGITS);

	if (len == 0 || len > max_digits)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(text + len, units[i].name) == 0)
			return !__builtin_mul_overflow(strtoll(text, NULL, 10), units[i].size, out);
	return false;
}

bool grammar_duration(const char *text, int64_t *ms)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

	return read_with_unit(text, 12, units, ARRAY_LEN(units), ms);
}

/* Sizes as in postgresql.conf, which accepts no other spelling of the units either. */
bool grammar_size(const char *text, int64_t *bytes)
{
	static const struct unit units[] = {{"", 1},
	                                    {"B", 1},
	                                    {"kB", (int64_t)1 << 10},
	                                    {"MB", (int64_t)1 << 20},
	                                    {"GB", (int64_t)1 << 30},
	                                    {"TB", (int64_t)1 << 40}};

	return read_with_unit(text, 18, units, ARRAY_LEN(units), bytes);
}

bool grammar_whole(const char *text, int base, size_t max_digits, int64_t *value)
{
	size_t len = strspn(text, base == 8 ? "01234567" : DIGITS);

	*value = strtoll(text, NULL, base);
	return len > 0 && len <= max_digits && text[len] == '\0';
}

bool grammar_path(const char *text, size_t max)
{
	size_t len = strlen(text);

	return text[0] == '/' && len >= 2 && len <= max && text[len - 1] != '/' &&
	       strpbrk(text, " \t") == NULL;
}

/* RFC 952 and RFC 1123, plus the underscore, which container networks use in names. */
static bool is_host_name(const char *host)
{
	size_t total = strlen(host), len;
	const char *label = host;

	if (total == 0 || total > HOST_MAX_BYTES)
		return false;
	for (;; label += len + 1) {
		len = strspn(label, LABEL_BYTES);
		if (len == 0 || len > LABEL_MAX_BYTES || label[0] == '-' || label[len - 1] == '-')
			return false;
		if (label[len] != '.')
			return label[len] == '\0';
	}
}

/* Text of digits and dots must be an IPv4 address: "10.0.0" or "10.0.0.256" is no host name. */
static bool is_host(const char *host)
{
	struct in_addr ipv4;

	if (host[strspn(host, DIGITS ".")] == '\0')
		return inet_pton(AF_INET, host, &ipv4) == 1;
	return is_host_name(host);
}

bool grammar_host_port(const char *text, char **host, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	auto_free char *name = NULL;
	struct in6_addr ipv6;
	bool in_brackets;
	int64_t number;
	size_t len;

	if (colon == NULL || !grammar_whole(colon + 1, 10, 5, &number) || number < 1 ||
	    number > 65535)
		return false;
	len = (size_t)(colon - text);
	in_brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	name = in_brackets ? xstrndup(text + 1, len - 2) : xstrndup(text, len);
	if (in_brackets ? inet_pton(AF_INET6, name, &ipv6) != 1 : !is_host(name))
		return false;
	if (host != NULL)
		*host = STEAL(name);
	if (port != NULL)
		*port = (uint16_t)number;
	return true;
}

bool grammar_host_names(const char *text)
{
	auto_free char *names = xstrdup(text);
	char *rest = names, *name;

	while ((name = strsep(&rest, ",")) != NULL)
		if (!is_host(name + (name[0] == '.')))
			return false;
	return true;
}

bool grammar_znode(const char *text)
{
	size_t len;

	if (strlen(text) > ZNODE_MAX_BYTES || text[0] != '/')
		return false;
	for (const char *part = text + 1;; part += len + 1) {
		len = strcspn(part, "/");
		if (len == 0 || (len <= 2 && strspn(part, ".") == len))
			return false;
		if (part[len] == '\0')
			return true;
	}
}

bool grammar_zookeeper_hosts(const char *text)
{
	auto_free char *hosts = xstrdup(text);
	char *chroot = strchr(hosts, '/'), *rest = hosts, *host;

	if (chroot != NULL) {
		if (!grammar_znode(chroot) || strchr(chroot, ',') != NULL)
			return false;
		*chroot = '\0';
	}
	while ((host = strsep(&rest, ",")) != NULL)
		if (!grammar_host_port(host, NULL, NULL))
			return false;
	return true;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* Returns the position after the keyword=value pair at `at`; NULL if there is none. The value may
 * be in single quotes. A backslash escapes the next byte. `stop`: the bytes that end an unquoted
 * value. */
static const char *skip_pair(const char *at, const char *stop)
{
	size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
	bool quoted;

	if (len == 0 || *(at = skip_blanks(at + len)) != '=')
		return NULL;
	at = skip_blanks(at + 1);
	quoted = *at == '\'';
	for (at += quoted; *at != '\0' && (quoted ? *at != '\'' : strchr(stop, *at) == NULL); at++)
		if (*at == '\\' && *++at == '\0')
			return NULL;
	if (quoted && *at++ != '\'')
		return NULL;
	return at;
}

/* Returns the position after the connection string at `at`; NULL if it is none. */
static const char *skip_conninfo(const char *at, const char *stop)
{
	size_t pairs = 0;

	at = skip_blanks(at);
	if (strncmp(at, "postgresql://", 13) == 0 || strncmp(at, "postgres://", 11) == 0)
		return skip_blanks(at + strcspn(at, stop));
	for (; *at != '\0' && *at != ',' && (at = skip_pair(at, stop)) != NULL; pairs++)
		at = skip_blanks(at);
	return pairs > 0 ? at : NULL;
}

bool grammar_conninfo(const char *text)
{
	const char *end = skip_conninfo(text, " \t");

	return end != NULL && *end == '\0';
}

bool grammar_conninfos(const char *text)
{
	const char *at = text;

	while ((at = skip_conninfo(at, " \t,")) != NULL && *at == ',')
		at++;
	return at != NULL && *at == '\0';
}

bool grammar_command(const char *text)
{
	char quote = 0;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\\' && quote != '\'') {
			if (*++at == '\0')
				return false;
		} else if (quote != 0) {
			quote = *at == quote ? 0 : quote;
		} else if (*at == '\'' || *at == '"') {
			quote = *at;
		}
	}
	return quote == 0 && *skip_blanks(text) != '\0';
}

bool grammar_owner(const char *text)
{
	const char *colon = strchr(text, ':');
	auto_free char *user = xstrndup(text, strcspn(text, ":"));

	if (colon != NULL && !grammar_name(colon + 1))
		return false;
	return grammar_name(user) || (colon != NULL && *user == '\0');
}
