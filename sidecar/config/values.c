/* The typed values of segue.ini, and ${NAME} in them; see config_internal.h. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "config/grammar.h"
#include "config_internal.h"

/* --- ${NAME} in values --- */

#define EXPANDED_MAX ((size_t)64 * 1024) /* bytes of one value */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

static bool append_checked(struct strbuf *out, const char *name, const char *value, struct err *err)
{
	for (const char *at = value; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return err_set(err,
			               "found ${%s} with the control character \\x%02x in it: "
			               "allowed: text",
			               name, (unsigned char)*at);
	strbuf_append_str(out, value);
	if (out->len > EXPANDED_MAX)
		return err_set(err, "found more than %zu bytes with ${%s} expanded: allowed: less",
		               EXPANDED_MAX, name);
	return true;
}

/* `at` is after the "${". Sets *end to the byte after the "}". */
static bool expand_one(const char *at, const char **end, struct strbuf *out, struct err *err)
{
	size_t len = strspn(at, LETTERS) > 0 ? strspn(at, LETTERS "0123456789") : 0;
	const char *close = strchr(at, '}');
	auto_free char *name = xstrndup(at, len);
	auto_free char *fallback = NULL;
	const char *value = getenv(name);
	bool or_empty = strncmp(at + len, ":-", 2) == 0; /* as in sh */
	const char *instead = at + len + (or_empty ? 2 : 1);

	if (len == 0 || close == NULL || (at + len != close && at[len] != '-' && !or_empty))
		return err_set(err,
		               "found \"${%.*s\": allowed: ${NAME}, ${NAME:-default} or "
		               "${NAME-default}; $$ is one $",
		               40, at);
	*end = close + 1;
	if (at + len != close && (value == NULL || (or_empty && *value == '\0'))) {
		fallback = xstrndup(instead, (size_t)(close - instead));
		value = fallback;
	}
	if (value == NULL)
		return err_set(err,
		               "found ${%s}, which is not set in the environment: allowed: a "
		               "variable that is set, or ${%s:-default}",
		               name, name);
	return append_checked(out, name, value, err);
}

bool config_value_expand(const char *text, struct strbuf *out, struct err *err)
{
	const char *dollar;

	while ((dollar = strchr(text, '$')) != NULL) {
		strbuf_append(out, text, (size_t)(dollar - text));
		if (dollar[1] == '{') {
			if (!expand_one(dollar + 2, &text, out, err))
				return false;
			continue;
		}
		strbuf_append_char(out, '$');
		text = dollar + (dollar[1] == '$' ? 2 : 1);
	}
	strbuf_append_str(out, text);
	return true;
}

/* --- types --- */

#define SHOWN_MAX 80 /* bytes of a value that an error shows */

struct type {
	bool (*takes)(const char *text); /* of a string; NULL: a number, see read_number() */
	bool is_list;                    /* a string, without the blanks that a person puts in */
	const char *allowed;             /* NULL: the row says it */
};

/* Of an enum the index, of a bool 0 or 1. */
static bool read_number(const struct config_key *key, const char *text, int64_t *value)
{
	bool is_number = false;

	*value = 0;
	if (key->type == CONFIG_TYPE_ENUM) {
		while (key->choices[*value] != NULL && strcmp(key->choices[*value], text) != 0)
			++*value;
		return key->choices[*value] != NULL;
	}
	if (key->type == CONFIG_TYPE_BOOL) {
		*value = strcmp(text, "yes") == 0;
		return *value != 0 || strcmp(text, "no") == 0;
	}
	if ((key->flags & CONFIG_AUTO) != 0 && strcmp(text, "auto") == 0)
		return true;
	if (key->type == CONFIG_TYPE_DURATION)
		is_number = grammar_duration(text, value);
	else if (key->type == CONFIG_TYPE_SIZE)
		is_number = grammar_size(text, value);
	else if (key->type == CONFIG_TYPE_COUNT)
		is_number = grammar_whole(text, 10, 9, value);
	else if (key->type == CONFIG_TYPE_MODE)
		is_number = grammar_whole(text, 8, 5, value);
	return is_number && *value >= key->min && *value <= key->max;
}

static bool takes_path(const char *text)
{
	return grammar_path(text, PATH_MAX - 1);
}

static bool takes_unix(const char *text)
{
	return grammar_path(text, GRAMMAR_SOCKET_MAX);
}

static bool takes_host_port(const char *text)
{
	return grammar_host_port(text, NULL, NULL);
}

static bool takes_socket(const char *text)
{
	return takes_unix(text) || takes_host_port(text);
}

/* Accepts no name that needs a name server, because the event loop creates the listener. */
static bool is_local_port(const char *text)
{
	auto_free char *host = NULL;
	unsigned char bytes[sizeof(struct in6_addr)];

	return grammar_host_port(text, &host, NULL) &&
	       (strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, bytes) == 1 ||
	        inet_pton(AF_INET6, host, bytes) == 1);
}

/* 1 to GRAMMAR_LISTEN_MAX addresses, comma separated. */
static bool takes_listen(const char *text)
{
	auto_free char *list = xstrdup(text);
	unsigned count = 0;

	for (char *at = list, *item; (item = strsep(&at, ",")) != NULL; count++)
		if (strncmp(item, "unix:", 5) == 0 ? !takes_unix(item + 5) : !is_local_port(item))
			return false;
	return count <= GRAMMAR_LISTEN_MAX;
}

static bool takes_any(const char *text)
{
	(void)text;
	return true;
}

static const struct type types[] = {
    [CONFIG_TYPE_BOOL] = {.allowed = "yes | no"},
    [CONFIG_TYPE_NAME] = {.takes = grammar_name,
                          .allowed = "1 to 63 of A-Z a-z 0-9 . _ -, no dot in front"},
    [CONFIG_TYPE_CLUSTER] = {.takes = grammar_name,
                             .allowed = "the NAME of a [cluster NAME] section"},
    [CONFIG_TYPE_PATH] = {.takes = takes_path, .allowed = "an absolute path without blanks"},
    [CONFIG_TYPE_SOCKET] = {.takes = takes_socket,
                            .allowed = "an absolute path without blanks of at most 107 bytes, or "
                                       "host:port"},
    [CONFIG_TYPE_UNIX] = {.takes = takes_unix,
                          .allowed = "an absolute path without blanks of at most 107 bytes"},
    [CONFIG_TYPE_LISTEN] = {.takes = takes_listen,
                            .is_list = true,
                            .allowed = "unix:/PATH (107 bytes, no blanks), IP:port or "
                                       "localhost:port, up to four with commas"},
    [CONFIG_TYPE_HOST_NAMES] = {.takes = grammar_host_names,
                                .is_list = true,
                                .allowed = "host names, comma separated; .NAME: that name and all "
                                           "below it"},
    [CONFIG_TYPE_HOSTS] = {.takes = grammar_zookeeper_hosts,
                           .is_list = true,
                           .allowed = "host:port, comma separated, and perhaps a /chroot after "
                                      "the last"},
    [CONFIG_TYPE_ZNODE] = {.takes = grammar_znode,
                           .allowed = "an absolute znode path, no part of it empty, . or .."},
    [CONFIG_TYPE_CONNINFO] = {.takes = grammar_conninfo,
                              .allowed = "keyword=value pairs or a postgresql:// URI"},
    [CONFIG_TYPE_CONNINFOS] = {.takes = grammar_conninfos,
                               .allowed = "keyword=value pairs or postgresql:// URIs, comma "
                                          "separated"},
    [CONFIG_TYPE_COMMAND] = {.takes = grammar_command,
                             .allowed = "a program and its arguments, quotes closed"},
    [CONFIG_TYPE_OWNER] = {.takes = grammar_owner, .allowed = "user:group, user or :group"},
    [CONFIG_TYPE_NODE] = {.takes = takes_host_port, .allowed = "host:port"},
    [CONFIG_TYPE_VAR] = {.takes = takes_any, .allowed = "any text"},
};

struct unit {
	const char *name;
	int64_t size;
};

static const struct unit durations[] = {{"h", HOUR}, {"m", MINUTE}, {"s", SECOND}, {"ms", 1}};
static const struct unit sizes[] = {
    {"TB", TB}, {"GB", TB >> 10}, {"MB", TB >> 20}, {"kB", TB >> 30}, {"", 1}};

/* "10m to 1h", each in the largest unit of which it is a multiple; 0 is "0" and `zero`. */
static void append_range(const struct config_key *key, const struct unit *units, const char *zero,
                         struct strbuf *out)
{
	const int64_t bounds[] = {key->min, key->max};

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		const struct unit *unit = units;

		while (bounds[i] % unit->size != 0)
			unit++;
		strbuf_printf(out, "%s%" PRId64 "%s", i > 0 ? " to " : "", bounds[i] / unit->size,
		              bounds[i] == 0 ? zero : unit->name);
	}
}

void config_value_allowed(const struct config_key *key, struct strbuf *out)
{
	if (key->type == CONFIG_TYPE_ENUM) {
		for (size_t i = 0; key->choices[i] != NULL; i++)
			strbuf_printf(out, "%s%s", i > 0 ? " | " : "", key->choices[i]);
	} else if (key->type == CONFIG_TYPE_DURATION) {
		strbuf_append_str(out, (key->flags & CONFIG_AUTO) != 0 ? "auto | " : "");
		append_range(key, durations, "s", out);
		strbuf_append_str(out, " (units: ms, s, m, h)");
	} else if (key->type == CONFIG_TYPE_SIZE) {
		append_range(key, sizes, "", out);
		strbuf_append_str(out, " (units: B, kB, MB, GB, TB; bytes without one)");
	} else if (key->type == CONFIG_TYPE_COUNT) {
		strbuf_printf(out, "%" PRId64 " to %" PRId64, key->min, key->max);
	} else if (key->type == CONFIG_TYPE_MODE) {
		strbuf_printf(out, "%" PRIo64 " to 0%" PRIo64 ", octal", (uint64_t)key->min,
		              (uint64_t)key->max);
	} else {
		strbuf_append_str(out, types[key->type].allowed);
	}
}

/* "found ...: allowed: ...". A connection string is not shown, because it may have a password. */
static bool refuse(const struct config_key *key, const char *text, const char *detail,
                   struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT, allowed = STRBUF_INIT;

	if (key->type == CONFIG_TYPE_CONNINFO || key->type == CONFIG_TYPE_CONNINFOS) {
		strbuf_append_str(&shown, "an invalid connection string");
	} else {
		strbuf_append_char(&shown, '"');
		strbuf_append_escaped(&shown, text, strlen(text), SHOWN_MAX);
		strbuf_append_char(&shown, '"');
	}
	config_value_allowed(key, &allowed);
	return err_set(err, "found %s%s: allowed: %s", shown.data, detail, allowed.data);
}

static bool set_number(const struct config_key *key, const char *text, void *at, struct err *err)
{
	int64_t value;

	if (!read_number(key, text, &value))
		return refuse(key, text, "", err);
	if (key->type == CONFIG_TYPE_MODE && value != 0 && (value & S_IRUSR) == 0)
		return refuse(key, text, " (its owner could not read the file)", err);
	if (key->type == CONFIG_TYPE_BOOL)
		*(bool *)at = value != 0;
	else if (key->type == CONFIG_TYPE_ENUM || key->type == CONFIG_TYPE_MODE)
		*(unsigned *)at = (unsigned)value;
	else
		*(int64_t *)at = value;
	return true;
}

/* `at`: NULL: checks only. A person may put blanks around the commas of a list; the client library
 * of ZooKeeper refuses them. */
static bool set_string(const struct config_key *key, const char *text, char **at, struct err *err)
{
	const struct type *type = &types[key->type];
	auto_strbuf struct strbuf list = STRBUF_INIT;

	if (type->is_list) {
		for (; *text != '\0'; text++)
			if (*text != ' ' && *text != '\t')
				strbuf_append_char(&list, *text);
		text = list.data;
	}
	if (*text == '\0' ? key->type == CONFIG_TYPE_NODE : !type->takes(text))
		return refuse(key, text, "", err);
	if (at != NULL) {
		free(*at);
		*at = xstrdup(text);
	}
	return true;
}

char **config_value_string(const struct config_key *key, void *base)
{
	bool is_kept = types[key->type].takes != NULL && key->offset != CONFIG_NOT_KEPT;

	return is_kept ? (char **)((char *)base + key->offset) : NULL;
}

bool config_value_set(const struct config_key *key, const char *text, void *base, struct err *err)
{
	if (*text == '\0' && (key->flags & CONFIG_REQUIRED) != 0)
		return refuse(key, text, "", err);
	if (types[key->type].takes != NULL)
		return set_string(key, text, config_value_string(key, base), err);
	return set_number(key, text, (char *)base + key->offset, err);
}
