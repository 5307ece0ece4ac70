#include "apply/haproxy_lint.h"
size_t haproxy_lint(const char *text, size_t len, struct strbuf *out)
{
	(void)text;
	(void)len;
	(void)out;
	return 0;
}
