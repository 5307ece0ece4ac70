/* The grammar that every value from ZooKeeper has to pass. A valid host is either an address that
 * inet_pton(3) accepts, or a name that no resolver takes for an address. */
#include "topology/layout_fields.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"
#include "topology/layout.h"

/* --- times: ISO 8601 with seconds, an optional fraction, and an offset ---
 *
 * Grammar and calendar are checked, because the times are used in logs and templates. */

struct iso_time {
	int year, month, day, hour, minute, second;
	const char *fraction; /* with its dot */
	int fraction_len;     /* 0: none */
	int offset_s;
	bool is_utc; /* written with Z */
};

static bool take_number(const char **p, int digits, int min, int max, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*value = *value * 10 + (**p - '0');
	}
	return *value >= min && *value <= max;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_fraction(const char **p, struct iso_time *t)
{
	size_t digits;

	t->fraction = *p;
	t->fraction_len = 0;
	if (!take_char(p, '.'))
		return true;
	digits = strspn(*p, "0123456789");
	if (digits < 1 || digits > 9)
		return false;
	*p += digits;
	t->fraction_len = (int)digits + 1;
	return true;
}

static bool take_offset(const char **p, struct iso_time *t)
{
	int hours, minutes, sign = **p == '-' ? -1 : 1;

	t->offset_s = 0;
	t->is_utc = take_char(p, 'Z');
	if (t->is_utc)
		return true;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_number(p, 2, 0, 23, &hours) || !take_char(p, ':') ||
	    !take_number(p, 2, 0, 59, &minutes))
		return false;
	t->offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool parse(const char *text, struct iso_time *t)
{
	const char **p = &text;

	return take_number(p, 4, 1970, 9999, &t->year) && take_char(p, '-') &&
	       take_number(p, 2, 1, 12, &t->month) && take_char(p, '-') &&
	       take_number(p, 2, 1, days_of(t->year, t->month), &t->day) && take_char(p, 'T') &&
	       take_number(p, 2, 0, 23, &t->hour) && take_char(p, ':') &&
	       take_number(p, 2, 0, 59, &t->minute) && take_char(p, ':') &&
	       take_number(p, 2, 0, 60, &t->second) && take_fraction(p, t) && take_offset(p, t) &&
	       *text == '\0';
}

const char *layout_time_problem(const char *text)
{
	struct iso_time t;

	return parse(text, &t) && t.is_utc
	           ? NULL
	           : "no time: UTC as in \"2026-11-23T11:07:25Z\" is allowed";
}

bool layout_time_to_utc(const char *text, char utc[LAYOUT_TIME_MAX])
{
	struct iso_time t;
	struct tm tm;
	time_t seconds;

	if (!parse(text, &t))
		return false;
	tm = (struct tm){.tm_year = t.year - 1900,
	                 .tm_mon = t.month - 1,
	                 .tm_mday = t.day,
	                 .tm_hour = t.hour,
	                 .tm_min = t.minute,
	                 .tm_sec = t.second};
	seconds = timegm(&tm) - t.offset_s;
	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 70 || tm.tm_year > 9999 - 1900)
		return false;
	snprintf(utc, LAYOUT_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%.*sZ", tm.tm_year + 1900,
	         tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.fraction_len,
	         t.fraction);
	return true;
}

/* --- names, hosts, ports --- */

#define SHOWN_MAX      80 /* bytes of a refused value in an error */
#define NAMES_SHOWN    8
#define DIGITS         "0123456789"
#define LETTERS_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS

const char *layout_name_problem(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < TOPOLOGY_NAME_MAX && strspn(text, LETTERS_DIGITS "._-") == len
	           ? NULL
	           : "no name: 1 to 63 letters, digits, \".\", \"_\" and \"-\" are allowed";
}

/* Including the C1 control characters: ZooKeeper allows none of them in a path. */
static bool is_control(const char *text)
{
	unsigned char c = (unsigned char)text[0];

	return c < ' ' || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0);
}

const char *layout_member_problem(const char *text)
{
	const char *at = text;
	size_t len;

	while (*at != '\0' && *at != '/' && !is_control(at) && (len = utf8_length(at)) > 0)
		at += len;
	if (at == text || *at != '\0' || at - text >= TOPOLOGY_MEMBER_MAX)
		return "no name: 1 to 255 bytes of UTF-8 without \"/\" and control characters are "
		       "allowed";
	return NULL;
}

static bool is_unicast4(const unsigned char *bytes)
{
	return bytes[0] != 0 && bytes[0] < 224;
}

static bool is_unicast6(const unsigned char *bytes)
{
	static const unsigned char unspecified[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return is_unicast4(bytes + sizeof(mapped));
	return bytes[0] != 0xff && memcmp(bytes, unspecified, sizeof(unspecified)) != 0;
}

bool layout_host_numeric(const char *host, char address[TOPOLOGY_ADDRESS_MAX])
{
	unsigned char bytes[sizeof(struct in6_addr)];
	int family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;

	return inet_pton(family, host, bytes) == 1 &&
	       inet_ntop(family, bytes, address, TOPOLOGY_ADDRESS_MAX) != NULL;
}

/* The unspecified address is the worst: a connection to it reaches the proxy's own host. */
static const char *address_problem(const char *address)
{
	unsigned char bytes[sizeof(struct in6_addr)] = {0};
	bool is6 = strchr(address, ':') != NULL;

	inet_pton(is6 ? AF_INET6 : AF_INET, address, bytes);
	if (is6 ? !is_unicast6(bytes) : !is_unicast4(bytes))
		return "not the address of one server, but unspecified, multicast or broadcast";
	return NULL;
}

/* getaddrinfo(3) takes "0x7f.1" and "10.1" for addresses, so no host name may end in a number. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot != NULL ? dot + 1 : host;

	if (strncasecmp(last, "0x", 2) == 0)
		return last[2 + strspn(last + 2, DIGITS "abcdefABCDEF")] == '\0';
	return *last != '\0' && last[strspn(last, DIGITS)] == '\0';
}

static bool is_host_name(const char *host)
{
	for (;;) {
		size_t len = strspn(host, LETTERS_DIGITS "_-");

		if (len < 1 || len > 63 || host[0] == '-' || host[len - 1] == '-')
			return false;
		if (host[len] == '\0')
			return true;
		if (host[len] != '.')
			return false;
		host += len + 1;
	}
}

const char *layout_host_problem(const char *text)
{
	char address[TOPOLOGY_ADDRESS_MAX];

	if (*text == '\0')
		return "empty: a host name or an IP address is allowed";
	if (layout_host_numeric(text, address))
		return address_problem(address);
	if (*text == '/' || *text == '@')
		return "a unix socket: a host name or an IP address is allowed";
	if (strchr(text, ',') != NULL)
		return "more than one host: one primary is allowed";
	if (strchr(text, ':') != NULL)
		return "no IPv6 address (zone ids and brackets are not allowed)";
	if (ends_in_number(text))
		return "looks like an IPv4 address but is none: four numbers from 0 to 255 "
		       "without leading zeros are allowed";
	if (strlen(text) >= TOPOLOGY_HOST_MAX || !is_host_name(text))
		return "no host name: at most 253 letters, digits, \"-\" and \"_\" in labels of 1 "
		       "to 63 between dots are allowed";
	return NULL;
}

const char *layout_system_identifier_problem(const char *text)
{
	size_t len = strlen(text);

	if (len < 1 || len > 20 || strspn(text, DIGITS) != len)
		return "no system identifier: 1 to 20 decimal digits are allowed";
	return NULL;
}

bool layout_same_server(const struct member *a, const struct member *b)
{
	if (a->name[0] != '\0' && strcmp(a->name, b->name) == 0)
		return true;
	if (a->port != b->port)
		return false;
	return strcasecmp(a->host, b->host) == 0 ||
	       (a->address[0] != '\0' && strcmp(a->address, b->address) == 0);
}

bool layout_port_parse(const char *text, uint16_t *port)
{
	unsigned value = 0;
	size_t len = strlen(text);

	if (len < 1 || len > 5 || strspn(text, DIGITS) != len)
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (unsigned)(*text - '0');
	if (value < 1 || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

bool layout_refuse(struct err *err, const char *what, const char *value, const char *problem)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT;

	if (value == NULL || layout_secret(value, strlen(value)))
		return err_set(err, "%s: %s", what, problem);
	strbuf_append_escaped(&shown, value, strlen(value), SHOWN_MAX);
	return err_set(err, "%s \"%s\": %s", what, shown.data, problem);
}

bool layout_member_set(struct member *member, const char *what, const char *host, uint16_t port,
                       bool secret, struct err *err)
{
	const char *problem = layout_host_problem(host);

	if (problem != NULL)
		return layout_refuse(err, what, secret ? NULL : host, problem);
	snprintf(member->host, sizeof(member->host), "%s", host);
	if (!layout_host_numeric(host, member->address))
		member->address[0] = '\0';
	member->port = port;
	return true;
}

const struct config_node *layout_node_find(const struct config_cluster *cluster, const char *name)
{
	for (size_t i = 0; i < cluster->node_count; i++)
		if (strcmp(cluster->nodes[i].name, name) == 0)
			return &cluster->nodes[i];
	return NULL;
}

static bool refuse_unknown(const struct config_cluster *cluster, const char *what, const char *name,
                           struct err *err)
{
	auto_strbuf struct strbuf problem = STRBUF_INIT;

	strbuf_append_str(&problem, "unknown: segue.ini has ");
	if (cluster->node_count == 0)
		strbuf_append_str(&problem, "no node.NAME setting for this cluster");
	for (size_t i = 0; i < cluster->node_count && i < NAMES_SHOWN; i++)
		strbuf_printf(&problem, "%snode.%s", i > 0 ? ", " : "", cluster->nodes[i].name);
	if (cluster->node_count > NAMES_SHOWN)
		strbuf_append_str(&problem, ", ...");
	return layout_refuse(err, what, name, problem.data);
}

bool layout_member_set_node(struct member *member, const char *what,
                            const struct config_cluster *cluster, const char *name, struct err *err)
{
	const struct config_node *node = layout_node_find(cluster, name);
	const char *problem = layout_name_problem(name);

	if (problem != NULL)
		return layout_refuse(err, what, name, problem);
	if (node == NULL)
		return refuse_unknown(cluster, what, name, err);
	memmove(member->name, name, strlen(name) + 1); /* `name` may be member->name */
	return layout_member_set(member, what, node->host, node->port, false, err);
}

/* The byte at *i, with %XX decoded. Advances *i over the digits. */
static char unescaped(const char *data, size_t len, size_t *i)
{
	char hex[3] = {0}, *end, c = data[*i];
	unsigned long value;

	if (c != '%' || len - *i < 3)
		return c;
	memcpy(hex, data + *i + 1, 2);
	value = strtoul(hex, &end, 16);
	if (end != hex + 2)
		return c;
	*i += 2;
	return (char)value;
}

/* In doubt returns true: an invalid URI can have its ":" and "@" anywhere, and a value that is
 * hidden without need can still be read in ZooKeeper. */
bool layout_secret(const char *data, size_t len)
{
	auto_strbuf struct strbuf plain = STRBUF_INIT;
	const char *scheme, *colon;

	for (size_t i = 0; i < len; i++) {
		char c = unescaped(data, len, &i);

		strbuf_append_char(&plain, c != '\0' ? c : '.');
	}
	if (strcasestr(plain.data, "password") != NULL)
		return true;
	scheme = strstr(plain.data, "://");
	colon = scheme != NULL ? strchr(scheme + 3, ':') : NULL;
	return colon != NULL && strchr(colon, '@') != NULL;
}
