/* The PgBouncer target against a real PgBouncer with two real servers behind it. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "e2e/pgdriver.h"

static struct pgdriver d;

static void setup(void)
{
	pgdriver_init(&d, NULL);
}

static void teardown(void)
{
	pgdriver_fini(&d);
}

TestSuite(pgbouncer_driver, .init = setup, .fini = teardown, .timeout = 90);

static bool nothing_is_noted(void)
{
	return access(d.intent, F_OK) != 0;
}

Test(pgbouncer_driver, first_text_is_installed_and_reloaded)
{
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert_eq(pgdriver_count_log(&d, "event=moved cluster=orders target=local zxid=101"), 1);
	cr_assert_eq(pgdriver_count_log(&d, "to=pausing"), 0);
	cr_assert(nothing_is_noted());
}

Test(pgbouncer_driver, straight_move_fails_no_write)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	for (int i = 1; i <= 10; i++) {
		pgdriver_apply(&d, i % 2);
		cr_assert(pgdriver_leads_to(&d, i % 2));
		cr_assert(pgdriver_all_served(&d));
		cr_assert(nothing_is_noted());
	}
	traffic_stop(d.traffic);
	printf("%s\n", lab_read_file(d.lab, d.log));
	printf("%s\n", lab_process_log_tail(lab_pgbouncer_process(d.bouncer)));
	cr_assert_eq(traffic_sum(d.traffic).failed, 0, "%s", traffic_sum(d.traffic).error);
}
