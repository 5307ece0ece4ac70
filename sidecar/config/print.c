/* Prints the key table as the tables of segue.ini(5) and as the sample file. Both use the rows that
 * the loader uses, so that they cannot contradict it. */
#include <string.h>

#include "config/config.h"
#include "config_internal.h"

#define SAMPLE_WIDTH 98

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

/* "Allowed: 1s to 10m.", for types whose help text does not describe the allowed values. */
static void append_allowed(struct strbuf *out, const struct config_key *key)
{
	if (key->choices == NULL && key->type != CONFIG_TYPE_BOOL && key->min == key->max)
		return;
	strbuf_append_str(out, "Allowed: ");
	config_value_allowed(key, out);
	strbuf_append_char(out, '.');
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
	append_allowed(&allowed, key);
	if (allowed.len > 0)
		print_roff_sentences(out, allowed.data);
	if ((key->flags & CONFIG_REQUIRED) != 0 && key->preset == NULL)
		fputs("Required.\n", out);
}

void config_print_man(FILE *out)
{
	size_t section_count;
	const struct config_section_info *sections = config_sections(&section_count);

	for (size_t i = 0; i < section_count; i++) {
		const struct config_section_info *section = &sections[i];
		const struct config_key *key = NULL;

		fprintf(out, ".SS \"[%s%s]\"\n", section->word, section->named ? " NAME" : "");
		print_roff_sentences(out, section->help);
		while ((key = config_key_next(section->kind, key)) != NULL)
			man_key(out, key);
	}
}

/* "; text", wrapped at spaces. */
static void print_comment(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (column > 0 && column + len + 1 > SAMPLE_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column == 0 ? "; " : " ", (int)len, text);
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}

static void sample_key(FILE *out, const struct config_key *key, bool section_is_active)
{
	bool required = (key->flags & CONFIG_REQUIRED) != 0 && key->preset == NULL;
	const char *value = key->example != NULL ? key->example : key->preset;
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "%s ", key->help);
	append_allowed(&text, key);
	if (required)
		strbuf_append_str(&text, " Required.");
	print_comment(out, text.data);
	fputs(required && section_is_active ? "" : ";", out);
	if (config_key_is_prefix(key))
		fprintf(out, "%s\n", value);
	else
		fprintf(out, "%s =%s%s\n", key->name, *value != '\0' ? " " : "", value);
}

static void sample_section(FILE *out, const struct config_section_info *section)
{
	const struct config_key *key = NULL;

	fputc('\n', out);
	print_comment(out, section->help);
	fprintf(out, "%s[%s%s%s]\n", section->optional ? ";" : "", section->word,
	        section->named ? " " : "", section->named ? section->example_name : "");
	while ((key = config_key_next(section->kind, key)) != NULL)
		sample_key(out, key, !section->optional);
}

void config_print_sample(FILE *out)
{
	size_t count;
	const struct config_section_info *sections = config_sections(&count);

	print_comment(out,
	              "segue.ini: what segue watches and what it keeps true. See segue.ini(5).");
	print_comment(out,
	              "A key that stands behind a ; shows its default, or an example. A comment "
	              "behind a value needs two blanks before its ;. Check with: segue check");
	for (size_t i = 0; i < count; i++)
		sample_section(out, &sections[i]);
}
