/* Stage, check, commit: the output is the old content or the new, and nothing is left beside it. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_writer.h"
#include "target/install.h"
#include "unit/loop.h"

static struct {
	struct event_base *base;
	struct file_writer *file_writer;
	char dir[64], output[96];
	struct config_target config;
	struct installer installer;
	bool committed; /* the text was accepted, and the commit starts */
	bool obstruct;  /* then makes a folder of the output's name */
	bool ended;
	enum install_end end;
	char why[2048];
} t;

static void setup(void)
{
	static char none[] = "";

	t.base = event_base_new();
	t.file_writer = file_writer_create(t.base);
	snprintf(t.dir, sizeof(t.dir), "/tmp/segue-install-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.output, sizeof(t.output), "%s/orders.cfg", t.dir);
	t.config = (struct config_target){
	    .output = t.output, .owner = none, .mode = 0640, .check_command = none};
	installer_init(&t.installer, t.base, t.file_writer, &t.config);
}

static int files_in_dir(void)
{
	DIR *dir = opendir(t.dir);
	const struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count++;
	closedir(dir);
	return count;
}

static void teardown(void)
{
	file_writer_destroy(t.file_writer);
	unlink(t.output);
	cr_assert_eq(rmdir(t.dir), 0, "something was left in the folder");
	event_base_free(t.base);
}

static bool ready_cb(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	cr_assert_not(t.ended);
	t.committed = true;
	if (t.obstruct)
		cr_assert_eq(mkdir(t.output, 0700), 0);
	return true;
}

static bool refuse_cb(void *arg, struct err *err)
{
	(void)arg;
	return err_set(err, "not ready");
}

static void end_cb(enum install_end end, const char *why, void *arg)
{
	(void)arg;
	t.ended = true;
	t.end = end;
	snprintf(t.why, sizeof(t.why), "%s", why);
}

static struct install *start(const char *text, install_ready_cb *ready)
{
	struct err err;
	struct install *install;

	t.committed = t.ended = false;
	install = install_start(&t.installer, text, strlen(text), ready, end_cb, NULL, &err);
	cr_assert_not_null(install, "%s", err.message);
	cr_assert(!t.committed && !t.ended, "called back inside install_start()");
	cr_assert_not(install_is_current(t.output, text, strlen(text)), "installed unchecked");
	return install;
}

static void expect_end(const char *text, install_ready_cb *ready, enum install_end end)
{
	(void)start(text, ready);
	cr_assert(loop_until(t.base, &t.ended, 10000));
	cr_assert_eq(t.end, end, "%s", t.why);
}

static void expect_no_start(struct err *err)
{
	cr_assert_null(install_start(&t.installer, "x", 1, ready_cb, end_cb, NULL, err));
}

static void install(const char *text)
{
	expect_end(text, ready_cb, INSTALL_DONE);
	cr_assert(t.committed);
	cr_assert_str_eq(t.why, "");
	cr_assert(install_is_current(t.output, text, strlen(text)));
}

Test(install, without_a_check_it_is_installed_with_its_mode, .init = setup, .fini = teardown)
{
	struct stat st;

	install("server a\n");
	cr_assert_eq(stat(t.output, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0640);
	cr_assert_eq(files_in_dir(), 1);
}

Test(install, the_check_sees_the_new_file, .init = setup, .fini = teardown)
{
	t.config.check_command = (char[]){"grep -q new {}"};
	install("the new one\n");
}

Test(install, what_the_check_refuses_is_not_installed, .init = setup, .fini = teardown)
{
	install("good\n");
	t.config.check_command = (char[]){"sh -c 'echo line 1 is bad; exit 1' {}"};
	expect_end("bad\n", ready_cb, INSTALL_REFUSED);
	cr_assert_not(t.committed);
	cr_assert_str_eq(t.why, "sh exited with 1: line 1 is bad");
	cr_assert(install_is_current(t.output, "good\n", 5));
	cr_assert_eq(files_in_dir(), 1);
}

Test(install, what_its_owner_is_not_ready_for_is_not_installed, .init = setup, .fini = teardown)
{
	install("good\n");
	expect_end("new\n", refuse_cb, INSTALL_FAILED);
	cr_assert_str_eq(t.why, "not ready");
	cr_assert(install_is_current(t.output, "good\n", 5));
	cr_assert_eq(files_in_dir(), 1);
}

Test(install, without_a_file_writer_it_is_only_checked, .init = setup, .fini = teardown)
{
	t.installer.file_writer = NULL;
	t.config.check_command = (char[]){"grep -q new {}"};
	expect_end("new\n", NULL, INSTALL_DONE);
	expect_end("old\n", NULL, INSTALL_REFUSED);
	cr_assert_eq(files_in_dir(), 0);
}

Test(install, cancelled_while_checking_it_leaves_nothing, .init = setup, .fini = teardown)
{
	struct install *staged;

	t.config.check_command = (char[]){"sleep 60"};
	staged = start("x", ready_cb);
	cr_assert_not(install_is_committing(staged));
	install_cancel(staged);
	loop_for(t.base, 20);
	cr_assert(!t.committed && !t.ended);
	cr_assert_eq(files_in_dir(), 0);
}

Test(install, cancelled_while_it_is_committed_it_is_there, .init = setup, .fini = teardown)
{
	struct install *staged = start("new\n", ready_cb);

	cr_assert(loop_until(t.base, &t.committed, 10000));
	cr_assert(install_is_committing(staged));
	install_cancel(staged);
	cr_assert(install_is_current(t.output, "new\n", 4));
	loop_for(t.base, 20);
	cr_assert_not(t.ended);
	cr_assert_eq(files_in_dir(), 1);
}

Test(install, what_cannot_be_renamed_leaves_the_output_as_it_was, .init = setup, .fini = teardown)
{
	t.obstruct = true;
	expect_end("new\n", ready_cb, INSTALL_FAILED);
	cr_assert_not_null(strstr(t.why, "cannot rename "), "%s", t.why);
	cr_assert_not_null(strstr(t.why, t.output), "%s", t.why);
	cr_assert_eq(files_in_dir(), 1);
	cr_assert_eq(rmdir(t.output), 0);
}

/* --- outputs that are links or mount points --- */

#define SOMEBODY 12345

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", t.dir, name);
}

static void expect_link(void)
{
	struct stat st;

	cr_assert_eq(lstat(t.output, &st), 0);
	cr_assert(S_ISLNK(st.st_mode), "the link was replaced by a file");
}

static void expect_path(const char *path)
{
	struct err err = {0};
	auto_free char *found = install_path(&t.config, &err);

	cr_assert_not_null(found, "%s", err.message);
	cr_assert_str_eq(found, path);
}

static void expect_no_path(const char *why)
{
	struct err err = {0};
	auto_free char *found = install_path(&t.config, &err);

	cr_assert_null(found, "%s", found);
	cr_assert_not_null(strstr(err.message, why), "%s", err.message);
}

Test(install, a_link_stays_and_the_file_behind_it_is_replaced, .init = setup, .fini = teardown)
{
	auto_free char *second = in_dir("second"), *folder = in_dir("folder"),
	               *real = in_dir("folder/real.cfg");

	expect_path(t.output);
	cr_assert_eq(mkdir(folder, 0700), 0);
	cr_assert_eq(symlink(second, t.output), 0);
	cr_assert_eq(symlink("folder/../folder/real.cfg", second), 0);
	install("there was nothing behind it\n");
	expect_link();
	cr_assert(install_is_current(real, "there was nothing behind it\n", 28));
	install("new\n");
	expect_link();
	cr_assert(install_is_current(real, "new\n", 4));
	cr_assert_eq(files_in_dir(), 3);
	unlink(real);
	unlink(second);
	cr_assert_eq(rmdir(folder), 0, "something was left in the folder behind the link");
}

Test(install, a_link_that_leads_nowhere_says_so, .init = setup, .fini = teardown)
{
	struct err err;

	cr_assert_eq(symlink("none/real.cfg", t.output), 0);
	expect_no_start(&err);
	cr_assert_not_null(strstr(err.message, "/none/.real.cfg.segue-new: No such file"), "%s",
	                   err.message);
	unlink(t.output);
	cr_assert_eq(symlink("orders.cfg", t.output), 0);
	expect_no_path("/orders.cfg: Too many levels of symbolic links");
}

Test(install, a_link_of_another_user_is_not_followed, .init = setup, .fini = teardown)
{
	auto_free char *real = in_dir("real.cfg");

	if (geteuid() != 0)
		cr_skip_test("only root can give links away");
	cr_assert_eq(symlink("real.cfg", t.output), 0);
	cr_assert_eq(lchown(t.output, SOMEBODY, SOMEBODY), 0);
	expect_no_path(
	    "/orders.cfg: the output is a symbolic link that belongs to another user, and "
	    "segue does not follow it: create the link as root");
	cr_assert_eq(chmod(t.dir, 0755), 0);
	cr_assert_eq(seteuid(SOMEBODY), 0);
	expect_path(real);
	cr_assert_eq(seteuid(0), 0);
}

/* Only the folder behind it is written to. */
Test(install, the_folder_of_a_link_may_be_closed, .init = setup, .fini = teardown)
{
	auto_free char *folder = in_dir("folder"), *real = in_dir("folder/real.cfg");

	if (geteuid() != 0)
		cr_skip_test("root may write to every folder");
	cr_assert_eq(mkdir(folder, 0700), 0);
	cr_assert_eq(chown(folder, SOMEBODY, SOMEBODY), 0);
	cr_assert_eq(chmod(t.dir, 0755), 0);
	cr_assert_eq(symlink("folder/real.cfg", t.output), 0);
	cr_assert_eq(seteuid(SOMEBODY), 0);
	install("new\n");
	cr_assert_eq(seteuid(0), 0);
	expect_link();
	unlink(real);
	cr_assert_eq(rmdir(folder), 0);
}

Test(install, a_mount_point_is_refused_with_the_cure, .init = setup, .fini = teardown)
{
	static const char cure[] =
	    "/orders.cfg: the output is a mount point (a single-file volume), which a rename "
	    "cannot replace: mount its folder instead";
	auto_free char *real = in_dir("real.cfg"), *link = in_dir("link.cfg");
	struct err err;

	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		cr_skip_test("only root can mount");
	install("old\n");
	cr_assert(file_replace(real, "", 0, &t.installer.owner, &err), "%s", err.message);
	cr_assert_eq(mount(real, t.output, NULL, MS_BIND, NULL), 0);
	expect_no_path(cure);
	expect_no_start(&err);
	cr_assert_not_null(strstr(err.message, cure), "%s", err.message);
	cr_assert_not(file_replace(t.output, "x", 1, &t.installer.owner, &err));
	cr_assert_not_null(strstr(err.message, ", a mount point: mount its folder instead: "), "%s",
	                   err.message);
	cr_assert_eq(symlink("orders.cfg", link), 0);
	t.config.output = link;
	expect_no_path(cure);
	cr_assert_eq(umount(t.output), 0);
	expect_path(t.output);
	unlink(real);
	unlink(link);
}

Test(install, problems_are_errors_that_name_the_thing, .init = setup, .fini = teardown)
{
	struct err err;

	t.config.check_command = (char[]){"haproxy 'unclosed"};
	expect_no_start(&err);
	cr_assert_not_null(strstr(err.message, "check_command"), "%s", err.message);
	cr_assert_eq(files_in_dir(), 0);
	t.config.output = (char[]){"/nonexistent/folder/x.cfg"};
	expect_no_start(&err);
	cr_assert_not_null(strstr(err.message, "/nonexistent/folder"), "%s", err.message);
}

Test(install, owner_is_looked_up_and_unknown_ones_are_named)
{
	static const struct {
		const char *owner;
		bool ok, uid, gid;
	} cases[] = {{"", true, false, false},           {"root", true, true, false},
	             {"root:root", true, true, true},    {":root", true, false, true},
	             {"no-such-user:root", false, 0, 0}, {"root:no-such-group", false, 0, 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_target config = {.owner = strdup(cases[i].owner), .mode = 0644};
		struct file_owner owner;
		struct err err;

		cr_assert_eq(install_owner(&config, &owner, &err), cases[i].ok);
		if (cases[i].ok)
			cr_assert(owner.has_uid == cases[i].uid && owner.has_gid == cases[i].gid &&
			          owner.mode == 0644);
		else
			cr_assert_not_null(strstr(err.message, "no-such-"), "%s", err.message);
		free(config.owner);
	}
}

Test(install, what_to_do_goes_by_why_no_file_can_be_made)
{
	auto_free char *missing = install_folder_cure("/c.d", ENOENT);
	auto_free char *closed = install_folder_cure("/c.d", EACCES);
	auto_free char *sandbox = install_folder_cure("/c.d", EROFS);

	cr_expect_not_null(strstr(missing, "install -d -g "), "%s", missing);
	cr_expect_not_null(strstr(closed, " /c.d && chmod g+ws /c.d"), "%s", closed);
	cr_expect_not_null(strstr(sandbox, "ReadWritePaths=/c.d under [Service]"), "%s", sandbox);
}
