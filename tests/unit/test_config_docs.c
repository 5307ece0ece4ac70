/* The manual and the sample say what the key table says. With SEGUE_WRITE_DOCS=1 in the environment
 * the two files are written anew instead of being compared. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config.h"

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

Test(config_docs, the_manual_is_up_to_date)
{
	struct strbuf frame = STRBUF_INIT, keys = STRBUF_INIT, page = STRBUF_INIT;
	const char *mark;

	read_all("man/segue.ini.5.in", &frame);
	print_all(config_print_man, &keys);
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
