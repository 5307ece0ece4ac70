/* Connection strings; see the header. libpq itself parses them, also URIs, so that a keyword means
 * here what it means there. Always: the resulting strings have no host in them, because the
 * connection sets it. */
#include "publisher/conninfo_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "topology/layout_fields.h"

#define BLANKS " \t"

/* Returns the end of the string at `at`. A URI ends at a comma, keyword=value pairs at a comma
 * outside quotes. */
static const char *skip_string(const char *at)
{
	bool quoted = false;

	if (conninfo_is_uri(at))
		return at + strcspn(at, ",");
	for (; *at != '\0' && (quoted || *at != ','); at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '\'')
			quoted = !quoted;
	}
	return at;
}

char *conninfo_list_next(const char **list)
{
	const char *start = *list + strspn(*list, BLANKS), *end = skip_string(start);

	if (*start == '\0')
		return NULL;
	*list = end + (*end == ',');
	while (end > start && strchr(BLANKS, end[-1]) != NULL)
		end--;
	return xstrndup(start, (size_t)(end - start));
}

/* libpq's message may contain a part of the string, and so of a password. It is not shown. */
static PQconninfoOption *read_options(const struct libpq *pq, const char *conninfo, struct err *err)
{
	char *problem = NULL;
	PQconninfoOption *options = pq->conninfo_parse(conninfo, &problem);

	if (options == NULL)
		err_set(err, "libpq cannot read the connection string");
	if (problem != NULL)
		pq->free_memory(problem);
	return options;
}

static void append_option(struct strbuf *out, const char *key, const char *value)
{
	strbuf_printf(out, "%s%s='", out->len > 0 ? " " : "", key);
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			strbuf_append_char(out, '\\');
		strbuf_append_char(out, *value);
	}
	strbuf_append_char(out, '\'');
}

struct place {
	const char *host, *hostaddr, *port;
};

/* Puts host, hostaddr and port into `place`; appends all other options to `out`. */
static void take_options(const PQconninfoOption *options, struct place *place, struct strbuf *out)
{
	for (; options->keyword != NULL; options++) {
		if (options->val == NULL)
			continue;
		if (strcmp(options->keyword, "host") == 0)
			place->host = options->val;
		else if (strcmp(options->keyword, "hostaddr") == 0)
			place->hostaddr = options->val;
		else if (strcmp(options->keyword, "port") == 0)
			place->port = options->val;
		else
			append_option(out, options->keyword, options->val);
	}
}

static bool take_member(const struct place *place, struct member *member, struct err *err)
{
	const char *host =
	    place->host != NULL && *place->host != '\0' ? place->host : place->hostaddr;
	uint16_t port = LAYOUT_PORT_DEFAULT;

	*member = (struct member){.lag_bytes = -1};
	if (host == NULL || *host == '\0')
		return err_set(err, "the connection string has no host: write host= with a name or "
		                    "an address by which the proxies reach the server");
	if (*host == '/')
		return err_set(err,
		               "host %s is the folder of a socket: write a name or an address by "
		               "which the proxies reach the server",
		               host);
	if (strchr(host, ',') != NULL)
		return err_set(
		    err, "host %s names several hosts: write one connection string for each", host);
	if (place->port != NULL && *place->port != '\0' && !layout_port_parse(place->port, &port))
		return err_set(err, "port %s: allowed: 1 to 65535", place->port);
	if (!layout_member_set(member, "host", host, port, false, err))
		return false;
	if (place->hostaddr != NULL && !layout_host_numeric(place->hostaddr, member->address))
		member->address[0] = '\0';
	return true;
}

/* The last of equal keywords counts. The server is from the node's own string, except for a common
 * port. */
static bool merge(const PQconninfoOption *all, const PQconninfoOption *own,
                  enum conninfo_precedence precedence, struct conninfo_target *out, struct err *err)
{
	auto_strbuf struct strbuf common = STRBUF_INIT, single = STRBUF_INIT;
	bool own_first = precedence == CONNINFO_OWN_FIRST;
	struct place ours = {.host = NULL}, place;

	take_options(all, &ours, &common);
	place = (struct place){.port = ours.port};
	take_options(own, &place, &single);
	if (!take_member(&place, &out->member, err))
		return false;
	out->conninfo = xasprintf("%s %s", own_first ? common.data : single.data,
	                          own_first ? single.data : common.data);
	return true;
}

bool conninfo_target_parse(const struct libpq *pq, const char *common, const char *conninfo,
                           enum conninfo_precedence precedence, struct conninfo_target *out,
                           struct err *err)
{
	PQconninfoOption *all = read_options(pq, common, err), *own = NULL;
	bool fine = false;

	if (all != NULL)
		own = read_options(pq, conninfo, err);
	if (own != NULL)
		fine = merge(all, own, precedence, out, err);
	if (all != NULL)
		pq->conninfo_free(all);
	if (own != NULL)
		pq->conninfo_free(own);
	return fine;
}

void conninfo_target_fini(struct conninfo_target *target)
{
	free(target->conninfo);
	target->conninfo = NULL;
}
