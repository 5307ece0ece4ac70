/* Files made durable beside the loop: in order, each once, and none lost. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "unit/loop.h"

#define FILES 20

static struct {
	struct event_base *base;
	struct file_writer *file_writer;
	char dir[64];
	char paths[FILES][96];
	int called;
	int order[FILES]; /* of the callbacks: which file's */
	char problems[FILES][1024];
} t;

static void init(void)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	t.file_writer = file_writer_create(t.base);
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-saver-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	for (int i = 0; i < FILES; i++)
		snprintf(t.paths[i], sizeof(t.paths[i]), "%s/file%d", t.dir, i);
}

static void fini(void)
{
	if (t.file_writer != NULL)
		file_writer_destroy(t.file_writer);
	for (int i = 0; i < FILES; i++)
		unlink(t.paths[i]);
	cr_assert_eq(rmdir(t.dir), 0, "something was left in the folder");
	event_base_free(t.base);
}

TestSuite(file_writer, .init = init, .fini = fini, .timeout = 60);

static int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2; /* . and .. */
}

static void on_done(const struct err *problem, void *arg)
{
	int i = (int)((const char(*)[96])arg - t.paths);

	t.order[t.called++] = i;
	snprintf(t.problems[i], sizeof(t.problems[i]), "%s",
	         problem != NULL ? problem->message : "");
}

static struct file_writer_job *commit(int i, const char *text)
{
	struct file_owner owner = {.mode = 0600};
	struct err err;
	auto_free char *staged = file_stage(t.paths[i], text, strlen(text), &owner, &err);
	struct file_writer_job *job;
	int called = t.called;

	cr_assert_not_null(staged, "%s", err.message);
	job = file_writer_commit(t.file_writer, staged, t.paths[i], on_done, t.paths[i]);
	cr_assert_eq(t.called, called, "called back inside saver_commit()");
	return job;
}

static void expect_calls(int calls)
{
	int64_t until = clock_now_ms() + 10000;

	while (t.called < calls && clock_now_ms() < until)
		loop_for(t.base, 5);
	loop_for(t.base, 20);
	cr_assert_eq(t.called, calls);
}

static void expect_text(int i, const char *text)
{
	auto_strbuf struct strbuf found = STRBUF_INIT;
	struct err err;

	cr_assert(file_read(t.paths[i], 1024, &found, NULL, &err), "%s", err.message);
	cr_assert_str_eq(found.data, text);
}

Test(file_writer, all_are_in_place_and_told_in_their_order)
{
	int before = threads();

	for (int i = 0; i < FILES; i++)
		(void)commit(i, t.paths[i]);
	cr_expect_leq(threads(), before + 1);
	expect_calls(FILES);
	for (int i = 0; i < FILES; i++) {
		cr_expect_eq(t.order[i], i);
		cr_expect_str_eq(t.problems[i], "");
		expect_text(i, t.paths[i]);
	}
}

Test(file_writer, unused_it_is_no_thread)
{
	int before = threads();
	struct file_writer *unused = file_writer_create(t.base);

	loop_for(t.base, 5);
	cr_expect_eq(threads(), before);
	file_writer_destroy(unused);
}

Test(file_writer, one_path_again_and_again)
{
	for (int i = 0; i < 50; i++) {
		auto_free char *text = xasprintf("%d", i);

		(void)commit(0, text);
		t.called = 0;
		expect_calls(1);
		expect_text(0, text);
	}
}

Test(file_writer, a_failure_is_told_and_stops_no_other)
{
	cr_assert_eq(mkdir(t.paths[1], 0700), 0);
	for (int i = 0; i < 3; i++)
		(void)commit(i, "text");
	expect_calls(3);
	cr_expect_not_null(strstr(t.problems[1], "cannot rename"), "%s", t.problems[1]);
	cr_expect_str_eq(t.problems[0], "");
	expect_text(2, "text");
	cr_assert_eq(rmdir(t.paths[1]), 0);
}

Test(file_writer, cancelled_it_is_written_and_not_told)
{
	struct file_writer_job *jobs[3];

	for (int i = 0; i < 3; i++)
		jobs[i] = commit(i, "text");
	file_writer_cancel(jobs[1]);
	expect_text(1, "text");
	(void)commit(1, "newer"); /* may be staged again at once */
	expect_calls(3);
	cr_expect_eq(t.order[0], 0);
	cr_expect_eq(t.order[1], 2);
	cr_expect_eq(t.order[2], 1);
	expect_text(1, "newer");
}

Test(file_writer, destroyed_it_has_written_all_and_tells_nobody)
{
	for (int i = 0; i < FILES; i++)
		(void)commit(i, "text");
	file_writer_destroy(STEAL(t.file_writer));
	for (int i = 0; i < FILES; i++)
		expect_text(i, "text");
	loop_for(t.base, 20);
	cr_expect_eq(t.called, 0);
}
