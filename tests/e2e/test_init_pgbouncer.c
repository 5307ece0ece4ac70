/* The beginner's path beside a PgBouncer, as test_init.c does it beside a HAProxy. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "fixtures/newcomer.h"

/* Takes what stands under the step that has `text` in it, line by line. */
static const char *lines_of_step(struct newcomer *newcomer, const char *text)
{
	auto_strbuf struct strbuf lines = STRBUF_INIT;
	const char *at = strstr(newcomer->printed, text), *end;

	cr_assert_not_null(at, "no step \"%s\" in\n%s", text, newcomer->printed);
	at = strstr(at, "\n\n");
	end = strstr(at + 2, "\n\n");
	end = end != NULL ? end : at + strlen(at);
	while (at < end) {
		const char *line = newcomer_next_line(newcomer, &at);

		if (*line == '\0' || at > end)
			break;
		strbuf_printf(&lines, "%s\n", line);
	}
	return lab_printf(newcomer->lab, "%s", lines.data);
}

struct leads {
	struct lab_pgbouncer *bouncer;
	const char *port;
};

static bool leads(void *arg)
{
	const struct leads *wanted = arg;

	return lab_pgbouncer_says(wanted->bouncer, "app", "port", wanted->port) &&
	       lab_pgbouncer_says(wanted->bouncer, "reports", "port", wanted->port);
}

Test(init_pgbouncer, pgbouncer_with_databases_of_its_own, .timeout = 120)
{
	struct newcomer newcomer;
	struct lab_pgbouncer *bouncer;
	struct leads wanted = {.port = "5001"};
	const char *main_file, *text, *printed;

	newcomer_start(&newcomer);
	bouncer = lab_pgbouncer_create(newcomer.lab, NULL);
	main_file = lab_pgbouncer_main_file(bouncer);
	wanted.bouncer = bouncer;
	text = strchr(lab_read_file(newcomer.lab, main_file), '\n') + 1; /* without the %include */
	lab_write_file(main_file,
	               lab_printf(newcomer.lab,
	                          "[databases]\napp = host=127.0.0.1 port=5000 pool_size=7\n"
	                          "reports = dbname=app host=127.0.0.1 port=5000\n%s",
	                          text));
	lab_pgbouncer_start(bouncer);
	cr_assert_eq(newcomer_inits(&newcomer, "pgbouncer", main_file, NULL), CMD_OK, "%s",
	             newcomer.printed);
	newcomer_must_read(&newcomer, "database app at 127.0.0.1 port 5000 (");
	printed = newcomer.printed;
	cr_expect_null(strstr(printed, "Fill in"), "%s", printed);
	newcomer_types_commands(&newcomer);
	newcomer_names_primary(&newcomer, 5001);
	newcomer_edits_ini(&newcomer);
	text = strstr(lab_read_file(newcomer.lab, newcomer.ini_file), "console = ");
	cr_expect_not_null(strstr(text, lab_pgbouncer_dir(bouncer)), "%s", text);

	cr_expect_eq(newcomer_checks(&newcomer),
	             CMD_FAILED); /* not included yet, and root is no user of it */
	newcomer.printed = printed;
	lab_write_file(main_file,
	               lab_printf(newcomer.lab, "%s\n%s%s", lab_read_file(newcomer.lab, main_file),
	                          lines_of_step(&newcomer, "To keep a failover short"),
	                          lines_of_step(&newcomer, "At the end of ")));
	text = lab_read_file(newcomer.lab, newcomer.ini_file);
	lab_write_file(newcomer.ini_file, lab_printf(newcomer.lab, "%.*sconsole = %s\n%s",
	                                             (int)(strstr(text, "console = ") - text), text,
	                                             lab_pgbouncer_console(bouncer),
	                                             strchr(strstr(text, "console = "), '\n') + 1));
	free(lab_pgbouncer_query(bouncer, "RELOAD", NULL));
	cr_expect_eq(newcomer_checks(&newcomer), CMD_OK, "%s", newcomer.printed);
	cr_expect_null(strstr(newcomer.printed, "warn"), "%s", newcomer.printed);
	newcomer_starts_segue(&newcomer);
	cr_expect(lab_wait_until(leads, &wanted, BEGINNER_TIMEOUT_MS));
	newcomer_names_primary(&newcomer, 5002);
	wanted.port = "5002";
	cr_expect(lab_wait_until(leads, &wanted, BEGINNER_TIMEOUT_MS));
	cr_expect(lab_pgbouncer_says(bouncer, "app", "pool_size", "7"));
	lab_destroy(newcomer.lab);
}
