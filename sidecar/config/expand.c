/* ${NAME} in values of segue.ini; see config/values.h. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/values.h"

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

/* `at` is behind "${"; *end is put behind the "}". */
static bool expand_one(const char *at, const char **end, struct strbuf *out, struct err *err)
{
	size_t len = strspn(at, letters) > 0 ? strspn(at, letters_digits) : 0;
	const char *close = strchr(at, '}');
	auto_free char *name = xstrndup(at, len);
	auto_free char *fallback = NULL;
	const char *value = getenv(name);
	bool or_empty = strncmp(at + len, ":-", 2) == 0; /* as sh has it */
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
