/* Any template, any partial and any data: compiled and rendered with every escaping. Input:
 * TEMPLATE, "\n====\n", PARTIAL, "\n====\n", JSON; every partial name leads to PARTIAL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "render/mustache.h"

static const char separator[] = "\n====\n";

struct part {
	const char *at;
	size_t len;
};

static struct part cut(struct part *rest)
{
	struct part first = *rest;
	const char *end = memmem(rest->at, rest->len, separator, sizeof(separator) - 1);

	if (end == NULL) {
		*rest = (struct part){rest->at + rest->len, 0};
		return first;
	}
	first.len = (size_t)(end - first.at);
	rest->at = end + sizeof(separator) - 1;
	rest->len -= first.len + sizeof(separator) - 1;
	return first;
}

static bool load(void *arg, const char *name, struct strbuf *text, struct strbuf *file,
                 bool *missing, struct err *err)
{
	const struct part *partial = arg;

	*missing = strcmp(name, "missing") == 0;
	if (*missing)
		return err_set(err, "no such partial");
	strbuf_append_str(file, name);
	strbuf_append(text, partial->at, partial->len);
	return true;
}

static void render(const struct mustache *mustache, const json_t *data)
{
	for (int mode = ESCAPE_NONE; mode <= ESCAPE_HTML; mode++) {
		struct strbuf out = STRBUF_INIT;
		struct err err = {0};

		if (!mustache_render(mustache, data, (enum escape_mode)mode, &out, &err) &&
		    err.message[0] == '\0')
			abort();
		strbuf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct part rest = {(const char *)input, size};
	struct part template = cut(&rest), partial = cut(&rest);
	json_t *data = json_loadb(rest.at, rest.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct mustache *mustache;
	struct err err = {0};

	mustache = mustache_compile("fuzz", template.at, template.len, load, &partial, &err);
	if (mustache == NULL && err.message[0] == '\0')
		abort();
	if (mustache != NULL && mustache_is_dynamic(mustache) &&
	    !mustache_add_partial(mustache, "dynamic", &err) && err.message[0] == '\0')
		abort();
	if (mustache != NULL)
		render(mustache, data);
	mustache_free(mustache);
	json_decref(data);
	return 0;
}
