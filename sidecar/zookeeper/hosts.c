/* Parses the `hosts` setting; see the header. libzookeeper reads a port with a leading 0 as octal
 * and silently skips an entry without a host. Here a port is always decimal, and a wrong entry is
 * refused with an error. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "session_internal.h"
#include "topology/layout_fields.h"

/* RFC 1123 section 2.1, and also the underscore, which container names have. */
static bool is_host_name(const char *host)
{
	char before = '.';

	for (const char *p = host; *p != '\0'; before = *p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_' && *p != '.')
			return false;
		if (before == '.' && (*p == '.' || *p == '-'))
			return false;
	}
	return *host != '\0' && before != '-';
}

static bool set_host(struct zk_host *host, const char *text, size_t len, bool bracketed,
                     const char *entry, struct err *err)
{
	if (len == 0)
		return err_set(err, "'%s': the host is missing", entry);
	if (len >= sizeof(host->host))
		return err_set(err, "'%s': the host is longer than %zu bytes", entry,
		               sizeof(host->host) - 1);
	memcpy(host->host, text, len);
	host->host[len] = '\0';
	host->numeric = layout_host_numeric(host->host, host->addresses[0]);
	host->address_count = host->numeric ? 1 : 0;
	if (bracketed && (!host->numeric || strchr(host->host, ':') == NULL))
		return err_set(err, "'%s': only an IPv6 address is written in brackets", entry);
	return host->numeric || is_host_name(host->host) ||
	       err_set(err, "'%s': neither a host name nor an address", entry);
}

/* host | host:port | [v6] | [v6]:port */
static bool parse_entry(const char *entry, struct zk_host *host, struct err *err)
{
	bool bracketed = *entry == '[';
	const char *start = bracketed ? entry + 1 : entry;
	const char *end = bracketed ? strchr(start, ']') : strchrnul(start, ':');
	const char *rest = bracketed && end != NULL ? end + 1 : end;

	*host = (struct zk_host){.port = ZK_PORT_DEFAULT};
	if (end == NULL)
		return err_set(err, "'%s': the ']' is missing", entry);
	if (!bracketed && strchr(rest + (*rest != '\0'), ':') != NULL)
		return err_set(err, "'%s': an IPv6 address must be in brackets", entry);
	if (!set_host(host, start, (size_t)(end - start), bracketed, entry, err))
		return false;
	if (*rest == '\0')
		return true;
	if (*rest != ':')
		return err_set(err, "'%s': after ']' only :port may follow", entry);
	return layout_port_parse(rest + 1, &host->port) ||
	       err_set(err, "'%s': the port must be a number from 1 to 65535", entry);
}

static bool add_entry(struct zk_hosts *hosts, const char *text, size_t len, struct err *err)
{
	auto_free char *entry = NULL;

	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	entry = xstrndup(text, len);
	if (hosts->count == ZK_HOSTS_MAX)
		return err_set(err, "more than %d hosts", ZK_HOSTS_MAX);
	hosts->hosts = xreallocarray(hosts->hosts, hosts->count + 1, sizeof(*hosts->hosts));
	return parse_entry(entry, &hosts->hosts[hosts->count++], err);
}

/* The rules of ZooKeeper's PathUtils.validatePath(), and printable ASCII only. "/" alone is no
 * chroot. */
static bool parse_chroot(const char *text, char *out, struct err *err)
{
	size_t len = strlen(text), start = 1;

	if (len <= 1)
		return true;
	if (len >= ZK_HOSTS_CHROOT_MAX)
		return err_set(err, "the chroot is longer than %d bytes", ZK_HOSTS_CHROOT_MAX - 1);
	for (size_t i = 1; i <= len; i++) {
		if (text[i] == '/' || text[i] == '\0') {
			size_t part = i - start;

			if (part == 0 || (part == 1 && text[start] == '.') ||
			    (part == 2 && memcmp(text + start, "..", 2) == 0))
				return err_set(err,
				               "chroot '%s': no empty part, '.' or '..' is allowed",
				               text);
			start = i + 1;
		} else if (!isgraph((unsigned char)text[i]) || text[i] == ',') {
			return err_set(err,
			               "chroot: byte 0x%02x is not allowed (the chroot follows the "
			               "last host only)",
			               (unsigned char)text[i]);
		}
	}
	memcpy(out, text, len + 1);
	return true;
}

bool zk_hosts_parse(const char *text, struct zk_hosts *out, struct err *err)
{
	const char *end = strchrnul(text, '/');
	bool ok;

	*out = (struct zk_hosts){.hosts = NULL};
	ok = parse_chroot(end, out->chroot, err);
	for (const char *p = text; ok; p++) {
		const char *stop = memchr(p, ',', (size_t)(end - p));

		stop = stop != NULL ? stop : end;
		ok = add_entry(out, p, (size_t)(stop - p), err);
		p = stop;
		if (p == end)
			break;
	}
	if (!ok)
		zk_hosts_free(out);
	return ok;
}

void zk_hosts_free(struct zk_hosts *hosts)
{
	free(hosts->hosts);
	*hosts = (struct zk_hosts){.hosts = NULL};
}

/* No brackets: libzookeeper takes all before the last colon as the address. */
static void append_address(struct strbuf *out, const struct zk_host *host, size_t index)
{
	strbuf_printf(out, "%s%s:%u", out->len == 0 ? "" : ",", host->addresses[index], host->port);
}

size_t zk_hosts_connect_string(const struct zk_hosts *hosts, struct strbuf *out)
{
	const struct zk_host *known = NULL;
	size_t count = 0;

	for (size_t i = 0; i < hosts->count; i++) {
		const struct zk_host *host = &hosts->hosts[i];

		if (known == NULL && host->address_count > 0)
			known = host;
		for (size_t j = 0; j < host->address_count; j++, count++)
			append_address(out, host, j);
	}
	if (known == NULL)
		return 0;
	if (count % 2 == 0) {
		append_address(out, known, 0);
		count++;
	}
	strbuf_append_str(out, hosts->chroot);
	return count;
}
