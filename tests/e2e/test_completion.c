/* packaging/bash-completion/segue, sourced by a real bash: what it replies to words on a line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lab/lab.h"

#define SCRIPT                                                              \
	". packaging/bash-completion/segue\n"                               \
	"COMP_WORDS=(\"$0\" \"$@\"); COMP_CWORD=$#; COMPREPLY=(); _segue\n" \
	"printf '%s\\n' \"${COMPREPLY[@]}\"\n"

static const char ini[] = "[zookeeper]\nhosts = 127.0.0.1:2181\n"
                          "[cluster orders]\npath = /segue/orders\n"
                          "; [cluster none]\n"
                          "[ cluster-like]\n"
                          "[cluster bills]\npath = /segue/bills\n"
                          "[haproxy front]\ncluster = orders\n"
                          "[pgbouncer pool]\ncluster = orders\n"
                          "[publisher here]\ncluster = orders\n";

static const char *complete(struct lab *lab, const char *const *words)
{
	const char *argv[16] = {"bash", "-uc", SCRIPT, lab_segue_binary(lab)};
	auto_strbuf struct strbuf output = STRBUF_INIT;
	size_t count = 4;

	while (*words != NULL)
		argv[count++] = *words++;
	cr_assert_eq(lab_run(lab, argv, &output), 0, "%s", output.data);
	return lab_printf(lab, "%s", output.data);
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (; *text != '\0'; text += strcspn(text, "\n") + 1)
		if (strcspn(text, "\n") == len && strncmp(text, line, len) == 0)
			return true;
	return false;
}

Test(completion, what_stands_behind_the_words)
{
	struct lab *lab = lab_create("completion");
	const char *file = lab_path(lab, "segue.ini");
	const struct {
		const char *words[8], *replies;
	} cases[] = {
	    {{"init", ""}, "haproxy\npgbouncer\n"},
	    {{"init", "--force", "p"}, "pgbouncer\n"},
	    {{"init", "--dr"}, "--dry-run\n"},
	    {{"init", "--zookeeper", ""}, "\n"},
	    {{"init", "--ap"}, "--append\n"},
	    {{"check", "--user", "postgr"}, "postgres\n"},
	    {{"render", "--escape", "h"}, "haproxy\nhtml\n"},
	    {{"render", "-c", file, ""}, "front\npool\n"},
	    {{"pin", "-c", file, ""}, "orders\nbills\n"},
	    {{"status", "--config", file, "--json", "b"}, "bills\n"},
	    {{"publish", "-c", file, ""}, "here\n"},
	    {{"resume", "-c", file, "p"}, "pool\n"},
	    {{"check", "-c", lab_path(lab, "segue.i")}, NULL}, /* the file itself */
	    {{"check", ""}, "\n"},
	    {{"nosuch", ""}, "\n"},
	};

	lab_write_file(file, ini);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *replies = cases[i].replies;

		cr_expect_str_eq(complete(lab, cases[i].words),
		                 replies != NULL ? replies : lab_printf(lab, "%s\n", file), "%s %s",
		                 cases[i].words[0], cases[i].words[1]);
	}
	lab_destroy(lab);
}

/* The verbs come from --help, and every one of them has its options there, the newest too. */
Test(completion, all_verbs_and_their_help)
{
	struct lab *lab = lab_create("completion");
	const char *help[] = {lab_segue_binary(lab), "--help", NULL};
	const char *verbs = complete(lab, (const char *const[]){"", NULL});
	auto_strbuf struct strbuf output = STRBUF_INIT;
	unsigned count = 0;

	cr_assert_eq(lab_run(lab, help, &output), 0);
	for (const char *at = output.data; (at = strstr(at, "\n  ")) != NULL;) {
		size_t len = strcspn(at += strlen("\n  "), " ");
		const char *verb = lab_printf(lab, "%.*s", (int)len, at);

		cr_expect(has_line(verbs, verb, len), "no %s in\n%s", verb, verbs);
		if (*verb == '-')
			continue;
		count++;
		cr_expect(has_line(complete(lab, (const char *const[]){verb, "--h", NULL}),
		                   "--help", strlen("--help")),
		          "%s", verb);
		cr_expect(strcmp(verb, "init") == 0 ||
		              strlen(complete(
		                  lab, (const char *const[]){verb, "-c", "packag", NULL})) > 1,
		          "%s has no -c FILE in its --help", verb);
	}
	cr_expect_geq(count, 11);
	lab_destroy(lab);
}

/* Whoever reads it needs no manual: a line for each option, and what the exit codes mean. */
Test(completion, every_verb_tells_its_options_and_exit_codes)
{
	struct lab *lab = lab_create("completion");
	const char *verbs = complete(lab, (const char *const[]){"", NULL});

	for (size_t len; *verbs != '\0'; verbs += len + (verbs[len] == '\n')) {
		const char *argv[] = {lab_segue_binary(lab), NULL, "--help", NULL};
		auto_strbuf struct strbuf output = STRBUF_INIT;

		len = strcspn(verbs, "\n");
		argv[1] = lab_printf(lab, "%.*s", (int)len, verbs);
		if (*argv[1] == '-')
			continue;
		cr_expect_eq(lab_run(lab, argv, &output), 0, "%s", argv[1]);
		cr_expect_not_null(strstr(output.data, " --config FILE ") != NULL
		                       ? output.data
		                       : strstr(output.data, " --proxy-config FILE "),
		                   "%s: %s", argv[1], output.data);
		cr_expect_not_null(strcasestr(output.data, "exit"), "%s", output.data);
		cr_expect_not_null(strstr(output.data, ": 0 ") != NULL
		                       ? output.data
		                       : strstr(output.data, "always 0"),
		                   "%s", output.data);
	}
	lab_destroy(lab);
}
