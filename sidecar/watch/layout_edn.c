/* The EDN map that Agrajag writes into the master znode:
 *   {:node-id 2, :event-timestamp #inst "2015-03-16T13:48:00.000-00:00", :name "node2"}
 * Reads two keys, steps over everything else by EDN's grammar, refuses what is after the map. */
#include <stdlib.h>
#include <string.h>

#include "watch/layout_parts.h"

#define BLANKS     " \t\n\v\f\r,"
#define DELIMITERS BLANKS "()[]{}\";"
#define DEPTH_MAX  32

struct reader {
	const char *text, *p;
	int depth;
	struct err *err;
};

static bool refuse(const struct reader *r, const char *problem)
{
	return err_set(r->err, "byte %td: %s", r->p - r->text, problem);
}

static bool skip_value(struct reader *r);

/* Blanks, commas, comments, and #_ with the value that it discards. */
static bool skip_blanks(struct reader *r)
{
	for (;;) {
		r->p += strspn(r->p, BLANKS);
		if (*r->p == ';') {
			r->p += strcspn(r->p, "\n");
		} else if (strncmp(r->p, "#_", 2) == 0) {
			r->p += 2;
			if (!skip_value(r))
				return false;
		} else {
			return true;
		}
	}
}

static void append_utf8(struct strbuf *out, unsigned code)
{
	if (code < 0x80) {
		strbuf_append_char(out, (char)code);
		return;
	}
	if (code < 0x800) {
		strbuf_append_char(out, (char)(0xc0 | code >> 6));
	} else {
		strbuf_append_char(out, (char)(0xe0 | code >> 12));
		strbuf_append_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
	}
	strbuf_append_char(out, (char)(0x80 | (code & 0x3f)));
}

/* The four digits after \u. */
static bool take_code_point(struct reader *r, struct strbuf *out)
{
	char hex[5] = {0};
	unsigned code;

	if (strspn(r->p, "0123456789abcdefABCDEF") < 4)
		return refuse(r, "four hexadecimal digits are expected after \\u");
	memcpy(hex, r->p, 4);
	code = (unsigned)strtoul(hex, NULL, 16);
	if (code == 0)
		return refuse(r, "\\u0000 is not allowed");
	append_utf8(out, code);
	r->p += 4;
	return true;
}

/* What is after a backslash. */
static bool take_escape(struct reader *r, struct strbuf *out)
{
	static const char names[] = "tnrbf\\\"", bytes[] = "\t\n\r\b\f\\\"";
	const char *found = *r->p != '\0' ? strchr(names, *r->p) : NULL;

	if (*r->p == 'u') {
		r->p++;
		return take_code_point(r, out);
	}
	if (found == NULL)
		return refuse(r, "one of t n r b f u \\ \" is expected after a backslash");
	strbuf_append_char(out, bytes[found - names]);
	r->p++;
	return true;
}

static bool take_string(struct reader *r, struct strbuf *out)
{
	strbuf_reset(out);
	for (r->p++; *r->p != '"';) {
		size_t len = strcspn(r->p, "\"\\");

		strbuf_append(out, r->p, len);
		r->p += len;
		if (*r->p == '\0')
			return refuse(r, "the map ends inside a string");
		if (*r->p == '\\') {
			r->p++;
			if (!take_escape(r, out))
				return false;
		}
	}
	r->p++;
	return true;
}

static bool skip_string(struct reader *r)
{
	auto_strbuf struct strbuf ignored = STRBUF_INIT;

	return take_string(r, &ignored);
}

static bool skip_collection(struct reader *r, char close)
{
	for (r->p++;;) {
		if (!skip_blanks(r))
			return false;
		if (*r->p == close) {
			r->p++;
			return true;
		}
		if (!skip_value(r))
			return false;
	}
}

/* A number, keyword, symbol, nil, boolean, or \c. */
static bool skip_atom(struct reader *r)
{
	size_t character = *r->p == '\\' && r->p[1] != '\0' ? 2 : 0;
	size_t len = character + strcspn(r->p + character, DELIMITERS);

	if (len == 0)
		return refuse(r, *r->p == '\0' ? "the map is not closed" : "a value is expected");
	r->p += len;
	return true;
}

/* #{set} or #tag value. */
static bool skip_dispatch(struct reader *r)
{
	r->p++;
	if (*r->p == '{')
		return skip_collection(r, '}');
	return skip_atom(r) && skip_value(r);
}

static bool skip_here(struct reader *r)
{
	switch (*r->p) {
	case '"':
		return skip_string(r);
	case '(':
		return skip_collection(r, ')');
	case '[':
		return skip_collection(r, ']');
	case '{':
		return skip_collection(r, '}');
	case '#':
		return skip_dispatch(r);
	default:
		return skip_atom(r);
	}
}

static bool skip_value(struct reader *r)
{
	bool ok;

	if (r->depth >= DEPTH_MAX)
		return refuse(r, "nested too deeply");
	r->depth++;
	ok = skip_blanks(r) && skip_here(r);
	r->depth--;
	return ok;
}

static bool take_atom_if(struct reader *r, const char *atom)
{
	size_t len = strcspn(r->p, DELIMITERS);

	if (len != strlen(atom) || strncmp(r->p, atom, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* A string, after `tag` unless that is NULL; nil leaves `out` empty. */
static bool take_field(struct reader *r, const char *tag, struct strbuf *out, const char *wanted)
{
	if (out->len > 0)
		return refuse(r, "the second value of a key");
	if (!skip_blanks(r))
		return false;
	if (take_atom_if(r, "nil"))
		return true;
	if (tag != NULL) {
		if (!take_atom_if(r, tag))
			return refuse(r, wanted);
		if (!skip_blanks(r))
			return false;
	}
	return *r->p == '"' ? take_string(r, out) : refuse(r, wanted);
}

static bool take_pair(struct reader *r, struct strbuf *name, struct strbuf *instant)
{
	if (take_atom_if(r, ":name"))
		return take_field(r, NULL, name, "a string is expected after :name");
	if (take_atom_if(r, ":event-timestamp"))
		return take_field(r, "#inst", instant,
		                  "#inst \"...\" is expected after :event-timestamp");
	if (!skip_value(r)) /* a key that nobody asks for */
		return false;
	return skip_value(r);
}

static bool take_map(struct reader *r, struct strbuf *name, struct strbuf *instant)
{
	if (*r->p != '{')
		return refuse(r, "an EDN map is expected");
	r->p++;
	for (;;) {
		if (!skip_blanks(r))
			return false;
		if (*r->p == '}')
			break;
		if (!take_pair(r, name, instant))
			return false;
	}
	r->p++;
	return true;
}

bool edn_parse_master(const char *text, struct strbuf *name, struct strbuf *instant,
                      struct err *err)
{
	struct reader reader = {.text = text, .p = text, .err = err}, *r = &reader;

	if (!skip_blanks(r) || !take_map(r, name, instant) || !skip_blanks(r))
		return false;
	return *r->p == '\0' || refuse(r, "nothing is allowed after the map");
}
