/* The request parser: lines, of which the first, Host and Content-Length matter. What would need
 * more (chunked bodies, several lengths or hosts) is refused, never guessed. */
#include "report/request.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BAD_REQUEST = 400, TOO_LARGE = 413, HEAD_TOO_LARGE = 431, NOT_IMPLEMENTED = 501 };

struct line {
	const char *text;
	size_t len; /* without its end */
};

static enum request_verdict refuse(struct request *out, int status, const char *why,
                                   struct err *err)
{
	out->status = status;
	err_set(err, "%s", why);
	return REQUEST_REFUSED;
}

/* The line at *offset, which moves behind it; false when its end is not there yet. */
static bool next_line(const char *data, size_t len, size_t *offset, struct line *out)
{
	const char *start = data + *offset, *end = memchr(start, '\n', len - *offset);

	if (end == NULL)
		return false;
	*offset = (size_t)(end - data) + 1;
	*out = (struct line){.text = start, .len = (size_t)(end - start)};
	out->len -= out->len > 0 && out->text[out->len - 1] == '\r';
	return true;
}

/* Takes the word up to the next blank off the line's front: visible ASCII, and it has to fit. */
static bool take_word(struct line *line, char *out, size_t size)
{
	size_t len = 0;

	while (len < line->len && line->text[len] > ' ' && line->text[len] < 0x7f)
		len++;
	if (len == 0 || len >= size || (len < line->len && line->text[len] != ' '))
		return false;
	memcpy(out, line->text, len);
	out[len] = '\0';
	len += len < line->len;
	line->text += len;
	line->len -= len;
	return true;
}

static bool parse_request_line(struct line line, struct request *out)
{
	char version[10];

	if (!take_word(&line, out->method, sizeof(out->method)) ||
	    !take_word(&line, out->path, sizeof(out->path)) ||
	    !take_word(&line, version, sizeof(version)) || line.len > 0)
		return false;
	if (out->path[0] != '/' || strncmp(version, "HTTP/1.", 7) != 0)
		return false;
	out->path[strcspn(out->path, "?#")] = '\0';
	return true;
}

/* The value of the header `name`; false when the line is another one. */
static bool header_value(struct line line, const char *name, struct line *value)
{
	size_t len = strlen(name);

	if (line.len <= len || strncasecmp(line.text, name, len) != 0 || line.text[len] != ':')
		return false;
	*value = (struct line){.text = line.text + len + 1, .len = line.len - len - 1};
	while (value->len > 0 && strchr(" \t", value->text[0]) != NULL) {
		value->text++;
		value->len--;
	}
	while (value->len > 0 && strchr(" \t", value->text[value->len - 1]) != NULL)
		value->len--;
	return true;
}

/* Digits only. What is above the bound stays above it, however long. */
static bool parse_length(struct line value, size_t *out)
{
	size_t length = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return false;
		if (length <= REQUEST_BODY_MAX)
			length = length * 10 + (size_t)(value.text[i] - '0');
	}
	*out = length;
	return value.len > 0;
}

/* A second one could be the one that somebody in between has looked at. */
static enum request_verdict parse_host(struct line value, bool *seen, struct request *out,
                                       struct err *err)
{
	bool fine = !*seen && (value.len == 0 || take_word(&value, out->host, sizeof(out->host)));

	*seen = true;
	if (!fine || value.len > 0)
		return refuse(out, BAD_REQUEST, "Host must be one name", err);
	return REQUEST_COMPLETE;
}

static enum request_verdict parse_length_header(struct line value, bool *seen, struct request *out,
                                                struct err *err)
{
	if (*seen || !parse_length(value, &out->body_len))
		return refuse(out, BAD_REQUEST, "Content-Length must be one number", err);
	*seen = true;
	if (out->body_len > REQUEST_BODY_MAX)
		return refuse(out, TOO_LARGE, "the body is too large: 16 kB are allowed", err);
	return REQUEST_COMPLETE;
}

/* Headers that may come only once. */
struct seen {
	bool length, host;
};

static enum request_verdict parse_header(struct line line, struct seen *seen, struct request *out,
                                         struct err *err)
{
	struct line value;

	if (header_value(line, "Transfer-Encoding", &value))
		return refuse(out, NOT_IMPLEMENTED,
		              "Transfer-Encoding is not taken: send a Content-Length", err);
	if (header_value(line, "Content-Length", &value))
		return parse_length_header(value, &seen->length, out, err);
	if (header_value(line, "Host", &value))
		return parse_host(value, &seen->host, out, err);
	return REQUEST_COMPLETE;
}

static enum request_verdict parse_head(const char *data, size_t len, struct request *out,
                                       struct err *err)
{
	enum request_verdict verdict = REQUEST_COMPLETE;
	struct seen seen = {false, false};
	size_t offset = 0;
	struct line line;

	if (!next_line(data, len, &offset, &line))
		return REQUEST_PARTIAL;
	if (!parse_request_line(line, out))
		return refuse(out, BAD_REQUEST, "the request line is no \"GET /path HTTP/1.1\"",
		              err);
	while (verdict == REQUEST_COMPLETE && next_line(data, len, &offset, &line)) {
		out->head_len = offset;
		if (line.len == 0)
			return REQUEST_COMPLETE;
		verdict = parse_header(line, &seen, out, err);
	}
	return verdict == REQUEST_COMPLETE ? REQUEST_PARTIAL : verdict;
}

enum request_verdict request_parse(const char *data, size_t len, struct request *out,
                                   struct err *err)
{
	size_t visible = len < REQUEST_HEAD_MAX ? len : REQUEST_HEAD_MAX;
	enum request_verdict verdict;

	*out = (struct request){.status = 0};
	verdict = parse_head(data, visible, out, err);
	if (verdict == REQUEST_PARTIAL && len >= REQUEST_HEAD_MAX)
		return refuse(out, HEAD_TOO_LARGE, "the headers are too large: 16 kB are allowed",
		              err);
	if (verdict == REQUEST_COMPLETE && len - out->head_len < out->body_len)
		return REQUEST_PARTIAL;
	return verdict;
}
