/* One line of a table of Mustache tests: template, data and partials in, text or error out. */
#ifndef SEGUE_TESTS_MUSTACHE_CASE_H
#define SEGUE_TESTS_MUSTACHE_CASE_H

#include <stddef.h>

struct mustache_case {
	const char *what;
	const char *template;
	const char *data;     /* JSON; NULL: {} */
	const char *partials; /* JSON object, name: text; NULL: none */
	const char *want;     /* the output; where it starts with "!", the error that follows */
};

/* Compiles (as file "t", partials as files of their names), renders with html escaping, compares;
 * failures name `what`. */
void mustache_case_check(const struct mustache_case *cases, size_t count);

#define CHECK_CASES(cases) mustache_case_check(cases, sizeof(cases) / sizeof((cases)[0]))

#endif
