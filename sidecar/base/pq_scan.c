/* The messages of the PostgreSQL protocol, version 3: a type, a length that counts itself, a body.
 * Of the body no more is kept than one message of SCRAM needs. */
#include "base/pq_scan.h"

#include <stdlib.h>
#include <string.h>

#define AUTH_SASL_CONTINUE 11

static bool take_head(struct pq_scan *scan, struct err *err)
{
	const unsigned char *head = scan->head;
	uint32_t len =
	    (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];

	if (len < 4)
		return err_set(err,
		               "it sent a message of %u bytes, which is no message of PostgreSQL",
		               (unsigned)len);
	if (head[0] == 'S' && ++scan->parameters > PQ_PARAMETERS_MAX)
		return err_set(err, "it reported parameters more than %d times on one connection",
		               PQ_PARAMETERS_MAX);
	scan->left = len - 4;
	scan->body_len = scan->head_len = 0;
	scan->state = PQ_SCAN_BODY;
	return true;
}

/* AuthenticationSASLContinue: "r=NONCE,s=SALT,i=ITERATIONS". More digits than fit are many. */
static bool take_authentication(struct pq_scan *scan, struct err *err)
{
	static const unsigned char code[] = {0, 0, 0, AUTH_SASL_CONTINUE};
	const char *found;

	scan->body[scan->body_len] = '\0';
	if (scan->body_len < sizeof(code) || memcmp(scan->body, code, sizeof(code)) != 0)
		return true;
	for (found = scan->body + sizeof(code); (found = strstr(found, ",i=")) != NULL; found += 3)
		if (strtoul(found + 3, NULL, 10) > PQ_ITERATIONS_MAX)
			return err_set(err,
			               "it wants more than %d iterations of SCRAM computed: lower "
			               "scram_iterations and set the password of the role anew",
			               PQ_ITERATIONS_MAX);
	return true;
}

static bool finish_body(struct pq_scan *scan, struct err *err)
{
	scan->state = PQ_SCAN_HEAD;
	return scan->head[0] != 'R' || take_authentication(scan, err);
}

/* Returns how many bytes belong to the body. */
static size_t take_body(struct pq_scan *scan, const unsigned char *bytes, size_t len)
{
	size_t taken = len < scan->left ? len : scan->left;
	size_t room = sizeof(scan->body) - 1 - scan->body_len;

	if (scan->head[0] == 'R' && room > 0) {
		size_t kept = taken < room ? taken : room;

		memcpy(scan->body + scan->body_len, bytes, kept);
		scan->body_len += kept;
	}
	scan->left -= taken;
	return taken;
}

/* libpq takes a message about authentication of up to 2,000 bytes, and of 30,000 in old versions;
 * PostgreSQL's have some 100. */
static bool is_too_long(const struct pq_scan *scan, struct err *err)
{
	if (scan->head[0] != 'R' || scan->left < sizeof(scan->body))
		return false;
	return !err_set(err, "it sent %zu bytes about authentication, more than any method needs",
	                scan->left);
}

static bool take_byte_of_head(struct pq_scan *scan, unsigned char byte, struct err *err)
{
	scan->head[scan->head_len++] = byte;
	if (scan->head_len < sizeof(scan->head))
		return true;
	if (!take_head(scan, err) || is_too_long(scan, err))
		return false;
	return scan->left > 0 || finish_body(scan, err);
}

/* 'E' begins an error message. */
static bool take_tls_reply(struct pq_scan *scan, unsigned char byte, struct err *err)
{
	scan->state = byte == 'N' || byte == 'E' ? PQ_SCAN_HEAD : PQ_SCAN_OPAQUE;
	return byte != 'E' || take_byte_of_head(scan, byte, err);
}

void pq_scan_init(struct pq_scan *scan, enum pq_scan_state state)
{
	*scan = (struct pq_scan){.state = state};
}

bool pq_scan_take(struct pq_scan *scan, const void *bytes, size_t len, struct err *err)
{
	const unsigned char *at = bytes, *end = at + len;
	bool good = true;

	while (good && at < end) {
		switch (scan->state) {
		case PQ_SCAN_OPAQUE:
			return true;
		case PQ_SCAN_TLS_REPLY:
			good = take_tls_reply(scan, *at++, err);
			break;
		case PQ_SCAN_HEAD:
			good = take_byte_of_head(scan, *at++, err);
			break;
		case PQ_SCAN_BODY:
			at += take_body(scan, at, (size_t)(end - at));
			if (scan->left == 0)
				good = finish_body(scan, err);
			break;
		}
	}
	return good;
}
