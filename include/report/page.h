/* The status page of GET /: one HTML file with its style and script inside, which polls /status. */
#ifndef SEGUE_REPORT_PAGE_H
#define SEGUE_REPORT_PAGE_H

#include "report/http.h"

/* Makes `reply` the page, with a policy that runs its own script and asks its own origin, and no
 * other. */
void page_fill(struct http_reply *reply);

#endif
