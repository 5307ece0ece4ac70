/* Where somebody is who makes a long document part by part, while the loop runs in between. */
#ifndef SEGUE_REPORT_CURSOR_H
#define SEGUE_REPORT_CURSOR_H

#include <stddef.h>

struct report_cursor {    /* all 0 at the begin */
	size_t next;      /* the part to make next */
	unsigned edition; /* of what it is made from: with another one it starts anew */
};

#endif
