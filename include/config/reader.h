/* segue.ini line by line, before libinih sees it: what libinih would cut or take in another sense
 * than the person meant (a " ;" in a value, a long line, text behind a bracket) is refused here, so
 * that nothing is ever lost silently. */
#ifndef SEGUE_CONFIG_READER_H
#define SEGUE_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

#define CONFIG_LINE_MAX 198 /* bytes of a line without its comment: libinih's buffer has 200 */
#define CONFIG_NAME_MAX 49  /* bytes of a key and of a section's header: libinih cuts there */

enum config_line_kind {
	CONFIG_LINE_EMPTY,    /* blank, or only a comment */
	CONFIG_LINE_HEADER,   /* [key] */
	CONFIG_LINE_ENTRY,    /* key = value */
	CONFIG_LINE_CONTINUED /* an indented value */
};

/* One line taken apart, trimmed and without its comment. */
struct config_line {
	enum config_line_kind kind;
	struct strbuf key; /* of an entry; what is inside the brackets of a header */
	struct strbuf value;
	bool doubtful; /* the comment began one blank behind the value: perhaps it was none */
};

struct config_reader {
	const char *at, *end; /* what is left of the text */
	unsigned line;        /* number of the line read last, from 1 */
	char quote;           /* the quote that the value has opened and not closed yet, or 0 */
	struct config_line current;
};

void config_reader_init(struct config_reader *reader, const char *text, size_t len);
void config_reader_fini(struct config_reader *reader);

/* Reads the next line into reader->current; *end is set when there is none. False with `err` set
 * when the line cannot be taken as it is. */
bool config_reader_next(struct config_reader *reader, bool *end, struct err *err) MUST_CHECK;

#endif
