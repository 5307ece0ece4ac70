/* The status page of GET /: one HTML file with its style and script inside, which polls /status. */
#ifndef SEGUE_REPORT_PAGE_INTERNAL_H
#define SEGUE_REPORT_PAGE_INTERNAL_H

#include "http_internal.h"

#endif
