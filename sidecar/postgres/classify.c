/* Classes of failures. libpq has no function for the SQLSTATE of a failed connection, but its
 * verbose message has it: severity, colon, two spaces, SQLSTATE, colon. The text for an errno comes
 * from strerror() in this same process, so it is the same text as here. */
#include "postgres/classify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "topology/facts.h"

#define SQLSTATE_LEN       5
#define CANNOT_CONNECT_NOW "57P03"
#define SQLSTATE_CHARS     "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Lists of SQLSTATEs, or of classes of them (28), up to NULL. */

static const char *const shutting_down[] = {"57P01", "57P02", CANNOT_CONNECT_NOW, NULL};
static const char *const no_slots[] = {"53300", NULL};
/* 55000: a database that does not accept connections. */
static const char *const not_let_in[] = {"28", "3D000", "42501", "55000", NULL};
/* A query gets these only if the server itself is broken: no disk space, no memory, no file. */
static const char *const broken[] = {"53", "58", "F0", "XX", NULL};
/* 55000: not possible during recovery, or only during recovery. */
static const char *const passing[] = {"55000", "40001", "57014", NULL};
static const char *const too_much[] = {"42501", "42P01", "42703", "3F000", NULL};

static bool is_one_of(const char *sqlstate, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(sqlstate, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/* `others`: the class of all codes that are not about segue's own access. */
static enum server_class class_of(const char *sqlstate, enum server_class others)
{
	if (is_one_of(sqlstate, shutting_down))
		return SERVER_STARTING;
	if (is_one_of(sqlstate, no_slots))
		return SERVER_FULL;
	return is_one_of(sqlstate, not_let_in) ? SERVER_DENIED : others;
}

bool classify_may_pass(const char *sqlstate)
{
	return is_one_of(sqlstate, passing);
}

bool classify_is_refused(const char *sqlstate)
{
	return is_one_of(sqlstate, too_much);
}

/* Takes the first one: the text behind it can be anybody's. */
static const char *find_sqlstate(const char *message)
{
	for (const char *at = message; (at = strstr(at, ":  ")) != NULL; at++) {
		const char *code = at + 3;

		if (strspn(code, SQLSTATE_CHARS) == SQLSTATE_LEN &&
		    strncmp(code + SQLSTATE_LEN, ": ", 2) == 0)
			return code;
	}
	return NULL;
}

/* True if no process listens there, or there is no route. If connect() failed, `text` begins with
 * its error. */
static bool is_refusal(const char *text)
{
	static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH,
	                             ENETDOWN,     EHOSTDOWN,   EACCES,
	                             EPERM,        ENOENT,      EADDRNOTAVAIL};

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		const char *words = strerror(errors[i]);

		if (strncmp(text, words, strlen(words)) == 0)
			return true;
	}
	return false;
}

void classify_line(char *out, size_t size, const char *text)
{
	size_t len = strcspn(text, "\n");

	snprintf(out, size, "%.*s", (int)len, text);
	for (; *out != '\0'; out++)
		if ((unsigned char)*out < ' ' || (unsigned char)*out > '~')
			*out = '?';
}

/* Leaves out libpq's "connection to server at ... failed: ": the fact has the address already. */
static const char *without_address(const char *message)
{
	static const char mark[] = " failed: ";
	const char *found = strstr(message, mark);

	return strncmp(message, "connection to ", 14) == 0 && found != NULL ? found + strlen(mark)
	                                                                    : message;
}

static void say(enum server_class class, const char *sqlstate, const char *message,
                struct connect_failure *out)
{
	char words[200];

	*out = (struct connect_failure){
	    .class = class,
	    .shut = sqlstate != NULL && strncmp(sqlstate, CANNOT_CONNECT_NOW, SQLSTATE_LEN) == 0};
	classify_line(words, sizeof(words), message);
	snprintf(out->problem, sizeof(out->problem), "%s%s%.5s%s", words,
	         sqlstate != NULL ? " (SQLSTATE " : "", sqlstate != NULL ? sqlstate : "",
	         sqlstate != NULL ? ")" : "");
}

void classify_error(const char *sqlstate, const char *message, struct connect_failure *out)
{
	bool is_broken = sqlstate != NULL && is_one_of(sqlstate, broken);
	enum server_class class = is_broken ? SERVER_FAULTY : SERVER_OTHER;

	say(sqlstate != NULL ? class_of(sqlstate, class) : class, sqlstate, message, out);
}

void classify_failure(const struct classify_failure *failure, struct connect_failure *out)
{
	const char *sqlstate = find_sqlstate(failure->message);
	const char *text = without_address(failure->message);

	if (sqlstate != NULL) {
		say(class_of(sqlstate, SERVER_FAULTY), sqlstate, sqlstate + SQLSTATE_LEN + 2, out);
	} else if (failure->needs_password) {
		say(SERVER_DENIED, NULL,
		    "the server requires a password, and neither verify_conninfo nor the password "
		    "file has one",
		    out);
	} else if (is_refusal(text)) {
		say(SERVER_REFUSED, NULL, text, out);
	} else if (strstr(text, strerror(ETIMEDOUT)) != NULL) {
		say(SERVER_TIMED_OUT, NULL, text, out);
	} else if (failure->started && !failure->spoke) {
		say(SERVER_REFUSED, NULL,
		    "the server closes every connection without sending anything", out);
		out->cut = true;
	} else {
		say(SERVER_OTHER, NULL, text, out);
	}
}

/* --- facts about a server --- */

const char *server_class_name(enum server_class class)
{
	static const char *const names[SERVER_CLASSES] = {
	    [SERVER_UNASKED] = "unasked",   [SERVER_ANSWERED] = "answered",
	    [SERVER_REFUSED] = "refused",   [SERVER_TIMED_OUT] = "timed out",
	    [SERVER_STARTING] = "starting", [SERVER_FULL] = "full",
	    [SERVER_DENIED] = "denied",     [SERVER_FAULTY] = "faulty",
	    [SERVER_OTHER] = "other",
	};

	return class < SERVER_CLASSES ? names[class] : "?";
}

bool server_says_the_same(const struct server_fact *a, const struct server_fact *b)
{
	return a->class == b->class && a->known == b->known && a->in_recovery == b->in_recovery &&
	       a->timeline == b->timeline &&
	       strcmp(a->system_identifier, b->system_identifier) == 0;
}
