/* The status page, as the Makefile packs it from page.html, page.css and page.js. The same bytes
 * for everybody: what is shown is asked for by its script. */
#include "report/page.h"

#include "page_bytes.h"

#define POLICY                                                                               \
	"default-src 'none'; connect-src 'self'; img-src data:; style-src '" PAGE_STYLE_HASH \
	"'; script-src '" PAGE_SCRIPT_HASH                                                   \
	"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

void page_fill(struct http_reply *reply)
{
	reply->type = "text/html; charset=utf-8";
	reply->policy = POLICY;
	strbuf_append(&reply->body, page_bytes, sizeof(page_bytes));
}
