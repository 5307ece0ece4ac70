/* The position in a long document that is made part by part; the event loop runs in between. */
#ifndef SEGUE_REPORT_CURSOR_H
#define SEGUE_REPORT_CURSOR_H

#include <stddef.h>

struct report_cursor {    /* all 0 at the start */
	size_t next;      /* the part to make next */
	unsigned edition; /* of the source; when it changes, the document starts again */
};

#endif
