/* The typed values of segue.ini, ${NAME} in them, and the index of texts; see the headers. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "config/grammar.h"
#include "config/index.h"
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

/* --- the index of texts, in a tree of the C library; see config/index.h --- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct config_seen *)a)->text, ((const struct config_seen *)b)->text);
}

static void free_seen(void *item)
{
	struct config_seen *seen = item;

	free(seen->text);
	free(seen);
}

const struct config_seen *config_index_add(struct config_index *index, const char *text,
                                           unsigned line, size_t number)
{
	struct config_seen *item = xcalloc(1, sizeof(*item));
	struct config_seen *const *kept;

	*item = (struct config_seen){.text = xstrdup(text), .line = line, .number = number};
	kept = tsearch(item, &index->root, compare);
	if (kept == NULL)
		abort(); /* out of memory: as xcalloc() does */
	if (*kept == item)
		return NULL;
	free_seen(item);
	return *kept;
}

const struct config_seen *config_index_find(const struct config_index *index, const char *text)
{
	auto_free char *copy = xstrdup(text);
	const struct config_seen probe = {.text = copy};
	struct config_seen *const *found = tfind(&probe, &index->root, compare);

	return found != NULL ? *found : NULL;
}

void config_index_free(struct config_index *index)
{
	tdestroy(index->root, free_seen);
	index->root = NULL;
}

/* --- types --- */

#define SHOWN_MAX 80 /* bytes of a value that an error shows */

static void append_duration(struct strbuf *out, int64_t ms)
{
	if (ms % 3600000 == 0)
		strbuf_printf(out, "%" PRId64 "h", ms / 3600000);
	else if (ms % 60000 == 0)
		strbuf_printf(out, "%" PRId64 "m", ms / 60000);
	else if (ms % 1000 == 0)
		strbuf_printf(out, "%" PRId64 "s", ms / 1000);
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

static void append_choices(struct strbuf *out, const char *const *choices)
{
	for (size_t i = 0; choices[i] != NULL; i++)
		strbuf_printf(out, "%s%s", i > 0 ? " | " : "", choices[i]);
}

/* For the types whose allowed values are the same in all rows. */
static const char *const allowed_words[] = {
    [CONFIG_TYPE_NAME] = "1 to 63 of A-Z a-z 0-9 . _ -, no dot in front",
    [CONFIG_TYPE_CLUSTER] = "the NAME of a [cluster NAME] section",
    [CONFIG_TYPE_BOOL] = "yes | no",
    [CONFIG_TYPE_PATH] = "an absolute path without blanks",
    [CONFIG_TYPE_SOCKET] = "an absolute path without blanks of at most 107 bytes, or host:port",
    [CONFIG_TYPE_UNIX] = "an absolute path without blanks of at most 107 bytes",
    [CONFIG_TYPE_LISTEN] = ("unix:/PATH (107 bytes, no blanks), IP:port or localhost:port, "
                            "up to four with commas"),
    [CONFIG_TYPE_HOST_NAMES] = "host names, comma separated; .NAME: that name and all below it",
    [CONFIG_TYPE_HOSTS] = "host:port, comma separated, and perhaps a /chroot behind the last",
    [CONFIG_TYPE_ZNODE] = "an absolute znode path, no part of it empty, . or ..",
    [CONFIG_TYPE_CONNINFO] = "keyword=value pairs or a postgresql:// URI",
    [CONFIG_TYPE_CONNINFOS] = "keyword=value pairs or postgresql:// URIs, comma separated",
    [CONFIG_TYPE_COMMAND] = "a program and its arguments, quotes closed",
    [CONFIG_TYPE_OWNER] = "user:group, user or :group",
    [CONFIG_TYPE_NODE] = "host:port",
    [CONFIG_TYPE_VAR] = "any text",
};

void config_value_allowed(const struct config_key *key, struct strbuf *out)
{
	if (key->type == CONFIG_TYPE_ENUM) {
		append_choices(out, key->choices);
	} else if (key->type == CONFIG_TYPE_DURATION) {
		if ((key->flags & CONFIG_AUTO) != 0)
			strbuf_append_str(out, "auto | ");
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
		strbuf_append_str(out, allowed_words[key->type]);
	}
}

/* "found ...: allowed: ...". A connection string is not shown, because it may have a password. */
static bool refuse(const struct config_key *key, const char *text, const char *detail,
                   struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF_INIT, allowed = STRBUF_INIT;

	if (key->type == CONFIG_TYPE_CONNINFO || key->type == CONFIG_TYPE_CONNINFOS) {
		strbuf_append_str(&shown, "what is no connection string");
	} else {
		strbuf_append_char(&shown, '"');
		strbuf_append_escaped(&shown, text, strlen(text), SHOWN_MAX);
		strbuf_append_char(&shown, '"');
	}
	config_value_allowed(key, &allowed);
	return err_set(err, "found %s%s%s%s: allowed: %s", shown.data, *detail != '\0' ? " (" : "",
	               detail, *detail != '\0' ? ")" : "", allowed.data);
}

static bool choice_index(const char *const *choices, const char *text, unsigned *index)
{
	for (unsigned i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], text) == 0) {
			*index = i;
			return true;
		}
	return false;
}

static bool set_enum(const struct config_key *key, const char *text, void *at, struct err *err)
{
	unsigned index;

	if (!choice_index(key->choices, text, &index))
		return refuse(key, text, "", err);
	if (at != NULL)
		memcpy(at, &index, sizeof(index));
	return true;
}

static bool set_bool(const struct config_key *key, const char *text, bool *at, struct err *err)
{
	bool value = strcmp(text, "yes") == 0;

	if (!value && strcmp(text, "no") != 0)
		return refuse(key, text, "", err);
	if (at != NULL)
		*at = value;
	return true;
}

static bool set_duration(const struct config_key *key, const char *text, int64_t *at,
                         struct err *err)
{
	bool is_auto = (key->flags & CONFIG_AUTO) != 0 && strcmp(text, "auto") == 0;
	int64_t ms = 0;

	if (!is_auto && (!grammar_duration(text, &ms) || ms < key->min || ms > key->max))
		return refuse(key, text, "", err);
	if (at != NULL)
		*at = ms;
	return true;
}

static bool set_size(const struct config_key *key, const char *text, int64_t *at, struct err *err)
{
	int64_t bytes;

	if (!grammar_size(text, &bytes) || bytes < key->min || bytes > key->max)
		return refuse(key, text, "", err);
	if (at != NULL)
		*at = bytes;
	return true;
}

static bool set_count(const struct config_key *key, const char *text, int64_t *at, struct err *err)
{
	size_t len = strspn(text, "0123456789");
	int64_t value = len > 0 && len <= 9 && text[len] == '\0' ? strtol(text, NULL, 10) : -1;

	if (value < key->min || value > key->max)
		return refuse(key, text, "", err);
	if (at != NULL)
		*at = value;
	return true;
}

static bool set_mode(const struct config_key *key, const char *text, unsigned *at, struct err *err)
{
	unsigned value = 0;
	size_t len = strspn(text, "01234567");

	if (len == 0 || len > 5 || text[len] != '\0')
		return refuse(key, text, "", err);
	for (size_t i = 0; i < len; i++)
		value = value * 8 + (unsigned)(text[i] - '0');
	if (value < key->min || value > key->max)
		return refuse(key, text, "", err);
	if (value != 0 && (value & S_IRUSR) == 0)
		return refuse(key, text, "without 0400 its owner could not read it", err);
	if (at != NULL)
		*at = value;
	return true;
}

/* A person may put blanks around the commas; the client library of ZooKeeper refuses them. */
static void strip_blanks(const char *text, struct strbuf *out)
{
	for (; *text != '\0'; text++)
		if (*text != ' ' && *text != '\t')
			strbuf_append_char(out, *text);
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

static bool is_listen(const char *text)
{
	if (strncmp(text, "unix:", 5) == 0)
		return grammar_path(text + 5, GRAMMAR_SOCKET_MAX);
	return is_local_port(text);
}

/* 1 to GRAMMAR_LISTEN_MAX addresses, comma separated. */
static bool is_listen_list(const char *text)
{
	auto_free char *list = xstrdup(text);
	unsigned count = 0;

	for (char *at = list, *item; (item = strsep(&at, ",")) != NULL; count++)
		if (!is_listen(item))
			return false;
	return count <= GRAMMAR_LISTEN_MAX;
}

/* Checks the grammar of the types that are stored as strings. */
static bool string_is_valid(const struct config_key *key, const char *text)
{
	switch (key->type) {
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_CLUSTER:
		return grammar_name(text);
	case CONFIG_TYPE_PATH:
		return grammar_path(text, PATH_MAX - 1);
	case CONFIG_TYPE_SOCKET:
		return grammar_path(text, GRAMMAR_SOCKET_MAX) ||
		       grammar_host_port(text, NULL, NULL);
	case CONFIG_TYPE_UNIX:
		return grammar_path(text, GRAMMAR_SOCKET_MAX);
	case CONFIG_TYPE_LISTEN:
		return is_listen_list(text);
	case CONFIG_TYPE_HOST_NAMES:
		return grammar_host_names(text);
	case CONFIG_TYPE_HOSTS:
		return grammar_zookeeper_hosts(text);
	case CONFIG_TYPE_ZNODE:
		return grammar_znode(text);
	case CONFIG_TYPE_CONNINFO:
		return grammar_conninfo(text);
	case CONFIG_TYPE_CONNINFOS:
		return grammar_conninfos(text);
	case CONFIG_TYPE_COMMAND:
		return grammar_command(text);
	case CONFIG_TYPE_OWNER:
		return grammar_owner(text);
	case CONFIG_TYPE_NODE:
		return grammar_host_port(text, NULL, NULL);
	case CONFIG_TYPE_VAR:
	case CONFIG_TYPE_ENUM:
	case CONFIG_TYPE_BOOL:
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_COUNT:
	case CONFIG_TYPE_MODE:
		return true;
	}
	return false;
}

static bool set_string(const struct config_key *key, const char *text, char **at, struct err *err)
{
	auto_strbuf struct strbuf list = STRBUF_INIT;

	if (key->type == CONFIG_TYPE_HOSTS || key->type == CONFIG_TYPE_HOST_NAMES ||
	    key->type == CONFIG_TYPE_LISTEN) {
		strip_blanks(text, &list);
		text = list.data;
	}
	if (*text != '\0' && !string_is_valid(key, text))
		return refuse(key, text, "", err);
	if (at != NULL) {
		free(*at);
		*at = xstrdup(text);
	}
	return true;
}

bool config_value_set(const struct config_key *key, const char *text, void *base, struct err *err)
{
	void *at = key->offset != CONFIG_NOT_KEPT ? (char *)base + key->offset : NULL;

	if (*text == '\0' && (key->flags & CONFIG_REQUIRED) != 0)
		return refuse(key, text, "", err);
	switch (key->type) {
	case CONFIG_TYPE_ENUM:
		return set_enum(key, text, at, err);
	case CONFIG_TYPE_BOOL:
		return set_bool(key, text, at, err);
	case CONFIG_TYPE_DURATION:
		return set_duration(key, text, at, err);
	case CONFIG_TYPE_SIZE:
		return set_size(key, text, at, err);
	case CONFIG_TYPE_COUNT:
		return set_count(key, text, at, err);
	case CONFIG_TYPE_MODE:
		return set_mode(key, text, at, err);
	case CONFIG_TYPE_NODE:
		if (*text == '\0')
			return refuse(key, text, "", err);
		return set_string(key, text, NULL, err);
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_CLUSTER:
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_SOCKET:
	case CONFIG_TYPE_UNIX:
	case CONFIG_TYPE_LISTEN:
	case CONFIG_TYPE_HOST_NAMES:
	case CONFIG_TYPE_HOSTS:
	case CONFIG_TYPE_ZNODE:
	case CONFIG_TYPE_CONNINFO:
	case CONFIG_TYPE_CONNINFOS:
	case CONFIG_TYPE_COMMAND:
	case CONFIG_TYPE_OWNER:
	case CONFIG_TYPE_VAR:
		return set_string(key, text, at, err);
	}
	return false;
}
