/* Parameters of server lines; see the header. It must know which keywords take a value, so that
 * the value of `cookie check` is not taken for health checks. */
#include "apply/haproxy_config_params.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_config.h"

#define WEIGHT_MAX 256

void haproxy_params_init(struct haproxy_params *params)
{
	*params = (struct haproxy_params){.weight = 1, .text = STRBUF_INIT};
}

void haproxy_params_fini(struct haproxy_params *params)
{
	strbuf_fini(&params->text);
}

void haproxy_params_copy(struct haproxy_params *to, const struct haproxy_params *from)
{
	struct strbuf text = to->text;

	strbuf_reset(&text);
	strbuf_append(&text, from->text.data, from->text.len);
	*to = *from;
	to->text = text;
}

/* Each with a blank on both sides. */
static const char keywords_with_value[] =
    " addr agent-addr agent-inter agent-port agent-send alpn ca-file check-alpn check-proto "
    "check-sni ciphers ciphersuites cookie crl-file crt downinter error-limit fall fastinter guid "
    "hash-key id idle-ping init-addr init-state inter interface log-bufsize log-proto max-reuse "
    "maxconn maxqueue minconn name namespace npn observe on-error on-marked-down on-marked-up "
    "pool-conn-name pool-low-conn pool-max-conn pool-purge-delay port proto proxy-v2-options redir "
    "resolve-net resolve-opts resolve-prefer resolvers rise set-proxy-v2-tlv-fmt shard slowstart "
    "sni socks4 source ssl-max-ver ssl-min-ver tcp-md5sig tcp-ut track usesrc verify verifyhost "
    "ws ";

static bool takes_value(const char *keyword)
{
	auto_free char *delimited = xasprintf(" %s ", keyword);

	return strchr(keyword, ' ') == NULL && strstr(keywords_with_value, delimited) != NULL;
}

/* Management Guide 9.3: the socket's line knows the backslash and no quotes; nothing stands there
 * for a line break. */
static void append_word(struct haproxy_params *params, const char *word)
{
	if (params->text.len > 0)
		strbuf_append_char(&params->text, ' ');
	for (; *word != '\0'; word++) {
		if (iscntrl((unsigned char)*word))
			params->reload_only = true;
		if (strchr(" ;\\\"'#", *word) != NULL)
			strbuf_append_char(&params->text, '\\');
		strbuf_append_char(&params->text, *word);
	}
}

static bool read_weight(struct haproxy_params *params, const char *text, struct err *err)
{
	unsigned value = 0;
	const char *c = text;

	for (; isdigit((unsigned char)*c) && value <= WEIGHT_MAX; c++)
		value = value * 10 + (unsigned)(*c - '0');
	if (*text == '\0' || *c != '\0' || value > WEIGHT_MAX)
		return err_set(err, "weight '%s' is not a number from 0 to %d", text, WEIGHT_MAX);
	params->weight = value;
	return true;
}

/* Takes a keyword that the runtime can change, or that params do not carry. */
static bool read_runtime_keyword(struct haproxy_params *params, const char *word)
{
	if (strcmp(word, "check") == 0)
		params->check = true;
	else if (strcmp(word, "no-check") == 0)
		params->check = false;
	else if (strcmp(word, "disabled") == 0)
		params->disabled = true;
	else if (strcmp(word, "enabled") == 0)
		params->disabled = false;
	else
		return false;
	return true;
}

static void read_lasting_keyword(struct haproxy_params *params, const char *word)
{
	if (strcmp(word, "agent-check") == 0)
		params->agent = true;
	else if (strcmp(word, "no-agent-check") == 0)
		params->agent = false;
	else if (strcmp(word, "track") == 0)
		params->track = true;
	else if (strcmp(word, "minconn") == 0)
		params->has_minconn = true;
	else if (strcmp(word, "maxqueue") == 0)
		params->has_maxqueue = true;
	append_word(params, word);
}

static void read_maxconn(struct haproxy_params *params, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	params->maxconn = isdigit((unsigned char)*text) && *end == '\0' && value <= INT32_MAX
	                      ? value
	                      : HAPROXY_MAXCONN_UNKNOWN;
}

bool haproxy_params_read(struct haproxy_params *params, const struct haproxy_lines *line,
                         size_t first, struct err *err)
{
	for (size_t i = first; i < line->count; i++) {
		const char *word = haproxy_lines_word(line, i);

		if (*word == '\0')
			return err_set(err,
			               "an empty word: HAProxy would ignore the rest of the line");
		if (strcmp(word, "weight") == 0) {
			if (!read_weight(params, haproxy_lines_word(line, ++i), err))
				return false;
		} else if (!read_runtime_keyword(params, word)) {
			read_lasting_keyword(params, word);
			if (strcmp(word, "maxconn") == 0)
				read_maxconn(params, haproxy_lines_word(line, i + 1));
			if (takes_value(word) && i + 1 < line->count)
				append_word(params, haproxy_lines_word(line, ++i));
		}
	}
	return true;
}
