/* segue(1) against the program: what `segue --help` lists has its place there. Run from the top
 * folder of the repository. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "lab/lab.h"

TestSuite(manual, .timeout = 30);

/* Behind `where`, up to the next section: a line with one of the man macros for bold and the text.
 */
static bool has_bold(const char *page, const char *where, const char *text)
{
	static const char *const macros[] = {".B ", ".BI ", ".BR ", ".BI \"", ".BR \""};
	const char *section = strstr(page, where);
	const char *end = section != NULL ? strstr(section + 1, "\n.SH ") : NULL;

	for (size_t i = 0; section != NULL && i < ARRAY_LEN(macros); i++) {
		auto_free char *start = xasprintf("\n%s%s", macros[i], text);
		const char *at = strstr(section, start);
		char after = at != NULL ? at[strlen(start)] : 'x';

		if (at != NULL && (end == NULL || at < end) && !isalpha((unsigned char)after))
			return true;
	}
	return false;
}

static void expect_verb(const char *page, const char *verb)
{
	auto_free char *command = xasprintf("segue %s", verb);

	cr_expect(has_bold(page, "\n.SH SYNOPSIS\n", command), "SYNOPSIS has no '%s'", command);
	cr_expect(has_bold(page, "\n.SH VERBS\n", verb), "VERBS has no '%s'", verb);
}

Test(manual, every_verb_that_help_lists_is_in_the_synopsis_and_has_a_section)
{
	struct lab *lab = lab_create("manual");
	const char *argv[] = {lab_segue_binary(lab), "--help", NULL};
	const char *page = lab_read_file(lab, "man/segue.1");
	auto_strbuf struct strbuf help = STRBUF_INIT;
	size_t verbs = 0;
	char *rest;

	cr_assert_eq(lab_run(lab, argv, &help), 0);
	for (char *line = strtok_r(help.data, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		size_t len = strspn(line, " ") == 2 ? strcspn(line + 2, " ") : 0;

		if (len == 0 || line[2] == '-')
			continue;
		line[2 + len] = '\0';
		expect_verb(page, line + 2);
		verbs++;
	}
	cr_expect_geq(verbs, 10, "so few verbs: has the help another form?");
	lab_destroy(lab);
}
