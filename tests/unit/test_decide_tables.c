/* The tables of admission and of the store's value: every row is reached by some input, and
 * allows that input. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/decide/decide_internal.h"

static bool has(unsigned bits, unsigned which)
{
	return (bits & which) != 0;
}

Test(decide_tables, every_row_of_admission_is_reached)
{
	bool reached[ADMISSION_ROWS] = {false}, fits = true;

	for (int class = 0; class < SERVER_CLASSES; class ++)
		for (int verify = CONFIG_VERIFY_DISABLE; verify <= CONFIG_VERIFY_REQUIRE; verify++)
			for (unsigned bits = 0; bits < 64; bits++) {
				struct server_fact server = {.class = (enum server_class) class,
				                             .known = true,
				                             .in_recovery = has(bits, 1),
				                             .timeline = 2,
				                             .system_identifier = "77"};
				const struct admission_input input = {
				    .verify = (enum config_verify)verify,
				    .server = &server,
				    .system_identifier = has(bits, 2) ? "78" : "77",
				    .floor = {has(bits, 4) ? 3 : 2, "77"},
				    .last_lives = has(bits, 8),
				    .is_old_news = has(bits, 16),
				    .is_applied = has(bits, 32)};
				const struct admission_row *row = admission_row(&input);

				reached[row - admission_rows] = true;
				fits = fits && has(row->verify, 1U << verify) &&
				       has(row->classes, 1U << class) &&
				       admission_decide(&input).reason == row->reason;
			}
	cr_expect(fits);
	for (size_t i = 0; i < ADMISSION_ROWS; i++)
		cr_expect(reached[i], "row %zu: %s", i, admission_rows[i].reason);
}

static struct topology value_of(unsigned bits)
{
	struct topology value = {.zxid = has(bits, 1)   ? 7
	                                 : has(bits, 2) ? 9
	                                                : 5,
	                         .has_primary = !has(bits, 4),
	                         .leader = has(bits, 8) ? (char *)"a" : NULL,
	                         .timeline = has(bits, 16) ? 3 : 2,
	                         .system_identifier = "77"};

	snprintf(value.primary.name, sizeof(value.primary.name), "%s", has(bits, 32) ? "b" : "a");
	snprintf(value.set_by.id, sizeof(value.set_by.id), "%s", has(bits, 64) ? "id" : "");
	return value;
}

Test(decide_tables, every_row_of_the_stores_value_is_reached)
{
	bool reached[STORE_ROWS] = {false}, fits = true;

	for (int state = WATCH_WAITING; state <= WATCH_VALUE; state++)
		for (unsigned bits = 0; bits < 1U << 15; bits++) {
			const struct config_cluster cluster = {
			    .presence = has(bits, 128),
			    .on_store_rollback =
			        has(bits, 256) ? CONFIG_ROLLBACK_FOLLOW : CONFIG_ROLLBACK_REFUSE};
			struct topology value = value_of(bits),
			                last = value_of(16384 & bits ? 32 : 0);
			const struct watch_fact fact = {
			    .state = (enum watch_state)state,
			    .topology = state == WATCH_VALUE ? &value : NULL,
			    .publishers = has(bits, 512) ? -1 : has(bits, 1024)};
			const struct applied applied = {.zxid = has(bits, 2048) ? 0 : 7,
			                                .in_this_run = has(bits, 4096),
			                                .has_topology = has(bits, 8192),
			                                .topology = last};
			const struct store_row *row = store_row(&cluster, &fact, &applied);

			reached[row - store_rows] = true;
			fits = fits && has(row->states, 1U << state) &&
			       store_value(&cluster, &fact, &applied).reason == row->reason;
		}
	cr_expect(fits);
	for (size_t i = 0; i < STORE_ROWS; i++)
		cr_expect(reached[i], "row %zu: %s", i, store_rows[i].reason);
}
