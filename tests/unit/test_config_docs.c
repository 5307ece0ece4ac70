/* The manual and the sample say what the key table says. With SEGUE_WRITE_DOCS=1 in the environment
 * the two files are written anew instead of being compared. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/config.h"
#include "sidecar/config/config_internal.h"

#define FILE_MAX ((size_t)256 * 1024)
#define MARK     "@KEYS@\n"

static void read_all(const char *file, struct strbuf *out)
{
	struct err err;

	cr_assert(file_read(file, FILE_MAX, out, NULL, &err), "%s", err.message);
}

static void print_all(void (*print)(FILE *out), struct strbuf *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	cr_assert_not_null(stream);
	print(stream);
	fclose(stream);
	strbuf_append(out, text, len);
	free(text);
}

static void expect_file(const char *file, const struct strbuf *expected)
{
	struct strbuf found = STRBUF_INIT;
	struct err err;

	if (getenv("SEGUE_WRITE_DOCS") != NULL) {
		const struct file_owner unchanged = {.mode = 0};

		cr_assert(file_replace(file, expected->data, expected->len, &unchanged, &err), "%s",
		          err.message);
		return;
	}
	read_all(file, &found);
	cr_assert_str_eq(
	    found.data, expected->data,
	    "%s is out of date: SEGUE_WRITE_DOCS=1 build/unit --filter 'config_docs/*'", file);
	strbuf_fini(&found);
}

/* roff: a backslash is an escape, a minus is not a hyphen, a leading dot or ' is a request. */
static void print_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

/* Each sentence starts on a new line, as roff expects. */
static void print_roff_sentences(FILE *out, const char *text)
{
	auto_strbuf struct strbuf sentence = STRBUF_INIT;

	for (; *text != '\0'; text++) {
		if (*text != ' ' || sentence.len == 0 || sentence.data[sentence.len - 1] != '.') {
			strbuf_append_char(&sentence, *text);
			continue;
		}
		print_roff(out, sentence.data);
		fputc('\n', out);
		strbuf_reset(&sentence);
	}
	print_roff(out, sentence.data);
	fputc('\n', out);
}

static void man_key(FILE *out, const struct config_key *key)
{
	auto_strbuf struct strbuf allowed = STRBUF_INIT;

	fputs(".TP\n.B \"", out);
	print_roff(out, key->name);
	fputs(config_key_is_prefix(key) ? "NAME" : "", out);
	fputs(" =", out);
	if (key->preset != NULL && *key->preset != '\0') {
		fputc(' ', out);
		print_roff(out, key->preset);
	}
	fputs("\"\n", out);
	print_roff_sentences(out, key->help);
	config_key_allowed(key, &allowed);
	if (allowed.len > 0)
		print_roff_sentences(out, allowed.data);
	if ((key->flags & CONFIG_REQUIRED) != 0 && key->preset == NULL)
		fputs("Required.\n", out);
}

/* The key table as the SECTIONS part of man/segue.ini.5 (man(7) macros). */
static void print_man(FILE *out)
{
	for (const struct config_section_info *section = config_sections; section->word != NULL;
	     section++) {
		const struct config_key *key = NULL;

		fprintf(out, ".SS \"[%s%s]\"\n", section->word, section->named ? " NAME" : "");
		print_roff_sentences(out, section->help);
		while ((key = config_key_next(section->kind, key)) != NULL)
			man_key(out, key);
	}
}

Test(config_docs, the_manual_is_up_to_date)
{
	struct strbuf frame = STRBUF_INIT, keys = STRBUF_INIT, page = STRBUF_INIT;
	const char *mark;

	read_all("man/segue.ini.5.in", &frame);
	print_all(print_man, &keys);
	mark = strstr(frame.data, MARK);
	cr_assert_not_null(mark);
	strbuf_append(&page, frame.data, (size_t)(mark - frame.data));
	strbuf_append(&page, keys.data, keys.len);
	strbuf_append_str(&page, mark + strlen(MARK));
	expect_file("man/segue.ini.5", &page);
	strbuf_fini(&frame);
	strbuf_fini(&keys);
	strbuf_fini(&page);
}

Test(config_docs, the_sample_is_up_to_date_and_loads)
{
	struct strbuf sample = STRBUF_INIT, errors = STRBUF_INIT;
	struct config *config;

	print_all(config_print_sample, &sample);
	expect_file("packaging/segue.ini", &sample);
	config = config_load("packaging/segue.ini", &errors);
	cr_assert_not_null(config, "%s", errors.data);
	cr_assert_eq(config->warnings.len, 0, "%s", config->warnings.data);
	cr_assert_eq(config->target_count, 1);
	config_free(config);
	strbuf_fini(&sample);
	strbuf_fini(&errors);
}

/* Takes the ; off every line that looks like a key or a section. */
Test(config_docs, the_sample_loads_with_everything_in_it_switched_on)
{
	struct strbuf sample = STRBUF_INIT, on = STRBUF_INIT, errors = STRBUF_INIT;
	struct config *config;

	print_all(config_print_sample, &sample);
	for (const char *line = sample.data; *line != '\0';) {
		size_t len = strcspn(line, "\n") + 1;
		bool off = line[0] == ';' && line[1] != ' ';

		strbuf_append(&on, line + off, len - off);
		line += len;
	}
	config = config_load_text("on.ini", on.data, on.len, &errors);
	cr_assert_not_null(config, "%s", errors.data);
	cr_assert_eq(config->target_count, 3);
	config_free(config);
	strbuf_fini(&sample);
	strbuf_fini(&on);
	strbuf_fini(&errors);
}

/* Each "${SEGUE_NAME" of the file, "${SEGUE_NAME:-default}" mostly, stands in the README. */
static void expect_explained(const char *file, const char *text, const char *readme)
{
	unsigned count = 0;

	while ((text = strstr(text, "${SEGUE_")) != NULL) {
		size_t len = strcspn(text += 2, ":-}");
		auto_free char *wanted = xasprintf("`%.*s`", (int)len, text);

		cr_expect_not_null(strstr(readme, wanted), "%s: README.md has no %s", file, wanted);
		count++;
	}
	cr_expect_gt(count, 8);
}

Test(config_docs, the_image_s_files_load_and_their_variables_are_in_the_readme)
{
	static const char *const files[] = {"docker/haproxy.ini", "docker/pgbouncer.ini",
	                                    "docker/publisher.ini"};
	struct strbuf readme = STRBUF_INIT;

	read_all("README.md", &readme);
	setenv("SEGUE_ZOOKEEPER", "zk1:2181", 1);
	setenv("SEGUE_CLUSTER", "orders", 1);
	setenv("SEGUE_PATH", "/segue/orders", 1);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct strbuf text = STRBUF_INIT, errors = STRBUF_INIT;
		struct config *config = NULL;

		if (strstr(files[i], "publisher") != NULL)
			setenv("SEGUE_NODES", "host=db1, host=db2", 1);
		config = config_load(files[i], &errors);
		cr_assert_not_null(config, "%s", errors.data);
		cr_expect_str_eq(config->warnings.data, "", "%s: %s", files[i],
		                 config->warnings.data);
		config_free(config);
		read_all(files[i], &text);
		expect_explained(files[i], text.data, readme.data);
		strbuf_fini(&text);
		strbuf_fini(&errors);
	}
	strbuf_fini(&readme);
}
