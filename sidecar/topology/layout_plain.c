/* Layout plain: the znode itself names the primary, as another tool writes it: a node name, host,
 * host:port, [v6]:port, a libpq connection string or URI, or the EDN map of Agrajag. Never shows
 * bytes of a value that may contain a password. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

/* --- the EDN map that Agrajag writes into the master znode ---
 *
 *   {:node-id 2, :event-timestamp #inst "2015-03-16T13:48:00.000-00:00", :name "node2"}
 *
 * Reads :name and :event-timestamp, skips everything else by the grammar of EDN, and refuses
 * anything after the map. */

#define EDN_BLANKS " \t\n\v\f\r,"
#define DELIMITERS EDN_BLANKS "()[]{}\";"
#define DEPTH_MAX  32

struct reader {
	const char *text, *p;
	int depth;
	struct err *err;
};

static bool refuse_edn(const struct reader *r, const char *problem)
{
	return err_set(r->err, "byte %td: %s", r->p - r->text, problem);
}

static bool skip_value(struct reader *r);

/* Skips blanks, commas, comments, and #_ with the value after it. */
static bool skip_blanks(struct reader *r)
{
	for (;;) {
		r->p += strspn(r->p, EDN_BLANKS);
		if (*r->p == ';') {
			r->p += strcspn(r->p, "\n");
		} else if (strncmp(r->p, "#_", 2) == 0) {
			r->p += 2;
			if (!skip_value(r))
				return false;
		} else {
			return true;
		}
	}
}

static void append_utf8(struct strbuf *out, unsigned code)
{
	if (code < 0x80) {
		strbuf_append_char(out, (char)code);
		return;
	}
	if (code < 0x800) {
		strbuf_append_char(out, (char)(0xc0 | code >> 6));
	} else {
		strbuf_append_char(out, (char)(0xe0 | code >> 12));
		strbuf_append_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
	}
	strbuf_append_char(out, (char)(0x80 | (code & 0x3f)));
}

/* The four hexadecimal digits after \u, as UTF-8. */
static bool take_code_point(struct reader *r, struct strbuf *out)
{
	char hex[5] = {0};
	unsigned code;

	if (strspn(r->p, "0123456789abcdefABCDEF") < 4)
		return refuse_edn(r, "four hexadecimal digits are expected after \\u");
	memcpy(hex, r->p, 4);
	code = (unsigned)strtoul(hex, NULL, 16);
	if (code == 0)
		return refuse_edn(r, "\\u0000 is not allowed");
	append_utf8(out, code);
	r->p += 4;
	return true;
}

/* The escape sequence after a backslash. */
static bool take_escape(struct reader *r, struct strbuf *out)
{
	static const char names[] = "tnrbf\\\"", bytes[] = "\t\n\r\b\f\\\"";
	const char *found = *r->p != '\0' ? strchr(names, *r->p) : NULL;

	if (*r->p == 'u') {
		r->p++;
		return take_code_point(r, out);
	}
	if (found == NULL)
		return refuse_edn(r, "one of t n r b f u \\ \" is expected after a backslash");
	strbuf_append_char(out, bytes[found - names]);
	r->p++;
	return true;
}

static bool take_string(struct reader *r, struct strbuf *out)
{
	strbuf_reset(out);
	for (r->p++; *r->p != '"';) {
		size_t len = strcspn(r->p, "\"\\");

		strbuf_append(out, r->p, len);
		r->p += len;
		if (*r->p == '\0')
			return refuse_edn(r, "the map ends inside a string");
		if (*r->p == '\\') {
			r->p++;
			if (!take_escape(r, out))
				return false;
		}
	}
	r->p++;
	return true;
}

static bool skip_string(struct reader *r)
{
	auto_strbuf struct strbuf ignored = STRBUF_INIT;

	return take_string(r, &ignored);
}

static bool skip_collection(struct reader *r, char close)
{
	for (r->p++;;) {
		if (!skip_blanks(r))
			return false;
		if (*r->p == close) {
			r->p++;
			return true;
		}
		if (!skip_value(r))
			return false;
	}
}

/* A number, keyword, symbol, nil, boolean, or character (\c). */
static bool skip_atom(struct reader *r)
{
	size_t character = *r->p == '\\' && r->p[1] != '\0' ? 2 : 0;
	size_t len = character + strcspn(r->p + character, DELIMITERS);

	if (len == 0)
		return refuse_edn(r,
		                  *r->p == '\0' ? "the map is not closed" : "a value is expected");
	r->p += len;
	return true;
}

/* #{set} or #tag value. */
static bool skip_dispatch(struct reader *r)
{
	r->p++;
	if (*r->p == '{')
		return skip_collection(r, '}');
	return skip_atom(r) && skip_value(r);
}

static bool skip_here(struct reader *r)
{
	switch (*r->p) {
	case '"':
		return skip_string(r);
	case '(':
		return skip_collection(r, ')');
	case '[':
		return skip_collection(r, ']');
	case '{':
		return skip_collection(r, '}');
	case '#':
		return skip_dispatch(r);
	default:
		return skip_atom(r);
	}
}

static bool skip_value(struct reader *r)
{
	bool ok;

	if (r->depth >= DEPTH_MAX)
		return refuse_edn(r, "nested too deeply");
	r->depth++;
	ok = skip_blanks(r) && skip_here(r);
	r->depth--;
	return ok;
}

static bool take_atom_if(struct reader *r, const char *atom)
{
	size_t len = strcspn(r->p, DELIMITERS);

	if (len != strlen(atom) || strncmp(r->p, atom, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* Reads a string, which follows `tag` unless `tag` is NULL. nil leaves `out` empty. */
static bool take_field(struct reader *r, const char *tag, struct strbuf *out, const char *wanted)
{
	if (out->len > 0)
		return refuse_edn(r, "the second value of a key");
	if (!skip_blanks(r))
		return false;
	if (take_atom_if(r, "nil"))
		return true;
	if (tag != NULL) {
		if (!take_atom_if(r, tag))
			return refuse_edn(r, wanted);
		if (!skip_blanks(r))
			return false;
	}
	return *r->p == '"' ? take_string(r, out) : refuse_edn(r, wanted);
}

static bool take_pair(struct reader *r, struct strbuf *name, struct strbuf *instant)
{
	if (take_atom_if(r, ":name"))
		return take_field(r, NULL, name, "a string is expected after :name");
	if (take_atom_if(r, ":event-timestamp"))
		return take_field(r, "#inst", instant,
		                  "#inst \"...\" is expected after :event-timestamp");
	if (!skip_value(r)) /* any other key */
		return false;
	return skip_value(r);
}

static bool take_map(struct reader *r, struct strbuf *name, struct strbuf *instant)
{
	if (*r->p != '{')
		return refuse_edn(r, "an EDN map is expected");
	r->p++;
	for (;;) {
		if (!skip_blanks(r))
			return false;
		if (*r->p == '}')
			break;
		if (!take_pair(r, name, instant))
			return false;
	}
	r->p++;
	return true;
}

/* Parses the EDN map of Agrajag. `name` and `instant` get the strings of :name and
 * :event-timestamp. They are empty if the key is missing or nil. */
static bool edn_parse_master(const char *text, struct strbuf *name, struct strbuf *instant,
                             struct err *err)
{
	struct reader reader = {.text = text, .p = text, .err = err}, *r = &reader;

	if (!skip_blanks(r) || !take_map(r, name, instant) || !skip_blanks(r))
		return false;
	return *r->p == '\0' || refuse_edn(r, "nothing is allowed after the map");
}

/* --- connection strings of libpq ---
 *
 * Parsed without libpq, because the layouts are pure and libpq is large. The grammar is that of the
 * PostgreSQL manual, 34.1.1. Only the keys of struct conninfo are kept. The last of equal keys
 * wins, as in libpq. */

#define CONNINFO_BLANKS " \t\n\v\f\r"

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

/* Reads the keyword, blanks, "=", blanks. */
static bool take_keyword(const char *text, const char **p, struct strbuf *key, struct err *err)
{
	size_t len = strcspn(*p, "=" CONNINFO_BLANKS);

	if (len == 0)
		return refuse_at(text, *p, "a keyword of a connection string is expected", err);
	strbuf_reset(key);
	strbuf_append(key, *p, len);
	*p += len;
	*p += strspn(*p, CONNINFO_BLANKS);
	if (**p != '=')
		return refuse_at(text, *p, "\"=\" is expected after a keyword", err);
	*p += 1;
	*p += strspn(*p, CONNINFO_BLANKS);
	return true;
}

/* Reads the bytes up to one of `stop` or the end. A backslash escapes the next byte. */
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
		take_escaped(p, CONNINFO_BLANKS, value);
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
	const char *p = text + strspn(text, CONNINFO_BLANKS);

	for (; *p != '\0'; p += strspn(p, CONNINFO_BLANKS)) {
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

/* Percent-decodes `len` bytes at *p into `out` and advances *p over them. */
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

/* Skips user:password@, which is not used. */
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

/* Returns the ":port" at the end of one host, or the end of the host if there is none. */
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

/* --- the value of the znode --- */

#define BLANKS " \t\r\n"

/* The value that is being decoded. */
struct plain {
	const struct config_cluster *cluster;
	const char *text;  /* without trailing blanks */
	const char *start; /* `text` without leading blanks */
	bool secret;
	struct member *primary;
	struct err *err;
};

static bool refuse(const struct plain *plain, const char *what, const char *value,
                   const char *problem)
{
	return layout_refuse(plain->err, what, plain->secret ? NULL : value, problem);
}

static bool set_host(const struct plain *plain, const char *host, const char *port_text)
{
	uint16_t port = LAYOUT_PORT_DEFAULT;

	if (port_text != NULL && !layout_port_parse(port_text, &port))
		return refuse(plain, "port", port_text, "no port: 1 to 65535 is allowed");
	return layout_member_set(plain->primary, "host", host, port, plain->secret, plain->err);
}

/* [v6] or [v6]:port */
static bool decode_bracketed(const struct plain *plain)
{
	const char *close = strchr(plain->start, ']');
	auto_free char *host = NULL;

	if (close == NULL)
		return err_set(plain->err, "byte %td: this bracket is never closed",
		               plain->start - plain->text);
	host = xstrndup(plain->start + 1, (size_t)(close - plain->start) - 1);
	if (strchr(host, ':') == NULL)
		return refuse(plain, "host", host, "an IPv6 address is expected in brackets");
	if (close[1] != '\0' && close[1] != ':')
		return err_set(plain->err, "byte %td: \":port\" or nothing is allowed after \"]\"",
		               close + 1 - plain->text);
	return set_host(plain, host, close[1] == ':' ? close + 2 : NULL);
}

/* host, host:port, v6, [v6] or [v6]:port */
static bool decode_address(const struct plain *plain)
{
	const char *colon = strchr(plain->start, ':');
	const char *blank = strpbrk(plain->start, BLANKS);
	auto_free char *host = NULL;

	if (blank != NULL)
		return err_set(plain->err, "byte %td: nothing is allowed after the address",
		               blank - plain->text);
	if (plain->start[0] == '[')
		return decode_bracketed(plain);
	if (colon == NULL || strchr(colon + 1, ':') != NULL)
		return set_host(plain, plain->start, NULL);
	host = xstrndup(plain->start, (size_t)(colon - plain->start));
	return set_host(plain, host, colon + 1);
}

/* libpq connects to hostaddr. A host name is kept, for people to read; a numeric host is not. */
static bool set_hostaddr(const struct plain *plain, const struct conninfo *conninfo)
{
	struct member *primary = plain->primary;
	const char *hostaddr = conninfo->hostaddr.data;
	const char *problem = layout_host_problem(hostaddr);
	char address[TOPOLOGY_ADDRESS_MAX];

	if (problem == NULL && !layout_host_numeric(hostaddr, address))
		problem = "no IP address";
	if (problem != NULL)
		return refuse(plain, "hostaddr", hostaddr, problem);
	if (primary->address[0] != '\0')
		snprintf(primary->host, sizeof(primary->host), "%s", hostaddr);
	memcpy(primary->address, address, sizeof(address));
	return true;
}

static bool set_conninfo(const struct plain *plain, const struct conninfo *conninfo)
{
	const struct strbuf *host = conninfo->host.len > 0 ? &conninfo->host : &conninfo->hostaddr;

	if (host->len == 0)
		return err_set(plain->err, "the connection string has no host");
	if (!set_host(plain, host->data, conninfo->port.len > 0 ? conninfo->port.data : NULL))
		return false;
	return conninfo->hostaddr.len == 0 || set_hostaddr(plain, conninfo);
}

static bool decode_conninfo(const struct plain *plain)
{
	auto_conninfo struct conninfo conninfo = CONNINFO_INIT;
	bool ok = conninfo_is_uri(plain->start)
	              ? conninfo_parse_uri(plain->text, plain->start, &conninfo, plain->err)
	              : conninfo_parse(plain->text, &conninfo, plain->err);

	return ok && set_conninfo(plain, &conninfo);
}

static bool decode_edn(const struct plain *plain, char promoted_at[LAYOUT_TIME_MAX])
{
	auto_strbuf struct strbuf name = STRBUF_INIT, instant = STRBUF_INIT;

	if (!edn_parse_master(plain->text, &name, &instant, plain->err))
		return false;
	if (name.len == 0)
		return err_set(plain->err, "the map has no :name: a node name is needed");
	if (instant.len > 0 && !layout_time_to_utc(instant.data, promoted_at))
		return refuse(plain, ":event-timestamp", instant.data,
		              "no time as in \"2015-03-16T13:48:00.000-00:00\"");
	if (plain->secret && layout_node_find(plain->cluster, name.data) == NULL)
		return refuse(plain, ":name", NULL, "segue.ini has no such node.NAME setting");
	return layout_member_set_node(plain->primary, ":name", plain->cluster, name.data,
	                              plain->err);
}

static bool decode(const struct plain *plain, struct topology *out)
{
	out->has_primary = true;
	if (plain->start[0] == '{')
		return decode_edn(plain, out->promoted_at);
	if (layout_node_find(plain->cluster, plain->start) != NULL)
		return layout_member_set_node(plain->primary, "node", plain->cluster, plain->start,
		                              plain->err);
	if (conninfo_is_uri(plain->start) || strchr(plain->start, '=') != NULL)
		return decode_conninfo(plain);
	return decode_address(plain);
}

static bool check_control(const char *data, size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return err_set(err, "byte %zu: control character \\x%02x", i, c);
	}
	return true;
}

bool layout_plain_decode(const struct config_cluster *cluster, const char *data, size_t len,
                         struct topology *out, struct err *err)
{
	auto_free char *text = NULL;
	struct plain plain = {.cluster = cluster, .primary = &out->primary, .err = err};

	topology_init(out);
	if (!check_control(data, len, err))
		return false;
	while (len > 0 && strchr(BLANKS, data[len - 1]) != NULL)
		len--;
	text = len > 0 ? xstrndup(data, len) : xstrdup("");
	plain.text = text;
	plain.start = text + strspn(text, BLANKS);
	plain.secret = layout_secret(data, len);
	if (*plain.start == '\0')
		return err_set(err, "the znode is empty");
	if (decode(&plain, out))
		return true;
	topology_fini(out);
	return false;
}
