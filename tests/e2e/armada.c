/* The stand for tests of the fleet; see the header. */
#include "armada.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARGS_MAX 12

static const char *make_ini(struct armada *armada, const char *dir, const char *name,
                            const char *cluster, const char *target)
{
	return lab_printf(armada->lab,
	                  "[segue]\nname = %s\nstate_dir = %s\nlisten =\n"
	                  "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	                  "[cluster orders]\npath = /segue/orders\n%s"
	                  "[file app]\ncluster = orders\ntemplate = %s\noutput = %s.conf\n%s",
	                  name, dir, lab_zk_hosts(armada->zk), cluster,
	                  lab_path(armada->lab, "app.mustache"), dir, target);
}

static struct lab_segue *make_sidecar(struct armada *armada, const char *name, const char *cluster)
{
	const char *dir = lab_path(armada->lab, name);

	return lab_segue_create(armada->lab, make_ini(armada, dir, name, cluster, ""));
}

static void make_sidecars(struct armada *armada, const char *cluster)
{
	const char *more;

	lab_write_file(lab_path(armada->lab, "app.mustache"),
	               "{{#primary}}{{endpoint}}{{/primary}}\n");
	more = lab_printf(armada->lab, ARMADA_FLEET "%s", cluster != NULL ? cluster : "");
	for (int i = 0; i < ARMADA_MAX; i++)
		armada->sidecars[i] =
		    make_sidecar(armada, lab_printf(armada->lab, "proxy%d", i), more);
	armada->person = make_sidecar(armada, "person", more);
}

void armada_init(struct armada *armada, const char *cluster)
{
	armada->lab = lab_create("fleet");
	armada->zk = lab_zk_share(armada->lab);
	make_sidecars(armada, cluster);
}

void armada_init_own(struct armada *armada, const char *cluster)
{
	armada->lab = lab_create("fleet");
	armada->zk = lab_zk_start(armada->lab, 1);
	make_sidecars(armada, cluster);
}

void armada_fini(struct armada *armada)
{
	lab_destroy(armada->lab);
}

void armada_configure(struct armada *armada, int sidecar, const char *name, const char *cluster,
                      const char *target)
{
	const char *dir = lab_path(armada->lab, lab_printf(armada->lab, "proxy%d", sidecar));

	lab_write_file(lab_segue_ini_file(armada->sidecars[sidecar]),
	               make_ini(armada, dir, name, cluster, target));
}

void armada_start(struct armada *armada, int count)
{
	for (int i = 0; i < count; i++)
		lab_segue_start(armada->sidecars[i]);
}

void armada_reload(struct armada *armada, int sidecar)
{
	struct lab_segue *segue = armada->sidecars[sidecar];

	lab_segue_mark(segue);
	lab_process_signal(lab_segue_process(segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(segue, ARMADA_TIMEOUT_MS, "event=config_reloaded", NULL), "%s",
	    lab_process_log_tail(lab_segue_process(segue)));
}

int64_t armada_name(struct armada *armada, int n)
{
	const char *json = lab_printf(armada->lab,
	                              "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":"
	                              "\"10.0.0.%d\",\"port\":5432},\"standbys\":[]}",
	                              n, n);

	return lab_zk_set(armada->zk, "/segue/orders/master", json, strlen(json));
}

struct wanted {
	struct armada *armada;
	const char *path, *text;
};

static bool says(void *arg)
{
	const struct wanted *wanted = arg;
	auto_strbuf struct strbuf data = STRBUF_INIT;

	if (!lab_zk_get(wanted->armada->zk, wanted->path, &data, NULL))
		return wanted->text == NULL;
	return wanted->text != NULL && strstr(data.data, wanted->text) != NULL;
}

bool armada_wait_says(struct armada *armada, const char *name, const char *text)
{
	struct wanted wanted = {.armada = armada,
	                        .path = lab_printf(armada->lab, ARMADA_NODES "/%s", name),
	                        .text = text};

	return lab_wait_until(says, &wanted, ARMADA_TIMEOUT_MS);
}

bool armada_wait_confirmed(struct armada *armada, const char *name, int64_t zxid)
{
	return armada_wait_says(armada, name,
	                        lab_printf(armada->lab, "Z\",\"zxid\":%" PRId64 ",", zxid));
}

int armada_run(struct armada *armada, struct strbuf *output, const char *verb, ...)
{
	const char *argv[ARGS_MAX + 5] = {lab_segue_binary(armada->lab), verb, "-c",
	                                  lab_segue_ini_file(armada->person)};
	va_list args;

	va_start(args, verb);
	for (int i = 4; i < ARGS_MAX + 4 && (argv[i] = va_arg(args, const char *)) != NULL; i++) {
	}
	va_end(args);
	strbuf_reset(output);
	return lab_run(armada->lab, argv, output);
}
