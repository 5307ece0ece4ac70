/* Unit files of a machine that is only a folder, and whom they name. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "setup/check.h"
#include "setup/fill_in.h"
#include "setup/unit.h"

struct machine {
	char root[64];
};

static void machine_init(struct machine *machine)
{
	snprintf(machine->root, sizeof(machine->root), "/tmp/segue-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(machine->root));
	cr_assert_eq(chmod(machine->root, 0755), 0);
}

static void machine_fini(struct machine *machine)
{
	auto_free char *line = xasprintf("rm -rf '%s'", machine->root);

	cr_assert_eq(system(line), 0); /* NOLINT(cert-env33-c): a folder of the test's */
}

static void put(const struct machine *machine, const char *path, const char *text)
{
	auto_free char *file = xasprintf("%s%s", machine->root, path);
	struct file_owner owner = {.mode = 0644};
	struct err err;

	for (char *at = file; (at = strchr(at + 1, '/')) != NULL;) {
		*at = '\0';
		(void)mkdir(file, 0755);
		*at = '/';
	}
	cr_assert(file_replace(file, text, strlen(text), &owner, &err), "%s", err.message);
}

Test(init_unit, drop_ins_change_what_the_package_brings)
{
	struct machine machine;
	struct unit unit;

	machine_init(&machine);
	cr_expect_not(unit_load(machine.root, "segue", &unit));
	cr_expect_str_eq(unit.user, "");
	unit_free(&unit);
	put(&machine, "/lib/systemd/system/segue.service",
	    "[Service]\n# User=nobody\nUser = segue \nGroup=segue\nSupplementaryGroups=haproxy\n"
	    "Environment=PGPASSFILE=/etc/segue/passfile\nStateDirectory=segue\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_str_eq(unit.user, "segue");
	cr_expect_str_eq(unit.groups, "haproxy");
	cr_expect_str_eq(unit.environment, "PGPASSFILE=/etc/segue/passfile");
	cr_expect(unit_makes_state(&unit, "/var/lib/segue"));
	cr_expect_not(unit_makes_state(&unit, "/var/lib/segue-other"));
	cr_expect_not(unit_makes_state(&unit, "/srv/segue"));
	unit_free(&unit);

	put(&machine, "/etc/systemd/system/segue.service.d/20-later.conf",
	    "[Service]\nUser=postgres\nSupplementaryGroups=ssl-cert\n");
	put(&machine, "/run/systemd/system/segue.service.d/10-first.conf",
	    "[Service]\nUser=root\nStateDirectory=\nSupplementaryGroups=\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_str_eq(unit.user, "postgres");
	cr_expect_str_eq(unit.groups, "ssl-cert");
	cr_expect_not(unit_makes_state(&unit, "/var/lib/segue"));
	unit_free(&unit);

	put(&machine, "/etc/systemd/system/segue.service", "[Service]\nUser=admin\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_str_eq(unit.user, "postgres", "the file of /etc, and the same drop-ins");
	cr_expect_str_eq(unit.group, "");
	unit_free(&unit);
	machine_fini(&machine);
}

Test(init_unit, only_the_service_section_counts_and_of_drop_ins_of_one_name_the_first)
{
	struct machine machine;
	struct unit unit;

	machine_init(&machine);
	put(&machine, "/usr/local/lib/systemd/system/segue.service",
	    "[Unit]\nDescription=x \\\n  User=nobody\n[Service]\nUser=segue\n");
	put(&machine, "/etc/systemd/system/segue.service.d/a.conf",
	    "[Unit]\n\nSupplementaryGroups=haproxy\n[Service]\nGroup=\\\nadm\n");
	put(&machine, "/usr/lib/systemd/system/segue.service.d/a.conf", "[Service]\nUser=root\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_str_eq(unit.user, "segue");
	cr_expect_str_eq(unit.groups, "");
	cr_expect_str_eq(unit.group, "adm");
	cr_expect_not_null(strstr(unit.where, "/a.conf line 5"), "%s", unit.where);
	cr_assert_eq(unit.ignored.count, 1);
	cr_expect_not_null(strstr(unit.ignored.items[0], "/a.conf line 3: systemd ignores "
	                                                 "SupplementaryGroups= under [Unit]"),
	                   "%s", unit.ignored.items[0]);
	unit_free(&unit);
	machine_fini(&machine);
}

Test(init_unit, what_the_sandbox_leaves_writable)
{
	struct machine machine;
	struct unit unit;

	machine_init(&machine);
	put(&machine, "/usr/lib/systemd/system/segue.service",
	    "[Service]\nProtectSystem=strict\nStateDirectory=segue\n"
	    "ReadWritePaths=/run/segue -/etc/haproxy/conf.d\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect(unit_leaves_writable(&unit, "/etc/haproxy/conf.d"));
	cr_expect(unit_leaves_writable(&unit, "/etc/haproxy/conf.d/below"));
	cr_expect(unit_leaves_writable(&unit, "/var/lib/segue"));
	cr_expect_not(unit_leaves_writable(&unit, "/tmp/x"));
	cr_expect(unit_leaves_writable(&unit, "/dev/shm"));
	cr_expect_not(unit_leaves_writable(&unit, "/etc/haproxy/conf.d2"));
	cr_expect_not(unit_leaves_writable(&unit, "/srv"));
	unit_free(&unit);
	put(&machine, "/etc/systemd/system/segue.service.d/a.conf",
	    "[Service]\nReadWritePaths=\nReadWritePaths=/run/segue\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_not(unit_leaves_writable(&unit, "/etc/haproxy/conf.d"));
	unit_free(&unit);
	put(&machine, "/etc/systemd/system/segue.service.d/a.conf", "[Service]\nPrivateTmp=yes\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect(unit_leaves_writable(&unit, "/tmp/x"));
	cr_expect_not(unit_leaves_writable(&unit, "/tmpx"));
	unit_free(&unit);
	put(&machine, "/etc/systemd/system/segue.service.d/a.conf",
	    "[Service]\nProtectSystem=full\nReadWritePaths=\n");
	cr_assert(unit_load(machine.root, "segue", &unit));
	cr_expect_not(unit_leaves_writable(&unit, "/etc/haproxy/conf.d"));
	cr_expect(unit_leaves_writable(&unit, "/srv"));
	unit_free(&unit);
	machine_fini(&machine);
}

Test(init_unit, the_configuration_is_read_with_the_environment_of_the_unit)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct machine machine;
	struct config *config;
	auto_free char *file = NULL, *line = NULL;

	machine_init(&machine);
	file = xasprintf("%s/segue.ini", machine.root);
	line = xasprintf("[Service]\nEnvironment=\"T_PATH=/a b\" PGT=1\nEnvironmentFile=-/no\n"
	                 "EnvironmentFile=%s/env\n",
	                 machine.root);
	put(&machine, "/segue.ini",
	    "[zookeeper]\nhosts = ${T_HOSTS}\n[cluster a]\npath = ${T_PATH}\n"
	    "[haproxy h]\ncluster = a\ntemplate = /t\noutput = /o\n");
	put(&machine, "/env", "# x\nT_HOSTS = 'z:1'\nT_HOSTS=\"a:1\"\n");
	cr_expect_null(check_load(machine.root, file, &errors));
	cr_expect_not_null(strstr(errors.data, "not set in the environment"));
	cr_expect_null(strstr(errors.data, "with the environment of"));
	put(&machine, "/lib/systemd/system/segue.service", line);
	strbuf_reset(&errors);
	config = check_load(machine.root, file, &errors);
	cr_assert_not_null(config, "%s", errors.data);
	cr_expect_str_eq(config->zookeeper_hosts, "a:1");
	cr_expect_null(getenv("PGT"), "libpq's are for who becomes the unit's user");
	config_free(config);
	put(&machine, "/segue.ini", "[zookeeper]\nhosts = ${T_HOST}\n");
	strbuf_reset(&errors);
	cr_expect_null(check_load(machine.root, file, &errors));
	cr_expect_not_null(strstr(errors.data, "with the environment of segue.service"), "%s",
	                   errors.data);
	machine_fini(&machine);
}

/* segue-pgbouncer is tried first, then segue. */
Test(init_unit, the_environment_of_a_unit_that_is_tried_does_not_stay)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct machine machine;
	struct config *config;
	auto_free char *file = NULL;

	machine_init(&machine);
	file = xasprintf("%s/segue.ini", machine.root);
	put(&machine, "/segue.ini",
	    "[zookeeper]\nhosts = ${T_HOSTS}\n[cluster a]\npath = ${T_PATH}\n"
	    "[haproxy h]\ncluster = a\ntemplate = /t\noutput = /o\n");
	put(&machine, "/lib/systemd/system/segue-pgbouncer.service",
	    "[Service]\nEnvironment=T_HOSTS=tried:1\n");
	put(&machine, "/lib/systemd/system/segue.service", "[Service]\nEnvironment=T_PATH=/a\n");
	cr_expect_null(check_load(machine.root, file, &errors), "neither unit can start with it");
	cr_expect_not_null(strstr(errors.data, "with the environment of segue.service"), "%s",
	                   errors.data);

	setenv("T_HOSTS", "mine:1", 1);
	unsetenv("T_PATH");
	strbuf_reset(&errors);
	config = check_load(machine.root, file, &errors);
	cr_assert_not_null(config, "%s", errors.data);
	cr_expect_str_eq(config->zookeeper_hosts, "mine:1");
	cr_expect_str_eq(getenv("T_PATH"), "/a", "that of the unit that counts stays");
	config_free(config);
	machine_fini(&machine);
}

static void expect_unit(const struct machine *machine, const char *targets, const char *name)
{
	auto_free char *text =
	    xasprintf("[zookeeper]\nhosts = a:1\n[cluster a]\npath = /a\n%s", targets);
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load_text("/x.ini", text, strlen(text), &errors);
	struct unit unit;

	cr_assert_not_null(config, "%s", errors.data);
	cr_expect_eq(check_find_unit(machine->root, config, &unit), name != NULL);
	if (name != NULL)
		cr_expect_str_eq(unit.name, name);
	unit_free(&unit);
	config_free(config);
}

Test(init_unit, the_one_that_is_enabled_runs_or_the_one_that_the_targets_need)
{
	static const char haproxy[] = "[haproxy h]\ncluster = a\ntemplate = /t\noutput = /o\n",
	                  pgbouncer[] = "[pgbouncer p]\ncluster = a\ntemplate = /t\noutput = /p\n",
	                  publisher[] = "[publisher a]\ncluster = a\nnodes = host=a\n";
	struct machine machine;

	machine_init(&machine);
	expect_unit(&machine, haproxy, NULL);
	put(&machine, "/lib/systemd/system/segue.service", "[Service]\nUser=segue\n");
	put(&machine, "/lib/systemd/system/segue-pgbouncer.service", "[Service]\nUser=postgres\n");
	put(&machine, "/lib/systemd/system/segue-publish.service", "[Service]\nUser=segue\n");
	expect_unit(&machine, haproxy, "segue");
	expect_unit(&machine, pgbouncer, "segue-pgbouncer");
	expect_unit(&machine, publisher, "segue-publish");
	put(&machine, "/etc/systemd/system/multi-user.target.wants/segue.service", "");
	expect_unit(&machine, pgbouncer, "segue");
	put(&machine, "/etc/systemd/system/multi-user.target.wants/segue-pgbouncer.service", "");
	expect_unit(&machine, pgbouncer, "segue-pgbouncer");
	machine_fini(&machine);
}

Test(init_unit, a_user_of_no_machine_is_told)
{
	struct unit unit = {.name = xstrdup("segue"),
	                    .user = xstrdup("root"),
	                    .where = xstrdup(""),
	                    .group = xstrdup("no-such-group"),
	                    .groups = xstrdup("")};
	struct err err;

	cr_expect_null(account_find("no-such-user", &err));
	cr_expect_str_eq(err.message, "there is no user \"no-such-user\" on this machine");
	cr_expect_null(account_of_unit(&unit, &err));
	cr_expect_str_eq(err.message,
	                 "segue.service: there is no group \"no-such-group\" on this machine");
	unit.group[0] = '\0';
	free(unit.groups);
	unit.groups = xstrdup("no-such-group");
	cr_expect_null(account_of_unit(&unit, &err));
	unit_free(&unit);
}

Test(init_unit, owner_group_and_mode_say_who_may_write)
{
	static const struct {
		mode_t folder, above;
		uid_t uid;
		gid_t gid;
		bool may;
	} cases[] = {
	    {0700, 0755, 7, 7, true},  {0700, 0755, 8, 7, false}, {0770, 0755, 8, 7, true},
	    {0770, 0755, 8, 9, true},  {0770, 0755, 8, 8, false}, {0077, 0755, 7, 7, false},
	    {0777, 0700, 7, 7, false}, {0775, 0755, 8, 8, false}, {0777, 0755, 8, 8, true},
	    {0550, 0755, 7, 7, false}, {0666, 0755, 8, 8, false}, {0000, 0700, 0, 0, true},
	};
	gid_t further = 9;
	struct machine machine;
	auto_free char *folder = NULL;

	if (geteuid() != 0)
		cr_skip_test("only root can give folders away");
	machine_init(&machine);
	folder = xasprintf("%s/f", machine.root);
	cr_assert_eq(mkdir(folder, 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct account account = {.uid = cases[i].uid,
		                                .gid = cases[i].gid,
		                                .groups = &further,
		                                .group_count = cases[i].gid == 9};

		cr_assert_eq(chown(folder, 7, cases[i].gid == 9 ? 9 : 7), 0);
		cr_assert_eq(chmod(folder, cases[i].folder), 0);
		cr_assert_eq(chmod(machine.root, cases[i].above), 0);
		cr_expect_eq(account_may_write(&account, folder), cases[i].may, "case %zu", i);
	}
	cr_expect_not(account_may_write(&(const struct account){.uid = 0}, "/nonexistent/f"));
	machine_fini(&machine);
}

static void list_mark(unsigned line, const char *key, const char *what, void *arg)
{
	strbuf_printf(arg, "%u %s: %s\n", line, key, what);
}

Test(init_fill_in, only_an_empty_value_below_the_mark_is_left_to_fill_in)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
	    {"; FILL IN: the servers\nhosts =\n", "2 hosts: the servers\n"},
	    {"; FILL IN: the servers,\n;  all of them\nhosts = \n",
	     "3 hosts: the servers, all of them\n"},
	    {"; about it\n; FILL IN: x\na=", "3 a: x\n"},
	    {"# FILL IN what\na = ; b\n", "2 a: what\n"},
	    {"; FILL IN: x\na = 1\nb =\n", ""},
	    {"; FILL IN: x\n\na =\n", ""},
	    {"; fill in all that is marked FILL IN, then\n\na =\n", ""},
	    {"; marked FILL IN\na =\n", ""},
	    {"; FILL IN: x\n[section]\na =\n", ""},
	    {"; FILL IN: x\na =\r\n; FILL IN: y\nb =", "2 a: x\n4 b: y\n"},
	    {"", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_strbuf struct strbuf found = STRBUF_INIT;

		(void)fill_in_find(cases[i].text, list_mark, &found);
		cr_expect_str_eq(found.data, cases[i].found, "%s", cases[i].text);
	}
}
