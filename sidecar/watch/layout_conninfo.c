/* libpq's connection strings, without libpq: a layout is pure and small, libpq is neither. Takes
 * the grammar of the PostgreSQL manual, 34.1.1; keeps what struct conninfo has, and forgets the
 * rest. The last of equal keys wins, as in libpq. */
#include <stdlib.h>
#include <string.h>

#include "watch/layout_parts.h"

#define BLANKS " \t\n\v\f\r"

void conninfo_fini(struct conninfo *conninfo)
{
	strbuf_fini(&conninfo->host);
	strbuf_fini(&conninfo->hostaddr);
	strbuf_fini(&conninfo->port);
	strbuf_fini(&conninfo->user);
	strbuf_fini(&conninfo->dbname);
}

static struct strbuf *field_of(struct conninfo *out, const char *key)
{
	if (strcmp(key, "host") == 0)
		return &out->host;
	if (strcmp(key, "hostaddr") == 0)
		return &out->hostaddr;
	if (strcmp(key, "port") == 0)
		return &out->port;
	if (strcmp(key, "user") == 0)
		return &out->user;
	if (strcmp(key, "dbname") == 0)
		return &out->dbname;
	return NULL;
}

static void keep(struct conninfo *out, const char *key, const struct strbuf *value)
{
	struct strbuf *field = field_of(out, key);

	if (field == NULL)
		return;
	strbuf_reset(field);
	strbuf_append(field, value->data, value->len);
}

static bool refuse_at(const char *text, const char *at, const char *problem, struct err *err)
{
	return err_set(err, "byte %td: %s", at - text, problem);
}

/* The keyword, blanks, "=", blanks. */
static bool take_keyword(const char *text, const char **p, struct strbuf *key, struct err *err)
{
	size_t len = strcspn(*p, "=" BLANKS);

	if (len == 0)
		return refuse_at(text, *p, "a keyword of a connection string is expected", err);
	strbuf_reset(key);
	strbuf_append(key, *p, len);
	*p += len;
	*p += strspn(*p, BLANKS);
	if (**p != '=')
		return refuse_at(text, *p, "\"=\" is expected after a keyword", err);
	*p += 1;
	*p += strspn(*p, BLANKS);
	return true;
}

/* Bytes up to one of `stop` or the end; a backslash takes the next byte as it is. */
static void take_escaped(const char **p, const char *stop, struct strbuf *value)
{
	for (; **p != '\0' && strchr(stop, **p) == NULL; (*p)++) {
		if (**p == '\\')
			(*p)++;
		if (**p == '\0')
			return;
		strbuf_append_char(value, **p);
	}
}

static bool take_value(const char *text, const char **p, struct strbuf *value, struct err *err)
{
	const char *start = *p;

	strbuf_reset(value);
	if (*start != '\'') {
		take_escaped(p, BLANKS, value);
		return true;
	}
	(*p)++;
	take_escaped(p, "'", value);
	if (**p != '\'')
		return refuse_at(text, start, "this quote is never closed", err);
	(*p)++;
	return true;
}

bool conninfo_parse(const char *text, struct conninfo *out, struct err *err)
{
	auto_strbuf struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;
	const char *p = text + strspn(text, BLANKS);

	for (; *p != '\0'; p += strspn(p, BLANKS)) {
		if (!take_keyword(text, &p, &key, err) || !take_value(text, &p, &value, err))
			return false;
		keep(out, key.data, &value);
	}
	return true;
}

char *conninfo_login(const char *text)
{
	struct conninfo auto_conninfo login = CONNINFO_INIT;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err ignored;

	if (conninfo_is_uri(text) || !conninfo_parse(text, &login, &ignored))
		return xstrdup("");
	if (login.user.len > 0)
		strbuf_printf(&out, "user=%s", login.user.data);
	if (login.dbname.len > 0)
		strbuf_printf(&out, "%sdbname=%s", out.len > 0 ? " " : "", login.dbname.data);
	return xstrdup(out.data);
}

static const char *after_scheme(const char *text)
{
	static const char *const schemes[] = {"postgresql://", "postgres://"};

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return text + strlen(schemes[i]);
	return NULL;
}

bool conninfo_is_uri(const char *text)
{
	return after_scheme(text) != NULL;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)((found - digits) % 16) : -1;
}

/* Percent-decodes `len` bytes at *p into `out` and steps over them. */
static bool take_decoded(const char *text, const char **p, size_t len, struct strbuf *out,
                         struct err *err)
{
	const char *end = *p + len;

	strbuf_reset(out);
	for (; *p < end; (*p)++) {
		int high, low;

		if (**p != '%') {
			strbuf_append_char(out, **p);
			continue;
		}
		high = end - *p >= 3 ? hex_digit((*p)[1]) : -1;
		low = end - *p >= 3 ? hex_digit((*p)[2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return refuse_at(text, *p, "%01 to %FF is expected after a \"%\"", err);
		strbuf_append_char(out, (char)(high * 16 + low));
		*p += 2;
	}
	return true;
}

static bool skip_decoded(const char *text, const char **p, size_t len, struct err *err)
{
	auto_strbuf struct strbuf ignored = STRBUF_INIT;

	return take_decoded(text, p, len, &ignored, err);
}

/* user:password@, which nobody here wants */
static bool skip_userinfo(const char *text, const char **p, struct err *err)
{
	size_t len = strcspn(*p, "@/");

	if ((*p)[len] != '@')
		return true;
	if (!skip_decoded(text, p, len, err))
		return false;
	(*p)++;
	return true;
}

static bool take_host(const char *text, const char **p, struct conninfo *out, struct err *err)
{
	const char *close;

	if (**p != '[')
		return take_decoded(text, p, strcspn(*p, ":/?,"), &out->host, err);
	close = strchr(*p, ']');
	if (close == NULL)
		return refuse_at(text, *p, "this bracket is never closed", err);
	if (memchr(*p, ':', (size_t)(close - *p)) == NULL)
		return refuse_at(text, *p, "an IPv6 address is expected in brackets", err);
	(*p)++;
	if (!take_decoded(text, p, (size_t)(close - *p), &out->host, err))
		return false;
	(*p)++;
	if (**p != '\0' && strchr(":/?,", **p) == NULL)
		return refuse_at(text, *p, "\":\", \"/\" or \"?\" is expected after the host", err);
	return true;
}

static bool take_place(const char *text, const char **p, struct conninfo *out, struct err *err)
{
	if (!take_host(text, p, out, err))
		return false;
	if (**p == ':') {
		(*p)++;
		if (!take_decoded(text, p, strcspn(*p, "/?,"), &out->port, err))
			return false;
	}
	if (**p == ',')
		return refuse_at(text, *p, "more than one host: one primary is allowed", err);
	return true;
}

static bool take_parameter(const char *text, const char **p, struct conninfo *out, struct err *err)
{
	auto_strbuf struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;
	size_t len = strcspn(*p, "=&");

	if ((*p)[len] != '=')
		return refuse_at(text, *p, "a parameter without \"=\"", err);
	if (!take_decoded(text, p, len, &key, err))
		return false;
	(*p)++;
	len = strcspn(*p, "=&");
	if ((*p)[len] == '=')
		return refuse_at(text, *p + len, "a second \"=\" in one parameter", err);
	if (!take_decoded(text, p, len, &value, err))
		return false;
	keep(out, key.data, &value);
	return true;
}

bool conninfo_parse_uri(const char *text, const char *uri, struct conninfo *out, struct err *err)
{
	const char *p = after_scheme(uri);

	if (!skip_userinfo(text, &p, err) || !take_place(text, &p, out, err))
		return false;
	if (*p == '/') { /* dbname */
		p++;
		if (!skip_decoded(text, &p, strcspn(p, "?"), err))
			return false;
	}
	while (*p != '\0' && p[1] != '\0') {
		p++; /* "?" or "&" */
		if (!take_parameter(text, &p, out, err))
			return false;
	}
	return true;
}

/* The ":port" at the end of one host; empty where there is none. */
static const char *port_of(const char *host, size_t len)
{
	const char *bracket = memrchr(host, ']', len);
	const char *start = bracket != NULL ? bracket : host;
	const char *colon = memrchr(start, ':', len - (size_t)(start - host));

	return colon != NULL ? colon : host + len;
}

void conninfo_first_host(const char *uri, struct strbuf *out)
{
	const char *hosts = after_scheme(uri);
	size_t len = strcspn(hosts, "@/"), first, last;

	hosts += hosts[len] == '@' ? len + 1 : 0;
	len = strcspn(hosts, "/?");
	first = strcspn(hosts, ",");
	if (first >= len) {
		strbuf_append_str(out, uri);
		return;
	}
	last = (size_t)((const char *)memrchr(hosts, ',', len) - hosts) + 1;
	strbuf_append_str(out, "postgres://");
	strbuf_append(out, hosts, first);
	if (port_of(hosts, first) == hosts + first) {
		const char *port = port_of(hosts + last, len - last);

		strbuf_append(out, port, (size_t)(hosts + len - port));
	}
}
