/* segue as the bench runs it: one cluster and one HAProxy target a route, with the smallest
 * template that makes the same text as route_config(). */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/bench.h"

static const char template_text[] = "{{#vars.front}}\n"
                                    "frontend {{cluster}}_front\n"
                                    "\tbind 127.0.0.1:{{vars.front}}\n"
                                    "\tdefault_backend {{cluster}}\n"
                                    "{{/vars.front}}\n"
                                    "backend {{cluster}}\n"
                                    "\tserver primary {{primary.address}}:{{primary.port}}\n";

static void append_route(struct strbuf *ini, struct lab_haproxy *haproxy, const char *template_file,
                         const struct route *route)
{
	size_t parent = strlen(route->path) - strlen("/master");

	strbuf_printf(ini, "[cluster %s]\npath = %.*s\n%s", route->name, (int)parent, route->path,
	              route->settings != NULL ? route->settings : "verify = disable\n");
	strbuf_printf(ini,
	              "[haproxy %s]\ncluster = %s\ntemplate = %s\noutput = %s/%s.cfg\n"
	              "socket = %s\nmaster_socket = %s\n",
	              route->name, route->name, template_file, lab_haproxy_conf_dir(haproxy),
	              route->name, lab_haproxy_socket(haproxy), lab_haproxy_master_socket(haproxy));
	if (route->front != 0)
		strbuf_printf(ini, "var.front = %u\n", route->front);
}

struct lab_segue *bench_segue(struct lab *lab, struct lab_zk *zk, struct lab_haproxy *haproxy,
                              const struct route *routes, size_t count)
{
	const char *state = lab_printf(lab, "%s/state-%s", lab_dir(lab), routes[0].name);
	const char *template_file = lab_path(lab, "bench.mustache");
	auto_strbuf struct strbuf ini = STRBUF_INIT;

	if (mkdir(state, 0755) != 0)
		lab_fail("cannot make %s: %s", state, strerror(errno));
	lab_write_file(template_file, template_text);
	strbuf_printf(&ini, "[segue]\nname = bench\nstate_dir = %s\n[zookeeper]\nhosts = %s\n",
	              state, lab_zk_hosts(zk));
	for (size_t i = 0; i < count; i++)
		append_route(&ini, haproxy, template_file, &routes[i]);
	return lab_segue_create(lab, ini.data);
}
