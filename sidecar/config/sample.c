/* Prints the key table as the sample file, from the rows that the loader uses, so that it cannot
 * contradict it. tests/unit/test_config_docs.c makes man/segue.ini.5 from them. */
#include <string.h>

#include "config/config.h"
#include "config_internal.h"

#define SAMPLE_WIDTH 98

void config_key_allowed(const struct config_key *key, struct strbuf *out)
{
	if (key->choices == NULL && key->type != CONFIG_TYPE_BOOL && key->min == key->max)
		return;
	strbuf_append_str(out, "Allowed: ");
	config_value_allowed(key, out);
	strbuf_append_char(out, '.');
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
	const char *value = key->example != NULL  ? key->example
	                    : key->preset != NULL ? key->preset
	                                          : "";
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "%s ", key->help);
	config_key_allowed(key, &text);
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
	print_comment(
	    out, "segue.ini: the clusters that segue watches, and the targets that it updates. "
	         "See segue.ini(5).");
	print_comment(
	    out, "A key after a ; shows its default, or an example. A comment after a value needs "
	         "two blanks before its ;. Check with: segue check");
	for (const struct config_section_info *at = config_sections; at->word != NULL; at++)
		sample_section(out, at);
}
