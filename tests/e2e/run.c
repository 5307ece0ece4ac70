/* The stand for tests of `segue run`; see the header. */
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "faults.h"

static const char template_text[] = "{{! what the tests render }}\n"
                                    "defaults segue_{{cluster}}\n"
                                    "\tmode tcp\n"
                                    "\ttimeout connect 100ms\n"
                                    "\ttimeout client 1m\n"
                                    "\ttimeout server 1m\n"
                                    "\tretries 60\n"
                                    "\toption redispatch 2\n"
                                    "\ttimeout queue 5m\n"
                                    "frontend {{cluster}}_rw from segue_{{cluster}}\n"
                                    "\tbind 127.0.0.1:{{vars.port}}\n"
                                    "\tdefault_backend {{cluster}}_rw\n"
                                    "backend {{cluster}}_rw from segue_{{cluster}}\n"
                                    "%s"
                                    "{{#primary}}\tserver primary {{endpoint}}\n{{/primary}}"
                                    "{{^primary}}\tserver primary 127.0.0.1:1\n{{/primary}}";

void run_write_template(struct run *run, const char *more)
{
	lab_write_file(run->template_file, lab_printf(run->lab, template_text, more));
}

static const char *default_target(struct run *run)
{
	return lab_printf(run->lab, "check_command = haproxy -c -q -f %s\n  -f {}\n",
	                  lab_haproxy_main_file(run->haproxy));
}

static const char *make_ini(struct run *run, const struct run_options *options)
{
	const char *segue = options->segue != NULL ? options->segue : "";
	const char *cluster = options->cluster != NULL ? options->cluster : "";
	const char *target = options->target != NULL ? options->target : default_target(run);
	const char *sections = options->sections != NULL ? options->sections : "";

	return lab_printf(
	    run->lab,
	    "[segue]\nstate_dir = %s\n%s"
	    "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	    "[cluster orders]\npath = /segue/orders\nverify = disable\n%s"
	    "[haproxy local]\ncluster = orders\ntemplate = %s\noutput = %s\nsocket = %s\n"
	    "master_socket = %s\nvar.port = %u\n%s%s",
	    lab_path(run->lab, "state"), segue, lab_zk_hosts(run->zk), cluster, run->template_file,
	    run->output, lab_haproxy_socket(run->haproxy), lab_haproxy_master_socket(run->haproxy),
	    run->port, target, sections);
}

void run_init(struct run *run, const struct run_options *options)
{
	static const char *const names[RUN_BACKENDS] = {"0", "1", "2"};

	run->lab = lab_create("run");
	run->port = lab_port(run->lab);
	for (int i = 0; i < RUN_BACKENDS; i++)
		run->backends[i] = lab_backend_start(run->lab, names[i]);
	run->haproxy = lab_haproxy_create(run->lab, NULL);
	if (!options->no_haproxy)
		lab_haproxy_start(run->haproxy);
	run->zk = options->zk_servers > 0 ? lab_zk_start(run->lab, options->zk_servers)
	                                  : lab_zk_share(run->lab);
	run->template_file = lab_path(run->lab, "orders.cfg.mustache");
	run->output = lab_printf(run->lab, "%s/orders.cfg", lab_haproxy_conf_dir(run->haproxy));
	run->state_file = lab_path(run->lab, "state/orders.json");
	run->faults = faults_create(run->lab);
	run_write_template(run, "");
	run->segue = lab_segue_create(run->lab, make_ini(run, options));
}

void run_fini(struct run *run)
{
	lab_destroy(run->lab);
}

const char *run_json(struct run *run, int backend)
{
	return lab_printf(run->lab,
	                  "{\"version\":1,\"primary\":{\"name\":\"db%d\",\"host\":\"127.0.0.1\","
	                  "\"port\":%u},\"standbys\":[]}",
	                  backend, lab_backend_port(run->backends[backend]));
}

int64_t run_set(struct run *run, const void *data, size_t len)
{
	return lab_zk_set(run->zk, RUN_MASTER, data, len);
}

int64_t run_set_primary(struct run *run, int backend)
{
	const char *json = run_json(run, backend);

	return run_set(run, json, strlen(json));
}

bool run_reaches(const struct run *run, int backend)
{
	char name[LAB_NAME_MAX], wanted[LAB_NAME_MAX] = "";

	if (backend >= 0)
		snprintf(wanted, sizeof(wanted), "%d", backend);
	return strcmp(lab_reach(run->port, name), wanted) == 0;
}

struct wanted {
	struct run *run;
	int backend;
};

static bool reaches(void *arg)
{
	const struct wanted *wanted = arg;

	return run_reaches(wanted->run, wanted->backend);
}

bool run_wait_reaches(struct run *run, int backend)
{
	struct wanted wanted = {run, backend};

	return lab_wait_until(reaches, &wanted, RUN_TIMEOUT_MS);
}

bool run_file_names(struct run *run, int backend)
{
	const char *line = lab_printf(run->lab, "server primary 127.0.0.1:%u\n",
	                              lab_backend_port(run->backends[backend]));

	return strstr(lab_read_file(run->lab, run->output), line) != NULL;
}

static bool file_names(void *arg)
{
	const struct wanted *wanted = arg;

	return run_file_names(wanted->run, wanted->backend);
}

bool run_wait_file_names(struct run *run, int backend)
{
	struct wanted wanted = {run, backend};

	return lab_wait_until(file_names, &wanted, RUN_TIMEOUT_MS);
}

bool run_wait_moved(struct run *run, int64_t zxid)
{
	const char *wanted = lab_printf(run->lab, " zxid=%" PRId64 " ", zxid);

	return lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=moved ", "target=local",
	                          wanted, NULL) != NULL;
}

static bool settled(void *arg)
{
	struct run *run = arg;

	return lab_segue_count_log(run->segue, "event=in_sync ", "target=local", NULL) > 0 ||
	       lab_segue_count_log(run->segue, "event=moved ", "target=local", NULL) > 0;
}

bool run_wait_settled(struct run *run)
{
	return lab_wait_until(settled, run, RUN_TIMEOUT_MS);
}

void run_start_with_faults(struct run *run)
{
	faults_start(run->lab, run->segue, run->faults);
}

void run_fault(struct run *run, const char *name, const char *content)
{
	faults_set(run->lab, run->faults, name, content);
}
