/* SEGUE_* in the environment that segue.ini does not read. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "sidecar/config/config_internal.h"

static const char text[] = "; ${SEGUE_OLD}\n[cluster ${SEGUE_CLUSTER}]\npath = ${SEGUE_PATH:-/x}\n"
                           "var.dbname = ${SEGUE_DBNAME:-}\nvar.x = $${SEGUE_PRICE}\n";

static void find(const char *ini, char *const *environment, struct strbuf *errors,
                 struct strbuf *warnings)
{
	struct config_problems wrong = {.file = "a.ini"}, odd = {.file = "a.ini"};
	struct strbuf ignored = STRBUF_INIT;
	struct config_document document;

	config_parse(ini, strlen(ini), &document, &wrong);
	config_problems_flush(&wrong, &ignored);
	config_environment_check(&document, environment, &wrong, &odd);
	config_document_free(&document);
	strbuf_fini(&ignored);
	config_problems_flush(&wrong, errors);
	config_problems_flush(&odd, warnings);
}

static void expect(const char *variable, const char *error, const char *warning)
{
	struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
	auto_free char *entry = xstrdup(variable), *cluster = xstrdup("SEGUE_CLUSTER=a");
	char *environment[] = {cluster, entry, NULL};

	find(text, environment, &errors, &warnings);
	cr_expect_str_eq(errors.data, error, "%s", variable);
	cr_expect_str_eq(warnings.data, warning, "%s", variable);
	strbuf_fini(&errors);
	strbuf_fini(&warnings);
}

Test(config_unread, what_is_one_letter_off_is_an_error)
{
	expect("SEGUE_DBNAM=orders",
	       "a.ini:4: found the environment variable SEGUE_DBNAM, which this file does not use: "
	       "allowed: SEGUE_DBNAME, which this line uses and which is not set\n",
	       "");
	expect("SEGUE_PAHT=/a", "",
	       "a.ini:3: this file does not use the environment variable SEGUE_PAHT; the most "
	       "similar name in it is SEGUE_PATH\n");
	expect("SEGUE_CLUSTERS=a", "",
	       "a.ini:2: this file does not use the environment variable SEGUE_CLUSTERS; the "
	       "most similar name in it is SEGUE_CLUSTER\n");
}

Test(config_unread, what_is_far_from_all_is_a_warning)
{
	expect("SEGUE_RETRIES_OF_MINE=3", "",
	       "a.ini: this file does not use the environment variable "
	       "SEGUE_RETRIES_OF_MINE\n");
	expect("SEGUE_PRICE=3", "",
	       "a.ini:3: this file does not use the environment variable SEGUE_PRICE; the most "
	       "similar name in it is SEGUE_PATH\n");
}

Test(config_unread, what_is_read_or_not_for_the_file_is_fine)
{
	static const char *const fine[] = {
	    "SEGUE_PATH=/segue/a",
	    "SEGUE_CONFIG=/a.ini",
	    "SEGUE_SERVICE_HOST=10.0.0.1",
	    "SEGUE_PORT=tcp://10.0.0.1:9187",
	    "SEGUE_PORT_9187_TCP_PORT=9187",
	    "PATH=/bin",
	    "SEGUE",
	};

	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		expect(fine[i], "", "");
}

Test(config_unread, a_comment_behind_a_value_or_a_header_reads_nothing)
{
	static const char ini[] = "[cluster ${SEGUE_CLUSTER}]  ; ${SEGUE_OLD}\n"
	                          "path =  ; ${SEGUE_OLD}\n  /${SEGUE_MORE}\t; ${SEGUE_OLD}\n";
	struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
	char old[] = "SEGUE_OLD=a", more[] = "SEGUE_MORE=b";
	char *environment[] = {old, more, NULL};

	find(ini, environment, &errors, &warnings);
	cr_expect_str_eq(errors.data, "");
	cr_expect_str_eq(warnings.data,
	                 "a.ini:3: this file does not use the environment variable SEGUE_OLD; "
	                 "the most similar name in it is SEGUE_MORE\n");
	strbuf_fini(&errors);
	strbuf_fini(&warnings);
}

/* Its error is enough: a variable that it reads is none that the file does not read. */
Test(config_unread, a_line_that_cannot_be_read_reads_its_variables)
{
	struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
	char entry[] = "SEGUE_PATH=/a";
	char *environment[] = {entry, NULL};

	find("[cluster ${SEGUE_CLUSTER}]\npath: ${SEGUE_PATH}\n", environment, &errors, &warnings);
	cr_expect_eq(errors.len + warnings.len, 0, "%s%s", errors.data, warnings.data);
	strbuf_fini(&errors);
	strbuf_fini(&warnings);
}

Test(config_unread, a_file_that_reads_none_says_nothing)
{
	struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
	char entry[] = "SEGUE_DBNAM=a";
	char *environment[] = {entry, NULL};

	find("[segue]\nname = ${HOSTNAME}\n", environment, &errors, &warnings);
	cr_expect_eq(errors.len + warnings.len, 0);
	strbuf_fini(&errors);
	strbuf_fini(&warnings);
}

/* One environment for several containers: what another one of the files in the image reads. */
Test(config_unread, the_variables_of_the_other_files_in_the_image_are_no_error)
{
	static const char *const files[] = {"docker/haproxy.ini", "docker/pgbouncer.ini",
	                                    "docker/publisher.ini"};

	for (size_t i = 0; i < ARRAY_LEN(files) * ARRAY_LEN(files); i++) {
		struct strbuf mine = STRBUF_INIT, other = STRBUF_INIT;
		struct err err;

		cr_assert(file_read(files[i / 3], 65536, &mine, NULL, &err), "%s", err.message);
		cr_assert(file_read(files[i % 3], 65536, &other, NULL, &err), "%s", err.message);
		for (const char *at = other.data; (at = strstr(at, "${SEGUE_")) != NULL; at++) {
			struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
			auto_free char *entry =
			    xasprintf("%.*s=x", (int)strcspn(at + 2, ":-}"), at + 2);
			char *environment[] = {entry, NULL};

			find(mine.data, environment, &errors, &warnings);
			cr_expect_str_eq(errors.data, "", "%s", entry);
			strbuf_fini(&errors);
			strbuf_fini(&warnings);
		}
		strbuf_fini(&mine);
		strbuf_fini(&other);
	}
}
