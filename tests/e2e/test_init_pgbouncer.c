/* The beginner's path beside a PgBouncer, as test_init.c does it beside a HAProxy. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "beginner.h"
#include "cli/cli.h"

/* Takes what stands under the step that has `text` in it, line by line. */
static const char *lines_of_step(struct beginner *beginner, const char *text)
{
	auto_strbuf struct strbuf lines = STRBUF_INIT;
	const char *at = strstr(beginner->printed, text), *end;

	cr_assert_not_null(at, "no step \"%s\" in\n%s", text, beginner->printed);
	at = strstr(at, "\n\n");
	end = strstr(at + 2, "\n\n");
	end = end != NULL ? end : at + strlen(at);
	while (at < end) {
		const char *line = beginner_next_line(beginner, &at);

		if (*line == '\0' || at > end)
			break;
		strbuf_printf(&lines, "%s\n", line);
	}
	return lab_printf(beginner->lab, "%s", lines.data);
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
	struct beginner beginner;
	struct lab_pgbouncer *bouncer;
	struct leads wanted = {.port = "5001"};
	const char *main_file, *text, *printed;

	beginner_start(&beginner);
	bouncer = lab_pgbouncer_create(beginner.lab, NULL);
	main_file = lab_pgbouncer_main_file(bouncer);
	wanted.bouncer = bouncer;
	text = strchr(lab_read_file(beginner.lab, main_file), '\n') + 1; /* without the %include */
	lab_write_file(main_file,
	               lab_printf(beginner.lab,
	                          "[databases]\napp = host=127.0.0.1 port=5000 pool_size=7\n"
	                          "reports = dbname=app host=127.0.0.1 port=5000\n%s",
	                          text));
	lab_pgbouncer_start(bouncer);
	cr_assert_eq(beginner_inits(&beginner, "pgbouncer", main_file, NULL), CMD_OK, "%s",
	             beginner.printed);
	beginner_must_read(&beginner, "database app at 127.0.0.1 port 5000 (");
	printed = beginner.printed;
	cr_expect_null(strstr(printed, "Fill in"), "%s", printed);
	beginner_types_commands(&beginner);
	beginner_names_primary(&beginner, 5001);
	beginner_edits_ini(&beginner);
	text = strstr(lab_read_file(beginner.lab, beginner.ini_file), "console = ");
	cr_expect_not_null(strstr(text, lab_pgbouncer_dir(bouncer)), "%s", text);

	cr_expect_eq(beginner_checks(&beginner),
	             CMD_FAILED); /* not included yet, and root is no user of it */
	beginner.printed = printed;
	lab_write_file(main_file,
	               lab_printf(beginner.lab, "%s\n%s%s", lab_read_file(beginner.lab, main_file),
	                          lines_of_step(&beginner, "So that a failover is short"),
	                          lines_of_step(&beginner, "At the end of ")));
	text = lab_read_file(beginner.lab, beginner.ini_file);
	lab_write_file(beginner.ini_file, lab_printf(beginner.lab, "%.*sconsole = %s\n%s",
	                                             (int)(strstr(text, "console = ") - text), text,
	                                             lab_pgbouncer_console(bouncer),
	                                             strchr(strstr(text, "console = "), '\n') + 1));
	free(lab_pgbouncer_query(bouncer, "RELOAD", NULL));
	cr_expect_eq(beginner_checks(&beginner), CMD_OK, "%s", beginner.printed);
	cr_expect_null(strstr(beginner.printed, "warn"), "%s", beginner.printed);
	beginner_starts_segue(&beginner);
	cr_expect(lab_wait_until(leads, &wanted, BEGINNER_TIMEOUT_MS));
	beginner_names_primary(&beginner, 5002);
	wanted.port = "5002";
	cr_expect(lab_wait_until(leads, &wanted, BEGINNER_TIMEOUT_MS));
	cr_expect(lab_pgbouncer_says(bouncer, "app", "pool_size", "7"));
	lab_destroy(beginner.lab);
}
