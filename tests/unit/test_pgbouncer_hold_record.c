/* The hold record, written by one process and read by the next. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "pgbouncer/hold_record.h"

static char folder[] = "/tmp/segue-intent-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
	cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(pgbouncer_hold_record, .init = setup, .fini = teardown);

static struct pgbouncer_hold_record init(void)
{
	struct pgbouncer_hold_record record;
	struct err err;

	cr_assert(pgbouncer_hold_record_init(&record, folder, "local", &err), "%s", err.message);
	return record;
}

static void save(struct pgbouncer_hold_record *record)
{
	struct err err;

	cr_assert(pgbouncer_hold_record_save(record, "test", &err), "%s", err.message);
	cr_assert(pgbouncer_hold_record_sync(record, "test", &err), "%s", err.message);
}

static void drop_all(struct pgbouncer_hold_record *record)
{
	while (record->count > 0)
		pgbouncer_hold_record_drop(record, record->names[0]);
	save(record);
	pgbouncer_hold_record_fini(record);
}

Test(pgbouncer_hold_record, what_one_life_notes_the_next_one_finds)
{
	struct pgbouncer_hold_record first = init(), second;

	cr_assert_eq(first.count, 0);
	cr_assert_eq(first.max_db_connections, -1);
	cr_assert_eq(first.min_pool_size, -1);
	pgbouncer_hold_record_add(&first, "app");
	pgbouncer_hold_record_add(&first, "my \"db\"");
	first.max_db_connections = 50;
	first.min_pool_size = 7;
	save(&first);
	second = init();
	cr_assert_eq(second.count, 2);
	cr_assert(pgbouncer_hold_record_has(&second, "app"));
	cr_assert(pgbouncer_hold_record_has(&second, "my \"db\""));
	cr_assert_eq(second.max_db_connections, 50);
	cr_assert_eq(second.min_pool_size, 7);
	pgbouncer_hold_record_fini(&first);
	drop_all(&second);
}

Test(pgbouncer_hold_record, a_fence_is_found_as_one_until_its_last_name_is_gone)
{
	struct pgbouncer_hold_record first = init(), second;

	pgbouncer_hold_record_add(&first, "app");
	save(&first);
	second = init();
	cr_assert_not(second.fence);
	pgbouncer_hold_record_fini(&second);
	first.fence = true;
	save(&first);
	second = init();
	cr_assert(second.fence);
	pgbouncer_hold_record_add(&second, "app1");
	pgbouncer_hold_record_drop(&second, "app");
	cr_assert(second.fence);
	pgbouncer_hold_record_drop(&second, "app1");
	cr_assert_not(second.fence);
	pgbouncer_hold_record_fini(&first);
	drop_all(&second);
}

static bool note_says(const struct pgbouncer_hold_record *record, const char *text)
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct err err;

	cr_assert(file_read(record->path, 4096, &note, NULL, &err), "%s", err.message);
	return strstr(note.data, text) != NULL;
}

Test(pgbouncer_hold_record, a_staged_note_is_found_by_the_next_life_and_dated_when_it_is_synced)
{
	struct pgbouncer_hold_record first = init(), second;
	char *const names[] = {(char[]){"app"}};
	struct err err;

	cr_assert(pgbouncer_hold_record_stage(&first, names, 1, &err), "%s", err.message);
	second = init();
	cr_assert_eq(second.count, 0, "nothing is paused yet");
	pgbouncer_hold_record_fini(&second);
	pgbouncer_hold_record_add(&first, "app");
	cr_assert(pgbouncer_hold_record_save_staged(&first));
	cr_assert_not(note_says(&first, "since"));
	second = init();
	cr_assert(pgbouncer_hold_record_has(&second, "app"));
	pgbouncer_hold_record_fini(&second);
	cr_assert(pgbouncer_hold_record_sync(&first, "test", &err), "%s", err.message);
	cr_assert(note_says(&first, "since"));
	drop_all(&first);
}

Test(pgbouncer_hold_record, a_note_staged_for_other_databases_is_not_used)
{
	struct pgbouncer_hold_record first = init(), second;
	char *const names[] = {(char[]){"app"}};
	struct err err;

	cr_assert(pgbouncer_hold_record_stage(&first, names, 1, &err), "%s", err.message);
	pgbouncer_hold_record_add(&first, "app");
	pgbouncer_hold_record_add(&first, "app1");
	cr_assert_not(pgbouncer_hold_record_save_staged(&first));
	save(&first);
	second = init();
	cr_assert_eq(second.count, 2);
	pgbouncer_hold_record_fini(&second);
	drop_all(&first);
}

Test(pgbouncer_hold_record, what_was_staged_for_nothing_is_removed)
{
	struct pgbouncer_hold_record record = init();
	char *const names[] = {(char[]){"app"}};
	struct err err;

	cr_assert(pgbouncer_hold_record_stage(&record, names, 1, &err), "%s", err.message);
	pgbouncer_hold_record_fini(&record); /* teardown finds what is left */
}

Test(pgbouncer_hold_record, who_saved_it_last_owns_it)
{
	struct pgbouncer_hold_record first = init(), second;

	pgbouncer_hold_record_add(&first, "app");
	save(&first);
	second = init();
	cr_assert(pgbouncer_hold_record_is_ours(&first));
	cr_assert_not(pgbouncer_hold_record_is_ours(&second));
	save(&second);
	cr_assert_not(pgbouncer_hold_record_is_ours(&first));
	pgbouncer_hold_record_fini(&first);
	drop_all(&second);
}

Test(pgbouncer_hold_record, what_cannot_be_written_is_an_error_that_names_the_note)
{
	struct pgbouncer_hold_record record = init();
	struct err err;

	pgbouncer_hold_record_add(&record, "app");
	cr_assert_eq(rmdir(folder), 0);
	cr_assert_not(pgbouncer_hold_record_save(&record, "test", &err));
	cr_assert_not_null(strstr(err.message, "the hold record: cannot create"), "%s",
	                   err.message);
	cr_assert_not_null(mkdtemp(strcpy(folder, "/tmp/segue-intent-XXXXXX")));
	pgbouncer_hold_record_fini(&record);
}

/* Nothing else tells segue's pauses from a person's, so it is not taken for an empty one. */
Test(pgbouncer_hold_record, a_file_that_is_no_record_is_an_error)
{
	static const struct {
		const char *text, *says;
	} cases[] = {{"", "not JSON"},
	             {"{\"databases\":[\"app\"", "not JSON"},
	             {"[]", "it has no list of databases"},
	             {"[\"app\"]", "it has no list of databases"},
	             {"{}", "it has no list of databases"},
	             {"{\"databases\":\"app\"}", "it has no list of databases"}};
	auto_free char *path = xasprintf("%s/pgbouncer-local.paused", folder);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct file_owner owner = {.mode = 0600};
		struct pgbouncer_hold_record record;
		struct err err;

		cr_assert(file_swap(path, cases[i].text, strlen(cases[i].text), &owner, &err));
		cr_expect_not(pgbouncer_hold_record_init(&record, folder, "local", &err));
		cr_expect_not_null(strstr(err.message, cases[i].says), "%s", err.message);
		cr_expect_not_null(strstr(err.message, path), "%s", err.message);
		cr_expect_eq(record.count, 0);
		pgbouncer_hold_record_fini(&record);
	}
	unlink(path);
}

/* It may be a good one: nobody is told to remove it. */
Test(pgbouncer_hold_record, a_file_that_cannot_be_read_is_another_error)
{
	auto_free char *path = xasprintf("%s/pgbouncer-local.paused", folder);
	struct pgbouncer_hold_record record;
	struct err err;

	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_not(pgbouncer_hold_record_init(&record, folder, "local", &err));
	cr_expect_not_null(strstr(err.message, path), "%s", err.message);
	cr_expect_null(strstr(err.message, "remove"), "%s", err.message);
	pgbouncer_hold_record_fini(&record);
	cr_assert_eq(rmdir(path), 0);
}
