/* The command lines of the verbs: what their option tables take, and what is printed about the
 * rest. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

#define ARGS_MAX 8

static struct {
	struct cmd_args args;
	const char *text;
	bool flag;
	int code;
} t;

static void setup(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	unsetenv(CMD_CONFIG_VARIABLE);
	unsetenv("POSIXLY_CORRECT");
}

TestSuite(cmd_options, .init = setup);

static int run(int (*verb)(int argc, char **argv), const char *name, const char *const *args)
{
	char *argv[ARGS_MAX + 2] = {(char *)name};
	int argc = 1;

	for (; args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)args[argc - 1];
	return verb(argc, argv);
}

#define RUN(verb, name, ...) run(verb, name, (const char *const[]){__VA_ARGS__, NULL})

/* A verb with an option of each kind. */
static int try(int argc, char **argv)
{
	const struct cmd_syntax syntax = {.usage = "usage: try\n",
	                                  .words_min = 1,
	                                  .words_max = 2,
	                                  .options = {CMD_CONFIG(t.args),
	                                              {.name = "text", .value = &t.text},
	                                              {.name = "flag", .flag = &t.flag},
	                                              CMD_SOCKET(t.args)}};

	t.text = NULL;
	t.flag = false;
	t.code = -1;
	return cmd_options(argc, argv, &syntax, &t.args, &t.code);
}

#define TRY(...) RUN(try, "try", __VA_ARGS__)

Test(cmd_options, what_is_given_is_set_and_the_rest_keeps_its_value)
{
	cr_assert(TRY("one"));
	cr_expect_str_eq(t.args.config_file, CONFIG_DEFAULT_FILE);
	cr_expect_null(t.args.socket);
	cr_expect_str_eq(t.args.words[0], "one");
	cr_expect_null(t.args.words[1]);
	cr_expect_null(t.text);
	cr_expect_not(t.flag);

	cr_assert(TRY("-c", "a.ini", "one", "--flag", "two", "--text=x", "-s/sock"));
	cr_expect_str_eq(t.args.config_file, "a.ini");
	cr_expect_str_eq(t.args.socket, "/sock");
	cr_expect_str_eq(t.args.words[0], "one");
	cr_expect_str_eq(t.args.words[1], "two");
	cr_expect_str_eq(t.text, "x");
	cr_expect(t.flag);

	cr_assert(TRY("--config", "b.ini", "--socket=/s", "--", "--flag"));
	cr_expect_str_eq(t.args.config_file, "b.ini");
	cr_expect_str_eq(t.args.socket, "/s");
	cr_expect_str_eq(t.args.words[0], "--flag");
	cr_expect_not(t.flag);
	fflush(stderr);
	cr_assert_stderr_eq_str("");
}

Test(cmd_options, the_environment_names_the_configuration)
{
	setenv(CMD_CONFIG_VARIABLE, "/env.ini", 1);
	cr_assert(TRY("one"));
	cr_expect_str_eq(t.args.config_file, "/env.ini");
	cr_assert(TRY("-c", "a.ini", "one"));
	cr_expect_str_eq(t.args.config_file, "a.ini");
}

Test(cmd_options, help_goes_to_stdout)
{
	cr_assert_not(TRY("-h"));
	cr_expect_eq(t.code, CMD_OK);
	cr_assert_not(TRY("--help", "--nonsense"));
	cr_expect_eq(t.code, CMD_OK);
	fflush(stdout);
	cr_assert_stdout_eq_str("usage: try\nusage: try\n");
}

Test(cmd_options, too_few_and_too_many_words)
{
	cr_assert_not(TRY("--flag"));
	cr_expect_eq(t.code, CMD_USAGE);
	cr_assert_not(TRY("one", "two", "three"));
	cr_expect_eq(t.code, CMD_USAGE);
	fflush(stderr);
	cr_assert_stderr_eq_str("usage: try\nsegue try: unexpected argument \"three\"\n");
}

/* Also an option that another verb takes. */
Test(cmd_options, an_option_that_is_not_in_the_table_is_named)
{
	cr_assert_not(TRY("one", "--json"));
	cr_expect_eq(t.code, CMD_USAGE);
	cr_assert_not(TRY("one", "-t"));
	cr_expect_eq(t.code, CMD_USAGE);
	cr_assert_not(TRY("one", "--text"));
	cr_expect_eq(t.code, CMD_USAGE);
	fflush(stderr);
	cr_assert_stderr_eq_str("try: unrecognized option '--json'\nusage: try\n"
	                        "try: invalid option -- 't'\nusage: try\n"
	                        "try: option '--text' requires an argument\nusage: try\n");
}

/* These three read their options by themselves once, and only printed the usage. */
Test(cmd_options, every_verb_names_the_argument_that_is_too_many)
{
	cr_expect_eq(RUN(cmd_check, "check", "x"), CMD_USAGE);
	cr_expect_eq(RUN(cmd_init, "init", "haproxy", "y"), CMD_USAGE);
	cr_expect_eq(RUN(cmd_render, "render", "front", "z"), CMD_USAGE);
	fflush(stderr);
	cr_assert_stderr_eq_str("segue check: unexpected argument \"x\"\n"
	                        "segue init: unexpected argument \"y\"\n"
	                        "segue render: unexpected argument \"z\"\n");
}
