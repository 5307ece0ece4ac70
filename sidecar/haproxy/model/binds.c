/* Reads bind lines as HAProxy does; see the header. Reports only conflicts that are certain: a
 * configuration with a conflict is refused until somebody removes it. */
#include "haproxy/model/binds.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "haproxy/model/address.h"
#include "haproxy/model/syntax.h"

struct reader {
	struct haproxy_lines lines;
	struct haproxy_binds *out;
	size_t group, owner;
	size_t section_start; /* index of the first bind of the section */
};

static void truncate_to(struct haproxy_binds *binds, size_t count)
{
	while (binds->count > count) {
		struct haproxy_bind *bind = &binds->items[--binds->count];

		free(bind->section_name);
		free(bind->spelled);
		free(bind->name);
		free(bind->host);
		free(bind->interface);
		free(bind->netns);
	}
}

/* PORT or FIRST-LAST, as HAProxy reads it. */
static bool read_ports(const char *text, uint16_t *first, uint16_t *last)
{
	char *end;
	unsigned long from = strtoul(text, &end, 10), to = from;

	if (!isdigit((unsigned char)*text))
		return false;
	if (*end == '-' && isdigit((unsigned char)end[1]))
		to = strtoul(end + 1, &end, 10);
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return *end == '\0' && from >= 1 && from <= to && to <= UINT16_MAX;
}

/* Reads an IP, or one of the spellings of "all addresses" in this family. An IPv4-mapped IPv6
 * address becomes its IPv4 address. False: it is a host name. */
static bool read_ip(const char *host, int family, bool v6only, struct haproxy_bind *bind)
{
	bool any = *host == '\0' || strcmp(host, "*") == 0;

	if (any && family == AF_INET6)
		host = "::";
	else if (any)
		host = "0.0.0.0";
	if (strchr(host, ':') == NULL) {
		bind->kind =
		    strcmp(host, "0.0.0.0") == 0 ? HAPROXY_BIND_ANY_IPV4 : HAPROXY_BIND_IPV4;
		return inet_pton(AF_INET, host, &bind->address) == 1;
	}
	bind->kind = HAPROXY_BIND_IPV6;
	if (inet_pton(AF_INET6, host, &bind->address) != 1)
		return false;
	if (IN6_IS_ADDR_UNSPECIFIED(&bind->address)) {
		bind->kind = v6only ? HAPROXY_BIND_ANY_IPV6 : HAPROXY_BIND_ANY;
	} else if (IN6_IS_ADDR_V4MAPPED(&bind->address)) {
		bind->kind = HAPROXY_BIND_IPV4;
		memmove(&bind->address, &bind->address.s6_addr[12], 4);
		memset(&bind->address.s6_addr[4], 0, 12);
	}
	return true;
}

/* False: HAProxy refuses it. */
static bool read_host_port(char *text, int family, bool v6only, struct haproxy_bind *bind)
{
	const char *host, *ports = haproxy_address_split(text, &host);

	if (!read_ports(ports, &bind->first, &bind->last))
		return false;
	if (read_ip(host, family, v6only, bind))
		return true;
	bind->kind = HAPROXY_BIND_NAME;
	bind->name = xstrdup(bind->spelled);
	bind->host = xstrdup(host);
	bind->host_family = family;
	bind->host_first = bind->first;
	bind->host_last = bind->last;
	bind->first = bind->last = 0;
	return true;
}

/* Reads one address of the list in a bind line. */
static void read_address(struct reader *reader, const char *spelled, size_t len)
{
	const struct haproxy_lines *line = &reader->lines;
	struct haproxy_binds *out = reader->out;
	struct haproxy_bind bind = {.group = reader->group,
	                            .owner = reader->owner,
	                            .section = line->section.number,
	                            .spelled = xstrndup(spelled, len)};
	auto_free char *copy = xstrdup(bind.spelled);
	const char *rest = copy;
	int family = haproxy_address_family(&rest);

	if (family == -1 ||
	    (family != AF_UNIX && !read_host_port(copy + (rest - copy), family,
	                                          haproxy_lines_find(line, "v6only") > 0, &bind))) {
		free(bind.spelled);
		return;
	}
	if (family == AF_UNIX)
		bind.name = xstrdup(rest);
	bind.section_name = haproxy_section_spelled(&line->section);
	bind.interface = xstrdup(haproxy_lines_value(line, "interface"));
	bind.netns = xstrdup(haproxy_lines_value(line, "namespace"));
	if (out->count == out->capacity) {
		out->capacity = out->capacity > 0 ? out->capacity * 2 : 16;
		out->items = xreallocarray(out->items, out->capacity, sizeof(*out->items));
	}
	out->items[out->count++] = bind;
}

static void read_bind(struct reader *reader)
{
	const char *at = haproxy_lines_word(&reader->lines, 1);

	if (reader->lines.conditional_depth > 0)
		return;
	while (*at != '\0') {
		size_t len = strcspn(at, ",");

		if (len > 0)
			read_address(reader, at, len);
		at += len + (at[len] == ',');
	}
}

static void end_section(struct reader *reader)
{
	if (reader->lines.before.settings.disabled)
		truncate_to(reader->out, reader->section_start);
	reader->section_start = reader->out->count;
}

void haproxy_binds_read(struct haproxy_binds *binds, const char *text, size_t len, size_t group,
                        size_t owner)
{
	struct reader reader = {
	    .out = binds, .group = group, .owner = owner, .section_start = binds->count};
	struct err ignored; /* haproxy_config_parse() reports it */

	haproxy_lines_init(&reader.lines, text, len);
	while (haproxy_lines_next(&reader.lines, &ignored))
		if (reader.lines.starts_section)
			end_section(&reader);
		else if (haproxy_line_is(&reader.lines, "bind"))
			read_bind(&reader);
	end_section(&reader);
	haproxy_lines_fini(&reader.lines);
}

void haproxy_binds_free(struct haproxy_binds *binds)
{
	truncate_to(binds, 0);
	free(binds->items);
	*binds = (struct haproxy_binds){.items = NULL};
}

static bool is_before(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	return a->owner != b->owner ? a->owner < b->owner : a->section < b->section;
}

/* Sorts by group, then by first port. Names have port 0 and are sorted by name. */
static int compare(const void *left, const void *right)
{
	const struct haproxy_bind *a = left, *b = right;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->name != NULL && b->name != NULL && strcmp(a->name, b->name) != 0)
		return strcmp(a->name, b->name);
	return is_before(b, a) - is_before(a, b);
}

static bool same_ip(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	enum { IPV4 = 1, IPV6 = 2 };
	static const unsigned families[] = {
	    [HAPROXY_BIND_NAME] = 0,        [HAPROXY_BIND_IPV4] = IPV4,
	    [HAPROXY_BIND_IPV6] = IPV6,     [HAPROXY_BIND_ANY_IPV4] = IPV4,
	    [HAPROXY_BIND_ANY_IPV6] = IPV6, [HAPROXY_BIND_ANY] = IPV4 | IPV6,
	};

	if ((families[a->kind] & families[b->kind]) == 0)
		return false;
	if (a->kind != b->kind)
		return true; /* at least one of them is for all addresses of the family */
	return (a->kind != HAPROXY_BIND_IPV4 && a->kind != HAPROXY_BIND_IPV6) ||
	       memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

bool haproxy_bind_of(const char *address, uint16_t port, struct haproxy_bind *out)
{
	*out = (struct haproxy_bind){
	    .first = port, .last = port, .interface = (char *)"", .netns = (char *)""};
	return *address != '\0' && read_ip(address, AF_UNSPEC, false, out);
}

bool haproxy_bind_at(const struct haproxy_bind *bind, const char *address, struct haproxy_bind *out)
{
	*out = *bind;
	out->first = bind->host_first;
	out->last = bind->host_last;
	return bind->host != NULL && *address != '\0' && read_ip(address, AF_UNSPEC, false, out);
}

bool haproxy_bind_overlaps(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	return a->first <= b->last && b->first <= a->last && same_ip(a, b) &&
	       strcmp(a->netns, b->netns) == 0 &&
	       (*a->interface == '\0' || *b->interface == '\0' ||
	        strcmp(a->interface, b->interface) == 0);
}

bool haproxy_bind_shares(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	if (a->kind == HAPROXY_BIND_NAME || b->kind == HAPROXY_BIND_NAME)
		return a->kind == b->kind && strcmp(a->name, b->name) == 0;
	return haproxy_bind_overlaps(a, b);
}

/* True when `b`, which is sorted after `a`, or a bind after `b` may conflict with `a`. */
static bool in_reach(const struct haproxy_bind *a, const struct haproxy_bind *b)
{
	if (a->group != b->group)
		return false;
	if (a->kind == HAPROXY_BIND_NAME)
		return b->kind == HAPROXY_BIND_NAME && strcmp(a->name, b->name) == 0;
	return b->first <= a->last;
}

void haproxy_binds_clashes(struct haproxy_binds *binds, haproxy_binds_cb *found, void *arg)
{
	auto_free bool *told = xcalloc(binds->count, sizeof(*told));

	if (binds->count > 0)
		qsort(binds->items, binds->count, sizeof(*binds->items), compare);
	for (size_t i = 0; i < binds->count; i++) {
		const struct haproxy_bind *a = &binds->items[i], *b = a + 1;

		for (size_t j = i + 1; j < binds->count && in_reach(a, b); j++, b++) {
			if (told[j] || (a->owner == b->owner && a->section == b->section) ||
			    !haproxy_bind_shares(a, b))
				continue;
			told[j] = true;
			found(is_before(a, b) ? a : b, is_before(a, b) ? b : a, arg);
		}
	}
}
