/* Hosts: a network namespace each, joined to the lab's process, which is the router between them.
 * The namespaces have no names, only descriptors of this process: they end with it, however it
 * ends. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lab/internal.h"

#define HOSTS_MAX 200

struct lab_host {
	struct lab *lab;
	const char *name, *address, *link; /* link: the router's end of its cable */
	int netns;
	unsigned number;
	bool drops[HOSTS_MAX + 1]; /* what goes to the host of that number */
};

static void run(struct lab *lab, int netns, const char *const *argv)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;

	if (process_run_at(lab, netns, argv, false, &output) == 0)
		return;
	for (int i = 0; argv[i] != NULL; i++)
		fprintf(stderr, "%s ", argv[i]);
	lab_fail("failed: %s", output.data);
}

/* The program ip, by words. */
#define IP(lab, netns, ...) run(lab, netns, (const char *const[]){"ip", __VA_ARGS__, NULL})

void lab_net_start(struct lab *lab)
{
	if (geteuid() != 0)
		lab_fail("network namespaces can be made by root only");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
		lab_fail("cannot make a network namespace: %s", strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		lab_fail("cannot make the mounts private: %s", strerror(errno));
	IP(lab, -1, "link", "set", "lo", "up");
	lab_write_file("/proc/sys/net/ipv4/ip_forward", "1");
}

/* A new namespace, by its descriptor; this process stays where it is. */
static int make_netns(void)
{
	auto_close int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int made;

	if (here < 0 || unshare(CLONE_NEWNET) != 0)
		lab_fail("cannot make a network namespace: %s", strerror(errno));
	made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (made < 0 || setns(here, CLONE_NEWNET) != 0)
		lab_fail("cannot return to the network namespace of the lab: %s", strerror(errno));
	return made;
}

static void close_netns(void *memory)
{
	close(((struct lab_host *)memory)->netns);
}

static void lay_cable(struct lab_host *host, const char *gateway)
{
	struct lab *lab = host->lab;
	const char *netns = lab_printf(lab, "/proc/%d/fd/%d", (int)getpid(), host->netns);

	IP(lab, -1, "link", "add", host->link, "type", "veth", "peer", "name", "eth0", "netns",
	   netns);
	IP(lab, -1, "address", "add", lab_printf(lab, "%s/24", gateway), "dev", host->link);
	IP(lab, -1, "link", "set", host->link, "up");
	IP(lab, host->netns, "link", "set", "lo", "up");
	IP(lab, host->netns, "address", "add", lab_printf(lab, "%s/24", host->address), "dev",
	   "eth0");
	IP(lab, host->netns, "link", "set", "eth0", "up");
	IP(lab, host->netns, "route", "add", "default", "via", gateway);
}

struct lab_host *lab_host_create(struct lab *lab, const char *name)
{
	struct lab_host *host = lab_alloc(lab, sizeof(*host), close_netns);
	unsigned number = ++lab->hosts;

	if (number > HOSTS_MAX)
		lab_fail("more than %d hosts", HOSTS_MAX);
	host->lab = lab;
	host->number = number;
	host->name = lab_printf(lab, "%s", name);
	host->link = lab_printf(lab, "host%u", number);
	host->address = lab_printf(lab, "10.213.%u.2", number);
	host->netns = make_netns();
	lay_cable(host, lab_printf(lab, "10.213.%u.1", number));
	return host;
}

const char *lab_host_name(const struct lab_host *host)
{
	return host->name;
}

const char *lab_host_address(const struct lab_host *host)
{
	return host->address;
}

int host_netns(const struct lab_host *host)
{
	return host != NULL ? host->netns : -1;
}

const char *host_address(const struct lab_host *host)
{
	return host != NULL ? host->address : "127.0.0.1";
}

void lab_process_place(struct lab_process *process, struct lab_host *host)
{
	process_place(process, host->netns);
}

static void set_rule(const struct lab_host *from, const struct lab_host *to, const char *verb)
{
	IP(from->lab, -1, "rule", verb, "from", from->address, "to", to->address, "blackhole");
}

void lab_host_drop(struct lab_host *from, struct lab_host *to)
{
	if (!from->drops[to->number])
		set_rule(from, to, "add");
	from->drops[to->number] = true;
}

void lab_host_pass(struct lab_host *from, struct lab_host *to)
{
	if (from->drops[to->number])
		set_rule(from, to, "del");
	from->drops[to->number] = false;
}

void lab_host_link(struct lab_host *host, bool up)
{
	IP(host->lab, -1, "link", "set", host->link, up ? "up" : "down");
}

/* From inside, so that the router keeps its route; and it asks for no hardware address, whose lack
 * it would know of after 3 s. */
void lab_host_cut(struct lab_host *host, bool cut)
{
	struct lab *lab = host->lab;
	const char *gateway =
	    lab_printf(lab, "%.*s.1", (int)(strlen(host->address) - 2), host->address);

	if (cut) {
		IP(lab, -1, "neighbour", "replace", host->address, "lladdr", "02:00:00:00:00:01",
		   "nud", "permanent", "dev", host->link);
		IP(lab, host->netns, "link", "set", "eth0", "down");
		return;
	}
	IP(lab, host->netns, "link", "set", "eth0", "up");
	IP(lab, host->netns, "route", "add", "default", "via", gateway);
	IP(lab, -1, "neighbour", "del", host->address, "dev", host->link);
}
