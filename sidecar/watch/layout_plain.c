/* Layout plain: the znode itself names the primary, the way some other tool writes it: a node name,
 * host, host:port, [v6]:port, a libpq connection string or URI, or Agrajag's EDN map. Never shows
 * the bytes of a value that may hold a password. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/layout.h"
#include "watch/layout_parts.h"

#define BLANKS " \t\r\n"

/* One value being decoded. */
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

/* hostaddr is where libpq connects; the name stays for people, unless it is a number itself. */
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
		return err_set(plain->err,
		               "the map names nobody: :name with a node name is needed");
	if (instant.len > 0 && !layout_time_to_utc(instant.data, promoted_at))
		return refuse(plain, ":event-timestamp", instant.data,
		              "no time as in \"2015-03-16T13:48:00.000-00:00\"");
	if (plain->secret && layout_node_find(plain->cluster, name.data) == NULL)
		return refuse(plain, ":name", NULL, "no node.NAME key of its cluster");
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
