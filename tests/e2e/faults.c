/* Faults by LD_PRELOAD; see the header. */
#include "faults.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *faults_create(struct lab *lab)
{
	const char *folder = lab_path(lab, "faults");

	if (mkdir(folder, 0755) != 0)
		lab_fail("cannot make %s", folder);
	return folder;
}

void faults_start(struct lab *lab, struct lab_segue *segue, const char *folder)
{
	auto_free char *binary = xstrdup(lab_segue_binary(lab));

	setenv("SEGUE_FAULTS", folder, 1);
	setenv("LD_PRELOAD", lab_printf(lab, "%s/faults.so", dirname(binary)), 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	lab_segue_start(segue);
	unsetenv("LD_PRELOAD");
	unsetenv("SEGUE_FAULTS");
}

void faults_set(struct lab *lab, const char *folder, const char *name, const char *content)
{
	const char *path = lab_printf(lab, "%s/%s", folder, name);
	const char *fresh = lab_printf(lab, "%s/%s.new", folder, name);

	if (content == NULL) {
		unlink(path);
		return;
	}
	lab_write_file(fresh, content);
	if (rename(fresh, path) != 0)
		lab_fail("cannot make %s", path);
}
