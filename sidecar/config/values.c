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

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char letters_digits[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

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
	size_t len = strspn(at, letters) > 0 ? strspn(at, letters_digits) : 0;
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
	/* Of a number: of an enum the index, of a bool 0 or 1. */
	bool (*read)(const struct config_key *key, const char *text, int64_t *value);
	bool (*takes)(const char *text); /* of a string */
	bool is_list;                    /* a string, without the blanks that a person puts in */
	const char *allowed;             /* NULL: the row says it */
};

static bool in_bounds(const struct config_key *key, int64_t value)
{
	return value >= key->min && value <= key->max;
}

static bool read_enum(const struct config_key *key, const char *text, int64_t *value)
{
	for (*value = 0; key->choices[*value] != NULL; (*value)++)
		if (strcmp(key->choices[*value], text) == 0)
			return true;
	return false;
}

static bool read_bool(const struct config_key *key, const char *text, int64_t *value)
{
	(void)key;
	*value = strcmp(text, "yes") == 0;
	return *value != 0 || strcmp(text, "no") == 0;
}

static bool read_duration(const struct config_key *key, const char *text, int64_t *value)
{
	*value = 0;
	if ((key->flags & CONFIG_AUTO) != 0 && strcmp(text, "auto") == 0)
		return true;
	return grammar_duration(text, value) && in_bounds(key, *value);
}

static bool read_size(const struct config_key *key, const char *text, int64_t *value)
{
	return grammar_size(text, value) && in_bounds(key, *value);
}

static bool read_count(const struct config_key *key, const char *text, int64_t *value)
{
	return grammar_whole(text, 10, 9, value) && in_bounds(key, *value);
}

static bool read_mode(const struct config_key *key, const char *text, int64_t *value)
{
	return grammar_whole(text, 8, 5, value) && in_bounds(key, *value);
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
    [CONFIG_TYPE_ENUM] = {.read = read_enum},
    [CONFIG_TYPE_BOOL] = {.read = read_bool, .allowed = "yes | no"},
    [CONFIG_TYPE_DURATION] = {.read = read_duration},
    [CONFIG_TYPE_SIZE] = {.read = read_size},
    [CONFIG_TYPE_COUNT] = {.read = read_count},
    [CONFIG_TYPE_MODE] = {.read = read_mode},
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

static void append_duration(struct strbuf *out, int64_t ms)
{
	if (ms != 0 && ms % HOUR == 0)
		strbuf_printf(out, "%" PRId64 "h", ms / HOUR);
	else if (ms != 0 && ms % MINUTE == 0)
		strbuf_printf(out, "%" PRId64 "m", ms / MINUTE);
	else if (ms % SECOND == 0)
		strbuf_printf(out, "%" PRId64 "s", ms / SECOND);
	else
		strbuf_printf(out, "%" PRId64 "ms", ms);
}

static void append_size(struct strbuf *out, int64_t bytes)
{
	static const char *const units[] = {"", "kB", "MB", "GB", "TB"};
	size_t unit = 0;

	for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units); unit++)
		bytes /= 1024;
	strbuf_printf(out, "%" PRId64 "%s", bytes, units[unit]);
}

void config_value_allowed(const struct config_key *key, struct strbuf *out)
{
	if (key->type == CONFIG_TYPE_ENUM) {
		for (size_t i = 0; key->choices[i] != NULL; i++)
			strbuf_printf(out, "%s%s", i > 0 ? " | " : "", key->choices[i]);
	} else if (key->type == CONFIG_TYPE_DURATION) {
		strbuf_append_str(out, (key->flags & CONFIG_AUTO) != 0 ? "auto | " : "");
		append_duration(out, key->min);
		strbuf_append_str(out, " to ");
		append_duration(out, key->max);
		strbuf_append_str(out, " (units: ms, s, m, h)");
	} else if (key->type == CONFIG_TYPE_SIZE) {
		append_size(out, key->min);
		strbuf_append_str(out, " to ");
		append_size(out, key->max);
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

	if (!types[key->type].read(key, text, &value))
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

/* A person may put blanks around the commas; the client library of ZooKeeper refuses them. */
static void strip_blanks(const char *text, struct strbuf *out)
{
	for (; *text != '\0'; text++)
		if (*text != ' ' && *text != '\t')
			strbuf_append_char(out, *text);
}

/* `at`: NULL: checks only. */
static bool set_string(const struct config_key *key, const char *text, char **at, struct err *err)
{
	const struct type *type = &types[key->type];
	auto_strbuf struct strbuf list = STRBUF_INIT;

	if (type->is_list) {
		strip_blanks(text, &list);
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
