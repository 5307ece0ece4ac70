/* The fixture of the tests of `segue init`; see the header. */
#include "beginner.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strbuf.h"

void beginner_start(struct beginner *beginner)
{
	beginner->lab = lab_create("init");
	beginner->zk = lab_zk_share(beginner->lab);
	beginner->dir = lab_path(beginner->lab, "etc");
	beginner->ini_file = lab_printf(beginner->lab, "%s/segue.ini", beginner->dir);
}

int beginner_types(struct beginner *beginner, const char *const *argv)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	int code = lab_run(beginner->lab, argv, &output);

	beginner->printed = lab_printf(beginner->lab, "%s", output.data);
	return code;
}

int beginner_inits_bare(struct beginner *beginner, const char *proxy, const char *main_file,
                        const char *more, const char *value)
{
	const char *argv[] = {lab_segue_binary(beginner->lab),
	                      "init",
	                      proxy,
	                      "--proxy-config",
	                      main_file,
	                      "--defaults",
	                      lab_path(beginner->lab, "defaults"),
	                      "--dir",
	                      beginner->dir,
	                      more,
	                      value,
	                      NULL};

	return beginner_types(beginner, argv);
}

int beginner_inits(struct beginner *beginner, const char *proxy, const char *main_file,
                   const char *more)
{
	const char *argv[] = {lab_segue_binary(beginner->lab),
	                      "init",
	                      proxy,
	                      "--proxy-config",
	                      main_file,
	                      "--defaults",
	                      lab_path(beginner->lab, "defaults"),
	                      "--dir",
	                      beginner->dir,
	                      "--zookeeper",
	                      lab_zk_hosts(beginner->zk),
	                      "--path",
	                      "/segue/main",
	                      more,
	                      NULL};

	return beginner_types(beginner, argv);
}

void beginner_must_read(const struct beginner *beginner, const char *line)
{
	cr_expect_not_null(strstr(beginner->printed, line), "no \"%s\" in\n%s", line,
	                   beginner->printed);
}

const char *beginner_next_line(struct beginner *beginner, const char **at)
{
	const char *found = strstr(*at, "\n     ");
	size_t len;

	if (found == NULL)
		return "";
	found += strlen("\n     ");
	len = strcspn(found, "\n");
	*at = found + len;
	return lab_printf(beginner->lab, "%.*s", (int)len, found);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void beginner_types_commands(struct beginner *beginner)
{
	for (const char *at = beginner->printed, *line = beginner_next_line(beginner, &at);
	     *line != '\0'; line = beginner_next_line(beginner, &at)) {
		const char *argv[] = {"sh", "-c", NULL, NULL};
		bool folders = strstr(line, " /var/lib/segue") != NULL;
		const char *cut = strstr(line, " /var/lib/segue");

		if (!starts_with(line, "sudo ") || strstr(line, lab_dir(beginner->lab)) == NULL ||
		    strstr(line, " segue ") != NULL)
			continue;
		line += strlen("sudo ");
		if (starts_with(line, "-u postgres "))
			line = lab_printf(beginner->lab, "su postgres -s /bin/sh -c '%s'",
			                  line + strlen("-u postgres "));
		argv[2] =
		    folders ? lab_printf(beginner->lab, "%.*s", (int)(cut - line), line) : line;
		cr_assert_eq(lab_run(beginner->lab, argv, NULL), 0, "%s", argv[2]);
	}
}

void beginner_edits_ini(struct beginner *beginner)
{
	const char *text = lab_read_file(beginner->lab, beginner->ini_file);
	const char *target = strstr(text, "verify_conninfo");

	cr_assert_not_null(target, "%s", text);
	lab_write_file(beginner->ini_file,
	               lab_printf(beginner->lab,
	                          "%.*sverify = disable\n%s[segue]\nstate_dir = %s/state\n"
	                          "listen = unix:%s/segue.sock\n",
	                          (int)(target - text), text, target, lab_dir(beginner->lab),
	                          lab_dir(beginner->lab)));
	cr_assert_eq(mkdir(lab_path(beginner->lab, "state"), 0777), 0);
}

int beginner_checks(struct beginner *beginner)
{
	const char *argv[] = {lab_segue_binary(beginner->lab), "check", "-c", beginner->ini_file,
	                      NULL};

	return beginner_types(beginner, argv);
}

void beginner_names_primary(struct beginner *beginner, uint16_t port)
{
	const char *json = lab_printf(
	    beginner->lab,
	    "{\"version\":1,\"primary\":{\"name\":\"p%u\",\"host\":\"127.0.0.1\",\"port\":%u}}",
	    (unsigned)port, (unsigned)port);

	lab_zk_set(beginner->zk, "/segue/main/master", json, strlen(json));
}

struct lab_segue *beginner_starts_segue(struct beginner *beginner)
{
	struct lab_segue *segue =
	    lab_segue_create(beginner->lab, lab_read_file(beginner->lab, beginner->ini_file));

	lab_segue_start(segue);
	return segue;
}
