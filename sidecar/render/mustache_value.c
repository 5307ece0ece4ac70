/* JSON as a template sees it: names looked up, truth, and text. */
#include "render/mustache_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const json_t *context_find(const struct context *context, const char *path, size_t parts)
{
	const json_t *found = NULL;

	if (parts == 0)
		return context->value;
	for (; context != NULL && found == NULL; context = context->up)
		found = json_object_get(context->value, path);
	for (; found != NULL && parts > 1; parts--) {
		path += strlen(path) + 1;
		found = json_object_get(found, path);
	}
	return found;
}

bool value_is_true(const json_t *value)
{
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_OBJECT:
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
		return true;
	}
	return false;
}

static bool append_real(struct strbuf *out, enum escape_mode mode, double real, struct err *err)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	return escape_append(out, mode, text, strlen(text), err);
}

bool value_append(struct strbuf *out, enum escape_mode mode, const json_t *value, struct err *err)
{
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_NULL:
		return true;
	case JSON_TRUE:
		return escape_append(out, mode, "true", 4, err);
	case JSON_FALSE:
		return escape_append(out, mode, "false", 5, err);
	case JSON_INTEGER:
		strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return true;
	case JSON_REAL:
		return append_real(out, mode, json_real_value(value), err);
	case JSON_STRING:
		return escape_append(out, mode, json_string_value(value), json_string_length(value),
		                     err);
	case JSON_ARRAY:
		return err_set(err, "is a list: go through it with a section");
	case JSON_OBJECT:
		return err_set(err, "is an object: name one of its members");
	}
	return true;
}
