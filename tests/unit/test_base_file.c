/* Files: read whole, replaced whole. Each test runs in a process of its own, so limits and user ids
 * may be changed for good. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define NOBODY 65534

static const struct file_owner unchanged = {.mode = 0};

static char dir[] = "/tmp/segue-file-XXXXXX", path[sizeof(dir) + 8], staged[sizeof(dir) + 32];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/out", dir);
	snprintf(staged, sizeof(staged), "%s/.out.segue-new", dir);
}

static void teardown(void)
{
	unlink(path);
	cr_expect_eq(rmdir(dir), 0, "something was left in %s", dir);
}

TestSuite(base_file, .init = setup, .fini = teardown);

static void replace(const char *text, const struct file_owner *owner)
{
	struct err err = {0};

	cr_assert(file_replace(path, text, strlen(text), owner, &err), "%s", err.message);
}

static void expect_content(const char *text)
{
	auto_strbuf struct strbuf got = STRBUF_INIT;
	struct err err = {0};

	cr_assert(file_read(path, 100, &got, NULL, &err), "%s", err.message);
	cr_assert_str_eq(got.data, text);
	cr_assert_neq(access(staged, F_OK), 0, "the staged file is still there");
}

static struct stat stat_of(const char *file)
{
	struct stat st;

	cr_assert_eq(stat(file, &st), 0, "%s", file);
	return st;
}

Test(base_file, read_appends_up_to_the_limit)
{
	auto_strbuf struct strbuf got = STRBUF_INIT;
	struct err err = {0};
	bool missing = true;

	replace("12345", &unchanged);
	strbuf_append_str(&got, "0");
	cr_assert(file_read(path, 5, &got, &missing, &err), "%s", err.message);
	cr_assert_str_eq(got.data, "012345");
	cr_assert_not(missing);
	cr_assert_not(file_read(path, 4, &got, &missing, &err));
	cr_assert_not_null(strstr(err.message, "larger than 4 bytes"), "%s", err.message);
	cr_assert_str_eq(got.data, "012345", "half of a file was left in the buffer");
	cr_assert_not(missing);
}

Test(base_file, read_takes_more_than_one_block)
{
	auto_strbuf struct strbuf text = STRBUF_INIT, got = STRBUF_INIT;
	struct err err = {0};

	for (int i = 0; i < 10000; i++)
		strbuf_append(&text, "\0x", 2);
	cr_assert(file_replace(path, text.data, text.len, &unchanged, &err), "%s", err.message);
	cr_assert(file_read(path, 20000, &got, NULL, &err), "%s", err.message);
	cr_assert_eq(got.len, text.len);
	cr_assert_eq(memcmp(got.data, text.data, text.len), 0);
	cr_assert_not(file_read(path, 19999, &got, NULL, &err));
	cr_assert_eq(got.len, text.len);
}

Test(base_file, read_tells_missing_from_unreadable)
{
	auto_strbuf struct strbuf got = STRBUF_INIT;
	struct err err = {0};
	bool missing = false;

	cr_assert_not(file_read(path, 5, &got, &missing, &err));
	cr_assert(missing);
	cr_assert_not_null(strstr(err.message, path), "%s", err.message);
	cr_assert_not(file_read(dir, 5, &got, &missing, &err));
	cr_assert_not(missing);
	cr_assert_not_null(strstr(err.message, "not a regular file"), "%s", err.message);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_not(file_read(path, 5, &got, &missing, &err), "a fifo would block for ever");
	cr_assert_not_null(strstr(err.message, "not a regular file"), "%s", err.message);
}

Test(base_file, stage_leaves_the_old_file_alone_until_commit)
{
	auto_free char *name = NULL;
	struct err err = {0};

	replace("old", &unchanged);
	name = file_stage(path, "new", 3, &unchanged, &err);
	cr_assert_str_eq(name, staged);
	cr_assert_eq(stat_of(path).st_size, 3);
	cr_assert(file_commit(name, path, &err), "%s", err.message);
	expect_content("new");
}

Test(base_file, stage_removes_what_a_crash_left)
{
	int fd = open(staged, O_WRONLY | O_CREAT | O_EXCL, 0400);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "left over", 9), 9);
	close(fd);
	replace("new", &unchanged);
	expect_content("new");
	cr_assert_eq(stat_of(path).st_mode & 07777, 0644);
}

Test(base_file, a_planted_link_is_not_followed)
{
	auto_free char *target = xasprintf("%s/target", dir);

	cr_assert_eq(symlink(target, staged), 0);
	replace("new", &unchanged);
	expect_content("new");
	cr_assert_neq(access(target, F_OK), 0, "the link was followed");
}

Test(base_file, mode_is_kept_or_set)
{
	umask(077);
	replace("a", &unchanged);
	cr_assert_eq(stat_of(path).st_mode & 07777, 0644, "a new file");
	cr_assert_eq(chmod(path, 0640), 0);
	replace("b", &unchanged);
	cr_assert_eq(stat_of(path).st_mode & 07777, 0640, "kept");
	replace("c", &(struct file_owner){.mode = 0604});
	cr_assert_eq(stat_of(path).st_mode & 07777, 0604, "set");
}

Test(base_file, owner_is_kept_or_set)
{
	if (geteuid() != 0)
		cr_skip_test("only root can give files away");
	replace("a", &unchanged);
	cr_assert_eq(chown(path, 12345, 12346), 0);
	replace("b", &unchanged);
	cr_assert_eq(stat_of(path).st_uid, 12345);
	cr_assert_eq(stat_of(path).st_gid, 12346);
	replace("c", &(struct file_owner){.has_gid = true, .gid = 12347});
	cr_assert_eq(stat_of(path).st_uid, 12345);
	cr_assert_eq(stat_of(path).st_gid, 12347);
	replace("d", &(struct file_owner){.has_uid = true, .uid = 12348});
	cr_assert_eq(stat_of(path).st_uid, 12348);
	cr_assert_eq(stat_of(path).st_gid, 12347);
}

/* The daemon as an ordinary user that is also in the proxy's group. */
static void become_nobody_in_group(gid_t group)
{
	cr_assert_eq(chown(dir, NOBODY, NOBODY), 0);
	cr_assert_eq(setgroups(1, &group), 0);
	cr_assert_eq(setgid(NOBODY), 0);
	cr_assert_eq(setuid(NOBODY), 0);
}

Test(base_file, an_ordinary_user_keeps_at_least_the_group)
{
	struct err err = {0};

	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	replace("a", &unchanged);
	cr_assert_eq(chown(path, 0, 12346), 0);
	cr_assert_eq(chmod(path, 0640), 0);
	become_nobody_in_group(12346);
	replace("b", &unchanged);
	cr_assert_eq(stat_of(path).st_uid, NOBODY);
	cr_assert_eq(stat_of(path).st_gid, 12346);
	cr_assert_eq(stat_of(path).st_mode & 07777, 0640);
	cr_assert_not(
	    file_replace(path, "c", 1, &(struct file_owner){.has_uid = true, .uid = 0}, &err),
	    "an owner that was asked for was not set");
	expect_content("b");
}

Test(base_file, a_full_disk_leaves_the_old_file)
{
	struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};
	struct err err = {0};

	replace("old", &unchanged);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_not(file_replace(path, "longer than the limit", 21, &unchanged, &err));
	cr_assert_not_null(strstr(err.message, "cannot write"), "%s", err.message);
	expect_content("old");
}

Test(base_file, a_failed_commit_removes_the_staged_file)
{
	auto_free char *name = NULL;
	struct err err = {0};

	cr_assert_eq(mkdir(path, 0700), 0);
	name = file_stage(path, "new", 3, &unchanged, &err);
	cr_assert_not_null(name);
	cr_assert_not(file_commit(name, path, &err));
	cr_assert_not_null(strstr(err.message, "cannot rename"), "%s", err.message);
	cr_assert_neq(access(staged, F_OK), 0);
	cr_assert_eq(rmdir(path), 0);
	cr_assert_not(file_commit(staged, path, &err), "there is nothing to commit");
	cr_assert_not_null(strstr(err.message, "cannot fsync"), "%s", err.message);
}

Test(base_file, a_swap_has_the_new_file_or_leaves_the_old_one)
{
	struct err err = {0};

	replace("old", &unchanged);
	cr_assert(file_swap(path, "new", 3, &unchanged, &err), "%s", err.message);
	expect_content("new");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_not(file_swap(path, "new", 3, &unchanged, &err));
	cr_assert_not_null(strstr(err.message, "cannot rename"), "%s", err.message);
	cr_assert_neq(access(staged, F_OK), 0);
	cr_assert_eq(rmdir(path), 0);
}

/* ENOTDIR stands for a read-only disk, where unlink() also fails if there is no file. */
Test(base_file, what_is_not_there_is_removed)
{
	auto_free char *below = xasprintf("%s/file", path);
	struct err err = {0};

	cr_assert(file_remove(path, &err), "%s", err.message);
	replace("text", &unchanged);
	cr_assert(file_remove(below, &err), "%s", err.message);
	cr_assert(file_remove(path, &err), "%s", err.message);
	cr_assert_neq(access(path, F_OK), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_not(file_remove(path, &err));
	cr_assert_not_null(strstr(err.message, "cannot remove"), "%s", err.message);
	cr_assert_eq(rmdir(path), 0);
}

Test(base_file, a_missing_folder_is_named)
{
	struct err err = {0};

	cr_assert_not(file_replace("/nonexistent/out", "", 0, &unchanged, &err));
	cr_assert_not_null(strstr(err.message, "/nonexistent/.out.segue-new: No such file"), "%s",
	                   err.message);
}

Test(base_file, a_relative_name_stays_in_the_working_folder)
{
	struct err err = {0};

	cr_assert_eq(chdir(dir), 0);
	cr_assert(file_replace("out", "x", 1, &unchanged, &err), "%s", err.message);
	expect_content("x");
}

Test(base_file, a_lock_is_one_process_s_and_names_it)
{
	auto_free char *pid = xasprintf("pid %d", (int)getpid());
	struct err err = {0};
	int first = file_lock(path, &err), second;

	cr_assert_geq(first, 0, "%s", err.message);
	cr_assert_lt(file_lock(path, &err), 0);
	cr_assert_not_null(strstr(err.message, pid), "%s", err.message);
	close(first);
	second = file_lock(path, &err);
	cr_assert_geq(second, 0, "%s", err.message);
	close(second);
}
