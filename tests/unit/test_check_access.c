/* `segue check` where this user may not look: what is said of it, and that it is said of nobody
 * else. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/override.h"
#include "setup/check.h"
#include "setup/unit.h"
#include "target/install.h"

#define NOBODY 65534

static char folder[] = "/tmp/segue-access-XXXXXX";
static struct config_cluster cluster = {.name = (char *)"a", .path = (char *)"/segue/a"};
static struct config config = {.clusters = &cluster, .cluster_count = 1, .state_dir = folder};
static struct unit unit = {.name = (char *)"segue", .user = (char *)"segue"};
static struct check check = {.config = &config};
static bool was_root;

/* A freeze that this user may not read, and a folder that it may not write to. */
static void setup(void)
{
	const struct file_owner owner = {.mode = geteuid() == 0 ? 0600 : 0200};
	static const char word[] = "{\"kind\":\"freeze\"}";
	auto_free char *file = NULL;
	struct err err;

	cr_redirect_stdout();
	was_root = geteuid() == 0;
	cr_assert_not_null(mkdtemp(folder));
	file = override_file(folder, cluster.name);
	cr_assert(file_replace(file, word, strlen(word), &owner, &err), "%s", err.message);
	cr_assert_eq(chmod(folder, 0555), 0);
	if (was_root)
		cr_assert_eq(setresuid(NOBODY, NOBODY, 0), 0);
}

static void teardown(void)
{
	auto_free char *file = override_file(folder, cluster.name);

	if (was_root)
		cr_assert_eq(setresuid(0, 0, 0), 0);
	chmod(folder, 0755);
	unlink(file);
	cr_assert_eq(rmdir(folder), 0);
}

static void expect_printed(const char *want)
{
	fflush(stdout);
	cr_assert_stdout_eq_str(want);
}

TestSuite(check_access, .init = setup, .fini = teardown);

Test(check_access, a_file_that_a_bystander_may_not_read_is_not_known_and_no_freeze)
{
	auto_free char *user = check_user(), *want = NULL;

	check.unit = &unit;
	check.bystander = true;
	check_overrides(&check);
	cr_expect_eq(check.failed, 0);
	check_unknown(&check);
	cr_expect_eq(check.failed, 1, "what is not known is not fine");
	want = xasprintf(
	    "warn  cluster/a: cannot read %s/a.override as %s: run segue check as root or "
	    "segue\n"
	    "FAIL  check: checks above without a result, because %s has no access: 1: run segue "
	    "check as root or segue\n",
	    folder, user, user);
	expect_printed(want);
}

Test(check_access, without_a_unit_it_is_a_failure_of_this_user)
{
	auto_free char *user = check_user(), *want = NULL;

	check_overrides(&check);
	check_unknown(&check);
	cr_expect_eq(check.failed, 1);
	want = xasprintf(
	    "FAIL  cluster/a: cannot read %s/a.override as %s: run segue check as root or "
	    "segue's user\n",
	    folder, user);
	expect_printed(want);
}

Test(check_access, the_units_own_user_is_to_be_let_in)
{
	auto_free char *user = check_user(), *want = NULL;

	unit.user = user;
	check.unit = &unit;
	check_overrides(&check);
	cr_expect_eq(check.failed, 1);
	want = xasprintf("FAIL  cluster/a: cannot read %s/a.override as %s: give the user %s "
	                 "access to it\n",
	                 folder, user, user);
	expect_printed(want);
}

Test(check_access, a_folder_that_a_bystander_may_not_write_to_is_not_given_to_it)
{
	auto_free char *user = check_user(), *want = NULL;

	check.unit = &unit;
	check.bystander = true;
	check_folder(&check, "state_dir", folder);
	cr_expect_eq(check.failed, 0);
	want = xasprintf(
	    "warn  state_dir: cannot write to %s as %s: run segue check as root or segue\n", folder,
	    user);
	expect_printed(want);
}

Test(check_access, a_listen_socket_that_cannot_be_made_is_a_warning)
{
	auto_free char *listen = xasprintf("127.0.0.1:1,unix:%s/s", folder);
	auto_free char *fix = install_folder_cure(folder, EACCES), *want = NULL;

	config.listen = listen;
	check_listen(&check);
	cr_expect_eq(check.failed, 0);
	want = xasprintf("warn  listen: %s/s cannot be created: segue runs without /readyz, segue "
	                 "status and segue pin: %s\n",
	                 folder, fix);
	expect_printed(want);
}

Test(check_access, a_bystander_cannot_say_whether_the_listen_socket_can_be_made)
{
	auto_free char *listen = xasprintf("unix:%s/s", folder);

	check.unit = &unit;
	check.bystander = true;
	config.listen = listen;
	check_listen(&check);
	config.listen = (char *)"127.0.0.1:1";
	check_listen(&check);
	config.listen = (char *)"unix:/tmp/s";
	check_listen(&check);
	expect_printed("");
}
