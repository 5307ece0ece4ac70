/* Words and comparisons for what is known of a server. */
#include "verify/server.h"

#include <string.h>

const char *server_class_name(enum server_class class)
{
	switch (class) {
	case SERVER_UNASKED:
		return "unasked";
	case SERVER_ANSWERED:
		return "answered";
	case SERVER_REFUSED:
		return "refused";
	case SERVER_TIMED_OUT:
		return "timed out";
	case SERVER_STARTING:
		return "starting";
	case SERVER_FULL:
		return "full";
	case SERVER_DENIED:
		return "denied";
	case SERVER_FAULTY:
		return "faulty";
	case SERVER_OTHER:
		return "other";
	case SERVER_CLASSES:
		break;
	}
	return "?";
}

bool server_says_the_same(const struct server_fact *a, const struct server_fact *b)
{
	return a->class == b->class && a->known == b->known && a->in_recovery == b->in_recovery &&
	       a->timeline == b->timeline &&
	       strcmp(a->system_identifier, b->system_identifier) == 0;
}
