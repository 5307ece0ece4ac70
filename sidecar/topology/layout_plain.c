/* Layout plain: the znode itself names the primary, as another tool writes it: a node name, host,
 * host:port, [v6]:port, a libpq connection string or URI, or the EDN map of Agrajag. Never shows
 * bytes of a value that may contain a password. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/layout.h"
#include "topology/layout_fields.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

struct reader {
	const char *text, *p;
	int depth;
	struct strbuf ignored; /* a value that is not used */
	struct err *err;
};

static bool refuse_at(const struct reader *r, const char *at, const char *problem)
{
	return err_set(r->err, "byte %td: %s", at - r->text, problem);
}

static bool refuse_here(const struct reader *r, const char *problem)
{
	return refuse_at(r, r->p, problem);
}

/* Reads that many hexadecimal digits, four at most. */
static bool take_hex(struct reader *r, size_t digits, unsigned *code)
{
	char hex[5] = {0};

	if (strspn(r->p, HEX_DIGITS) < digits)
		return false;
	memcpy(hex, r->p, digits);
	*code = (unsigned)strtoul(hex, NULL, 16);
	r->p += digits;
	return true;
}

/* --- the EDN map that Agrajag writes into the master znode ---
 *
 *   {:node-id 2, :event-timestamp #inst "2015-03-16T13:48:00.000-00:00", :name "node2"}
 *
 * Reads :name and :event-timestamp, skips everything else by the grammar of EDN, and refuses
 * anything after the map. */

#define EDN_BLANKS " \t\n\v\f\r,"
#define DELIMITERS EDN_BLANKS "()[]{}\";"
#define DEPTH_MAX  32

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

/* The escape sequence after a backslash. */
static bool take_escape(struct reader *r, struct strbuf *out)
{
	static const char names[] = "tnrbf\\\"", bytes[] = "\t\n\r\b\f\\\"";
	const char *found = *r->p != '\0' ? strchr(names, *r->p) : NULL;
	unsigned code;

	if (*r->p != 'u' && found == NULL)
		return refuse_here(r, "one of t n r b f u \\ \" is expected after a backslash");
	r->p++;
	if (found != NULL) {
		strbuf_append_char(out, bytes[found - names]);
		return true;
	}
	if (!take_hex(r, 4, &code))
		return refuse_here(r, "four hexadecimal digits are expected after \\u");
	if (code == 0)
		return refuse_here(r, "\\u0000 is not allowed");
	append_utf8(out, code);
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
			return refuse_here(r, "the map ends inside a string");
		if (*r->p == '\\') {
			r->p++;
			if (!take_escape(r, out))
				return false;
		}
	}
	r->p++;
	return true;
}

static bool skip_collection(struct reader *r, char close)
{
	for (r->p++; skip_blanks(r);) {
		if (*r->p == close) {
			r->p++;
			return true;
		}
		if (!skip_value(r))
			return false;
	}
	return false;
}

/* A number, keyword, symbol, nil, boolean, or character (\c). */
static bool skip_atom(struct reader *r)
{
	size_t character = *r->p == '\\' && r->p[1] != '\0' ? 2 : 0;
	size_t len = character + strcspn(r->p + character, DELIMITERS);

	if (len == 0)
		return refuse_here(r,
		                   *r->p == '\0' ? "the map is not closed" : "a value is expected");
	r->p += len;
	return true;
}

static bool skip_here(struct reader *r)
{
	switch (*r->p) {
	case '"':
		return take_string(r, &r->ignored);
	case '(':
		return skip_collection(r, ')');
	case '[':
		return skip_collection(r, ']');
	case '{':
		return skip_collection(r, '}');
	case '#': /* #{set} or #tag value */
		r->p++;
		if (*r->p == '{')
			return skip_collection(r, '}');
		return skip_atom(r) && skip_value(r);
	default:
		return skip_atom(r);
	}
}

static bool skip_value(struct reader *r)
{
	bool ok;

	if (r->depth >= DEPTH_MAX)
		return refuse_here(r, "nested too deeply");
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
		return refuse_here(r, "the second value of a key");
	if (!skip_blanks(r))
		return false;
	if (take_atom_if(r, "nil"))
		return true;
	if (tag != NULL) {
		if (!take_atom_if(r, tag))
			return refuse_here(r, wanted);
		if (!skip_blanks(r))
			return false;
	}
	return *r->p == '"' ? take_string(r, out) : refuse_here(r, wanted);
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

/* `name` and `instant` get the strings of :name and :event-timestamp. They are empty if the key is
 * missing or nil. */
static bool take_map(struct reader *r, struct strbuf *name, struct strbuf *instant)
{
	if (!skip_blanks(r))
		return false;
	if (*r->p != '{')
		return refuse_here(r, "an EDN map is expected");
	for (r->p++; skip_blanks(r);) {
		if (*r->p == '}') {
			r->p++;
			return skip_blanks(r) &&
			       (*r->p == '\0' ||
			        refuse_here(r, "nothing is allowed after the map"));
		}
		if (!take_pair(r, name, instant))
			return false;
	}
	return false;
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

static void keep(struct conninfo *out, const char *key, const struct strbuf *value)
{
	const struct {
		const char *key;
		struct strbuf *value;
	} kept[] = {{"host", &out->host},
	            {"hostaddr", &out->hostaddr},
	            {"port", &out->port},
	            {"user", &out->user},
	            {"dbname", &out->dbname}};

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strcmp(key, kept[i].key) == 0) {
			strbuf_reset(kept[i].value);
			strbuf_append(kept[i].value, value->data, value->len);
		}
}

/* Reads the keyword, blanks, "=", blanks. */
static bool take_keyword(struct reader *r, struct strbuf *key)
{
	size_t len = strcspn(r->p, "=" CONNINFO_BLANKS);

	if (len == 0)
		return refuse_here(r, "a keyword of a connection string is expected");
	strbuf_reset(key);
	strbuf_append(key, r->p, len);
	r->p += len;
	r->p += strspn(r->p, CONNINFO_BLANKS);
	if (*r->p != '=')
		return refuse_here(r, "\"=\" is expected after a keyword");
	r->p++;
	r->p += strspn(r->p, CONNINFO_BLANKS);
	return true;
}

/* Reads up to a blank, or what is quoted. A backslash escapes the next byte. */
static bool take_value(struct reader *r, struct strbuf *value)
{
	const char *start = r->p, *stop = *start == '\'' ? "'" : CONNINFO_BLANKS;

	strbuf_reset(value);
	if (*start == '\'')
		r->p++;
	for (; *r->p != '\0' && strchr(stop, *r->p) == NULL; r->p++) {
		if (*r->p == '\\' && *++r->p == '\0')
			break;
		strbuf_append_char(value, *r->p);
	}
	if (*start != '\'')
		return true;
	if (*r->p != '\'')
		return refuse_at(r, start, "this quote is never closed");
	r->p++;
	return true;
}

static bool parse_pairs(struct reader *r, struct conninfo *out)
{
	auto_strbuf struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;

	for (r->p += strspn(r->p, CONNINFO_BLANKS); *r->p != '\0';
	     r->p += strspn(r->p, CONNINFO_BLANKS)) {
		if (!take_keyword(r, &key) || !take_value(r, &value))
			return false;
		keep(out, key.data, &value);
	}
	return true;
}

/* Percent-decodes the next `len` bytes into `out`. */
static bool take_decoded(struct reader *r, size_t len, struct strbuf *out)
{
	const char *end = r->p + len;

	strbuf_reset(out);
	while (r->p < end) {
		const char *start = r->p++;
		unsigned code = (unsigned char)*start;

		if (*start == '%' && (!take_hex(r, 2, &code) || code == 0))
			return refuse_at(r, start, "%01 to %FF is expected after a \"%\"");
		strbuf_append_char(out, (char)code);
	}
	return true;
}

static bool take_host(struct reader *r, struct strbuf *host)
{
	const char *close;

	if (*r->p != '[')
		return take_decoded(r, strcspn(r->p, ":/?,"), host);
	close = strchr(r->p, ']');
	if (close == NULL)
		return refuse_here(r, "this bracket is never closed");
	if (memchr(r->p, ':', (size_t)(close - r->p)) == NULL)
		return refuse_here(r, "an IPv6 address is expected in brackets");
	r->p++;
	if (!take_decoded(r, (size_t)(close - r->p), host))
		return false;
	r->p++;
	return *r->p == '\0' || strchr(":/?,", *r->p) != NULL ||
	       refuse_here(r, "\":\", \"/\" or \"?\" is expected after the host");
}

static bool take_place(struct reader *r, struct strbuf *host, struct strbuf *port)
{
	strbuf_reset(port);
	if (!take_host(r, host))
		return false;
	if (*r->p != ':')
		return true;
	r->p++;
	return take_decoded(r, strcspn(r->p, "/?,"), port);
}

/* Of several hosts the first is kept; if that has no port, the port of the last one, which is what
 * Patroni means by host1,host2:5432. */
static bool take_places(struct reader *r, bool several, struct conninfo *out)
{
	auto_strbuf struct strbuf port = STRBUF_INIT;

	if (!take_place(r, &out->host, &out->port))
		return false;
	while (*r->p == ',') {
		if (!several)
			return refuse_here(r, "more than one host: one primary is allowed");
		r->p++;
		if (!take_place(r, &r->ignored, &port))
			return false;
	}
	if (out->port.len == 0)
		strbuf_append(&out->port, port.data, port.len);
	return true;
}

static bool take_parameter(struct reader *r, struct conninfo *out)
{
	auto_strbuf struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;
	size_t len = strcspn(r->p, "=&");

	if (r->p[len] != '=')
		return refuse_here(r, "a parameter without \"=\"");
	if (!take_decoded(r, len, &key))
		return false;
	r->p++;
	len = strcspn(r->p, "=&");
	if (r->p[len] == '=')
		return refuse_at(r, r->p + len, "a second \"=\" in one parameter");
	if (!take_decoded(r, len, &value))
		return false;
	keep(out, key.data, &value);
	return true;
}

/* User, password and database of a URI are not used. */
static bool parse_uri(struct reader *r, bool several, struct conninfo *out)
{
	size_t userinfo = strcspn(r->p, "@/");

	if (r->p[userinfo] == '@') {
		if (!take_decoded(r, userinfo, &r->ignored))
			return false;
		r->p++;
	}
	if (!take_places(r, several, out))
		return false;
	if (*r->p == '/') { /* dbname */
		r->p++;
		if (!take_decoded(r, strcspn(r->p, "?"), &r->ignored))
			return false;
	}
	while (*r->p != '\0' && r->p[1] != '\0') {
		r->p++; /* "?" or "&" */
		if (!take_parameter(r, out))
			return false;
	}
	return true;
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

bool conninfo_parse(const char *text, bool several, struct conninfo *out, struct err *err)
{
	const char *uri = after_scheme(text + strspn(text, CONNINFO_BLANKS));
	struct reader reader = {
	    .text = text, .p = uri != NULL ? uri : text, .ignored = STRBUF_INIT, .err = err};
	bool ok = uri != NULL ? parse_uri(&reader, several, out) : parse_pairs(&reader, out);

	strbuf_fini(&reader.ignored);
	return ok;
}

char *conninfo_login(const char *text)
{
	struct conninfo auto_conninfo login = CONNINFO_INIT;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err ignored;

	if (conninfo_is_uri(text) || !conninfo_parse(text, false, &login, &ignored))
		return xstrdup("");
	if (login.user.len > 0)
		strbuf_printf(&out, "user=%s", login.user.data);
	if (login.dbname.len > 0)
		strbuf_printf(&out, "%sdbname=%s", out.len > 0 ? " " : "", login.dbname.data);
	return strbuf_detach(&out);
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

/* host, host:port, v6, [v6] or [v6]:port */
static bool decode_address(const struct plain *plain)
{
	const char *start = plain->start, *blank = strpbrk(start, BLANKS), *end, *rest;
	const bool bracketed = *start == '[';
	auto_free char *host = NULL;

	if (blank != NULL)
		return err_set(plain->err, "byte %td: nothing is allowed after the address",
		               blank - plain->text);
	end = bracketed ? strchr(++start, ']') : strchrnul(start, ':');
	if (end == NULL)
		return err_set(plain->err, "byte %td: this bracket is never closed",
		               plain->start - plain->text);
	rest = bracketed ? end + 1 : end;
	if (!bracketed && *rest == ':' && strchr(rest + 1, ':') != NULL)
		return set_host(plain, start, NULL);
	host = xstrndup(start, (size_t)(end - start));
	if (bracketed && strchr(host, ':') == NULL)
		return refuse(plain, "host", host, "an IPv6 address is expected in brackets");
	if (*rest != '\0' && *rest != ':')
		return err_set(plain->err, "byte %td: \":port\" or nothing is allowed after \"]\"",
		               rest - plain->text);
	return set_host(plain, host, *rest == ':' ? rest + 1 : NULL);
}

/* libpq connects to hostaddr. A host name is kept, for people to read; a numeric host is not. */
static bool set_hostaddr(const struct plain *plain, const char *hostaddr)
{
	struct member *primary = plain->primary;
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

static bool decode_conninfo(const struct plain *plain)
{
	auto_conninfo struct conninfo conninfo = CONNINFO_INIT;
	const struct strbuf *host;

	if (!conninfo_parse(plain->text, false, &conninfo, plain->err))
		return false;
	host = conninfo.host.len > 0 ? &conninfo.host : &conninfo.hostaddr;
	if (host->len == 0)
		return err_set(plain->err, "the connection string has no host");
	if (!set_host(plain, host->data, conninfo.port.len > 0 ? conninfo.port.data : NULL))
		return false;
	return conninfo.hostaddr.len == 0 || set_hostaddr(plain, conninfo.hostaddr.data);
}

static bool decode_edn(const struct plain *plain, char promoted_at[LAYOUT_TIME_MAX])
{
	auto_strbuf struct strbuf name = STRBUF_INIT, instant = STRBUF_INIT;
	struct reader reader = {
	    .text = plain->text, .p = plain->text, .ignored = STRBUF_INIT, .err = plain->err};
	bool ok = take_map(&reader, &name, &instant);

	strbuf_fini(&reader.ignored);
	if (!ok)
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
	text = xstrndup(data, len);
	plain.text = text;
	plain.start = text + strspn(text, BLANKS);
	plain.secret = layout_secret(data, len);
	if (decode(&plain, out))
		return true;
	topology_fini(out);
	return false;
}
