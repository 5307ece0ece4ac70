/* A command line of segue.ini -> argv, with the words that sh would make of it: blanks, both kinds
 * of quotes, backslash. Nothing is expanded, as no shell is involved; "{}" is put in after the
 * splitting, so that a file name never becomes two words. */
#include <stdlib.h>
#include <string.h>

#include "apply/command.h"
#include "base/strbuf.h"

#define BLANKS " \t\r\n"

/* Appends what stands between the quote at *p and its end; *p moves behind it. */
static bool take_quoted(const char **p, struct strbuf *word, struct err *err)
{
	char quote = *(*p)++;

	for (; **p != quote; (*p)++) {
		/* POSIX shell 2.2.3: inside "..." a backslash escapes only these. */
		if (quote == '"' && **p == '\\' && (*p)[1] != '\0' &&
		    strchr("$`\"\\\n", (*p)[1]) != NULL)
			(*p)++;
		if (**p == '\0')
			return err_set(err, "a %c without its end", quote);
		strbuf_append_char(word, **p);
	}
	(*p)++;
	return true;
}

static bool take_word(const char **p, struct strbuf *word, struct err *err)
{
	while (**p != '\0' && strchr(BLANKS, **p) == NULL) {
		if (**p == '\'' || **p == '"') {
			if (!take_quoted(p, word, err))
				return false;
			continue;
		}
		if (**p == '\\' && *++*p == '\0')
			return err_set(err, "a backslash at the end, with nothing to escape");
		strbuf_append_char(word, *(*p)++);
	}
	return true;
}

static char *put_file(const char *word, const char *file)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *brace;

	for (; file != NULL && (brace = strstr(word, "{}")) != NULL; word = brace + 2) {
		strbuf_append(&out, word, (size_t)(brace - word));
		strbuf_append_str(&out, file);
	}
	strbuf_append_str(&out, word);
	return strbuf_detach(&out);
}

char **command_split(const char *line, const char *file, struct err *err)
{
	char **argv = xcalloc(1, sizeof(*argv));
	size_t count = 0;

	for (const char *p = line + strspn(line, BLANKS); *p != '\0'; p += strspn(p, BLANKS)) {
		auto_strbuf struct strbuf word = STRBUF_INIT;

		if (!take_word(&p, &word, err)) {
			err_wrap(err, "command '%s'", line);
			command_argv_free(argv);
			return NULL;
		}
		argv = xreallocarray(argv, count + 2, sizeof(*argv));
		argv[count++] = put_file(word.data, file);
		argv[count] = NULL;
	}
	if (count == 0 || argv[0][0] == '\0') {
		err_set(err, "command '%s': names no program", line);
		command_argv_free(argv);
		return NULL;
	}
	return argv;
}

void command_argv_free(char **argv)
{
	for (char **arg = argv; arg != NULL && *arg != NULL; arg++)
		free(*arg);
	free(argv);
}
