/* The note of what segue pauses, over the life of two processes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/pgbouncer_intent.h"
#include "base/util.h"

static char folder[] = "/tmp/segue-intent-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
	cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(pgbouncer_intent, .init = setup, .fini = teardown);

static struct pgbouncer_intent init(void)
{
	struct pgbouncer_intent intent;
	struct err err;

	cr_assert(pgbouncer_intent_init(&intent, folder, "local", &err), "%s", err.message);
	return intent;
}

static void save(const struct pgbouncer_intent *intent)
{
	struct err err;

	cr_assert(pgbouncer_intent_save(intent, "test", &err), "%s", err.message);
	cr_assert(pgbouncer_intent_sync(intent, &err), "%s", err.message);
}

static void drop_all(struct pgbouncer_intent *intent)
{
	while (intent->count > 0)
		pgbouncer_intent_drop(intent, intent->names[0]);
	save(intent);
	pgbouncer_intent_fini(intent);
}

Test(pgbouncer_intent, what_one_life_notes_the_next_one_finds)
{
	struct pgbouncer_intent first = init(), second;

	cr_assert_eq(first.count, 0);
	cr_assert_eq(first.max_db_connections, -1);
	pgbouncer_intent_add(&first, "app");
	pgbouncer_intent_add(&first, "my \"db\"");
	first.max_db_connections = 50;
	save(&first);
	second = init();
	cr_assert_eq(second.count, 2);
	cr_assert(pgbouncer_intent_has(&second, "app"));
	cr_assert(pgbouncer_intent_has(&second, "my \"db\""));
	cr_assert_eq(second.max_db_connections, 50);
	pgbouncer_intent_fini(&first);
	drop_all(&second);
}

Test(pgbouncer_intent, a_fence_is_found_as_one_until_its_last_name_is_gone)
{
	struct pgbouncer_intent first = init(), second;

	pgbouncer_intent_add(&first, "app");
	save(&first);
	second = init();
	cr_assert_not(second.fence);
	pgbouncer_intent_fini(&second);
	first.fence = true;
	save(&first);
	second = init();
	cr_assert(second.fence);
	pgbouncer_intent_add(&second, "app1");
	pgbouncer_intent_drop(&second, "app");
	cr_assert(second.fence);
	pgbouncer_intent_drop(&second, "app1");
	cr_assert_not(second.fence);
	pgbouncer_intent_fini(&first);
	drop_all(&second);
}

Test(pgbouncer_intent, who_saved_it_last_owns_it)
{
	struct pgbouncer_intent first = init(), second;

	pgbouncer_intent_add(&first, "app");
	save(&first);
	second = init();
	cr_assert(pgbouncer_intent_is_ours(&first));
	cr_assert_not(pgbouncer_intent_is_ours(&second));
	save(&second);
	cr_assert_not(pgbouncer_intent_is_ours(&first));
	pgbouncer_intent_fini(&first);
	drop_all(&second);
}

Test(pgbouncer_intent, what_cannot_be_written_is_an_error_that_names_the_note)
{
	struct pgbouncer_intent intent = init();
	struct err err;

	pgbouncer_intent_add(&intent, "app");
	cr_assert_eq(rmdir(folder), 0);
	cr_assert_not(pgbouncer_intent_save(&intent, "test", &err));
	cr_assert_not_null(strstr(err.message, "the note of what segue pauses: cannot create"),
	                   "%s", err.message);
	cr_assert_not_null(mkdtemp(strcpy(folder, "/tmp/segue-intent-XXXXXX")));
	pgbouncer_intent_fini(&intent);
}
