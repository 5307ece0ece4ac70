/* ZooKeeper servers: one alone or an ensemble of three, each on ports that stay its own over
 * restarts. They do not fsync (forceSync=no): the lab measures segue, not the disk. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/zk_internal.h"

#define WORD_TIMEOUT_MS 250 /* early connections can hang */

static void write_config(struct lab_zk *zk, int i)
{
	struct zk_server *server = &zk->servers[i];
	auto_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text,
	              "tickTime=2000\ndataDir=%s\nclientPort=%u\nclientPortAddress=%s\n"
	              "admin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n"
	              "clientPortListenBacklog=2048\nminSessionTimeout=500\n"
	              "maxSessionTimeout=60000\ninitLimit=10\nsyncLimit=5\n",
	              server->data, server->port, server->address);
	for (int j = 0; j < zk->count && zk->count > 1; j++)
		strbuf_printf(&text, "server.%d=%s:%u:%u\n", j + 1, zk->servers[j].address,
		              zk->servers[j].peer_port, zk->servers[j].election_port);
	lab_write_file(server->config, text.data);
}

static void make_data(struct lab_zk *zk, int i)
{
	struct zk_server *server = &zk->servers[i];

	if (mkdir(server->data, 0755) != 0)
		lab_fail("cannot make %s: %s", server->data, strerror(errno));
	if (zk->count > 1)
		lab_write_file(lab_printf(zk->lab, "%s/myid", server->data),
		               lab_printf(zk->lab, "%d\n", i + 1));
}

static void prepare_server(struct lab_zk *zk, int i, const struct lab_host *host)
{
	struct zk_server *server = &zk->servers[i];

	server->dir = lab_printf(zk->lab, "%s/zk%u", zk->lab->dir, zk->lab->counter++);
	server->data = lab_printf(zk->lab, "%s/data", server->dir);
	server->config = lab_printf(zk->lab, "%s/zoo.cfg", server->dir);
	server->process = process_create(zk->lab, "zookeeper");
	process_place(server->process, host_netns(host));
	server->address = host_address(host);
	server->port = lab_port(zk->lab);
	server->peer_port = lab_port(zk->lab);
	server->election_port = lab_port(zk->lab);
	if (mkdir(server->dir, 0755) != 0)
		lab_fail("cannot make %s: %s", server->dir, strerror(errno));
	make_data(zk, i);
}

void zk_must_own(const struct lab_zk *zk)
{
	if (zk->count == 0)
		lab_fail("this test shares its ZooKeeper server: lab_zk_start() starts one that it "
		         "may stop and ask");
}

static const struct zk_server *server_of(const struct lab_zk *zk, int server)
{
	zk_must_own(zk);
	return &zk->servers[server];
}

void lab_zk_server_start(struct lab_zk *zk, int server)
{
	const char *classes = zk->classes != NULL ? zk->classes : "-Xshare:auto";
	const char *argv[] = {"java",
	                      classes,
	                      "-Xmx64m",
	                      "-XX:+UseSerialGC",
	                      "-XX:TieredStopAtLevel=1",
	                      "-XX:-UsePerfData",
	                      "-Dzookeeper.forceSync=no",
	                      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
	                      "-cp",
	                      "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
	                      "org.apache.zookeeper.server.quorum.QuorumPeerMain",
	                      server_of(zk, server)->config,
	                      NULL};

	process_exec(zk->servers[server].process, argv, false);
}

bool zk_ask(const struct lab_zk *zk, int server, const char *word, struct strbuf *reply)
{
	const struct zk_server *asked = server_of(zk, server);
	auto_close int fd = net_connect_to(asked->address, asked->port, WORD_TIMEOUT_MS);

	return fd >= 0 && net_ask(fd, word, reply);
}

struct server_ref {
	struct lab_zk *zk;
	int server;
};

static bool is_ready(void *arg)
{
	const struct server_ref *ref = arg;
	auto_strbuf struct strbuf reply = STRBUF_INIT;

	return zk_ask(ref->zk, ref->server, "srvr", &reply) && strstr(reply.data, "Mode: ") != NULL;
}

bool lab_zk_wait_ready(struct lab_zk *zk, int server, int64_t timeout_ms)
{
	return lab_wait_until(is_ready, &(struct server_ref){zk, server}, timeout_ms);
}

/* The lab's session would otherwise end by expiry only, in a minute. */
static void end_session(void *memory)
{
	lab_zk_disconnect(memory);
}

struct lab_zk *zk_of(struct lab *lab, const char *hosts)
{
	struct lab_zk *zk = lab_alloc(lab, sizeof(*zk), end_session);

	zk->lab = lab;
	zk->hosts = hosts;
	return zk;
}

struct lab_zk *lab_zk_start(struct lab *lab, int servers)
{
	return lab_zk_start_at(lab, NULL, servers);
}

static struct lab_zk *start_with(struct lab *lab, struct lab_host *const *hosts, int servers,
                                 const char *classes)
{
	struct lab_zk *zk = zk_of(lab, NULL);
	auto_strbuf struct strbuf list = STRBUF_INIT;

	zk->count = servers < ZK_SERVERS_MAX ? servers : ZK_SERVERS_MAX;
	zk->classes = classes;
	for (int i = 0; i < zk->count; i++) {
		prepare_server(zk, i, hosts != NULL ? hosts[i] : NULL);
		strbuf_printf(&list, "%s%s:%u", i > 0 ? "," : "", zk->servers[i].address,
		              zk->servers[i].port);
	}
	zk->hosts = lab_printf(lab, "%s", list.data);
	for (int i = 0; i < zk->count; i++) {
		write_config(zk, i);
		lab_zk_server_start(zk, i);
	}
	for (int i = 0; i < zk->count; i++)
		process_wait_ready(zk->servers[i].process, is_ready, &(struct server_ref){zk, i},
		                   "does not say its mode");
	return zk;
}

/* Java writes it as it ends. */
static bool archive_classes(void *arg, const char *path)
{
	struct lab *lab = arg;
	struct lab_zk *zk =
	    start_with(lab, NULL, 1, lab_printf(lab, "-XX:ArchiveClassesAtExit=%s", path));

	lab_process_stop(lab_zk_process(zk, 0));
	return access(path, R_OK) == 0;
}

/* Half of what a server costs is the loading of its classes. */
struct lab_zk *lab_zk_start_at(struct lab *lab, struct lab_host *const *hosts, int servers)
{
	const char *archive = once_made(lab, "zookeeper.jsa", archive_classes, lab);

	return start_with(lab, hosts, servers,
	                  archive != NULL ? lab_printf(lab, "-XX:SharedArchiveFile=%s", archive)
	                                  : NULL);
}

const char *lab_zk_hosts(const struct lab_zk *zk)
{
	return zk->hosts;
}

uint16_t lab_zk_port(const struct lab_zk *zk, int server)
{
	return server_of(zk, server)->port;
}

struct lab_process *lab_zk_process(struct lab_zk *zk, int server)
{
	return server_of(zk, server)->process;
}

int lab_zk_leader(struct lab_zk *zk)
{
	zk_must_own(zk);
	for (int i = 0; i < zk->count; i++) {
		auto_strbuf struct strbuf reply = STRBUF_INIT;

		if (zk_ask(zk, i, "srvr", &reply) &&
		    (strstr(reply.data, "Mode: leader") != NULL ||
		     strstr(reply.data, "Mode: standalone") != NULL))
			return i;
	}
	return -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void lab_zk_wipe(struct lab_zk *zk, int server)
{
	const struct zk_server *wiped = server_of(zk, server);

	if (lab_process_alive(wiped->process))
		lab_fail("wiping the data of a ZooKeeper server that runs");
	if (nftw(wiped->data, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		lab_fail("cannot remove %s: %s", wiped->data, strerror(errno));
	make_data(zk, server);
}
