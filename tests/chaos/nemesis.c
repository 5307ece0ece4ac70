/* The nemesis: rounds of one fault of the databases and up to two of anything else, each with its
 * heal. All that it chooses comes from the seed, not from what happened. */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define MASTER    "/segue/orders/master"
#define READY_MS  60000
#define EXTRA_MAX 2

/* One fault of a round. */
struct fault {
	struct chaos *chaos;
	const struct fault_kind *kind;
	int node;      /* of the databases: the primary when the round began, or a standby */
	unsigned dice; /* for whatever it has to choose */
	bool skipped;
};

struct fault_kind {
	const char *name;
	void (*start)(struct fault *fault);
	void (*heal)(struct fault *fault);
	bool loses_primary; /* clients of both proxies may get errors until they are held */
	bool on_standby;    /* `node` is one */
	bool promotes;      /* always */
	bool stays;         /* nobody is promoted meanwhile */
};

/* ---- the network ---- */

static void join(struct lab_host *a, struct lab_host *b, bool joined)
{
	if (a == b)
		return;
	if (joined) {
		lab_host_pass(a, b);
		lab_host_pass(b, a);
	} else {
		lab_host_drop(a, b);
		lab_host_drop(b, a);
	}
}

static void join_stores(struct chaos *chaos, struct lab_host *host, bool joined)
{
	for (int i = 0; i < STORES; i++)
		join(host, chaos->store_hosts[i], joined);
}

static void join_proxies(struct chaos *chaos, struct lab_host *host, bool joined)
{
	for (int i = 0; i < PROXIES; i++)
		join(host, chaos->sidecars[i].host, joined);
}

static void join_nodes(struct chaos *chaos, struct lab_host *host, bool joined)
{
	for (int i = 0; i < NODES; i++)
		join(host, chaos->nodes[i].host, joined);
}

static struct lab_host *host_of(const struct fault *fault)
{
	return fault->chaos->nodes[fault->node].host;
}

static void cut_from_all(struct fault *fault)
{
	join_stores(fault->chaos, host_of(fault), false);
	join_proxies(fault->chaos, host_of(fault), false);
	join_nodes(fault->chaos, host_of(fault), false);
}

static void join_with_all(struct fault *fault)
{
	join_stores(fault->chaos, host_of(fault), true);
	join_proxies(fault->chaos, host_of(fault), true);
	join_nodes(fault->chaos, host_of(fault), true);
}

static void cut_from_proxies(struct fault *fault)
{
	join_proxies(fault->chaos, host_of(fault), false);
}

static void join_with_proxies(struct fault *fault)
{
	join_proxies(fault->chaos, host_of(fault), true);
}

/* Requests still come, answers do not. */
static void cut_one_way(struct fault *fault)
{
	for (int i = 0; i < PROXIES; i++)
		lab_host_drop(host_of(fault), fault->chaos->sidecars[i].host);
}

static void cut_from_one_proxy(struct fault *fault)
{
	join(host_of(fault), fault->chaos->sidecars[fault->dice % PROXIES].host, false);
}

static void cut_from_store(struct fault *fault)
{
	join_stores(fault->chaos, host_of(fault), false);
}

static void join_with_store(struct fault *fault)
{
	join_stores(fault->chaos, host_of(fault), true);
}

static void cut_from_nodes(struct fault *fault)
{
	join_nodes(fault->chaos, host_of(fault), false);
}

static void join_with_nodes(struct fault *fault)
{
	join_nodes(fault->chaos, host_of(fault), true);
}

static void pull_cable(struct fault *fault)
{
	lab_host_link(host_of(fault), false);
}

static void put_cable(struct fault *fault)
{
	lab_host_link(host_of(fault), true);
}

/* ---- PostgreSQL ---- */

static void kill_postgres(struct fault *fault)
{
	manager_stop(fault->chaos, fault->node, SIGKILL);
}

static void smart_shutdown(struct fault *fault)
{
	manager_stop(fault->chaos, fault->node, SIGTERM);
}

static void fast_shutdown(struct fault *fault)
{
	manager_stop(fault->chaos, fault->node, SIGINT);
}

static void immediate_shutdown(struct fault *fault)
{
	manager_stop(fault->chaos, fault->node, SIGQUIT);
}

static void start_postgres(struct fault *fault)
{
	manager_start(fault->chaos, fault->node);
}

static void freeze_postgres(struct fault *fault)
{
	fault->chaos->nodes[fault->node].frozen = true;
	lab_process_freeze(lab_pg_process(fault->chaos->pg, fault->node));
}

static void thaw_postgres(struct fault *fault)
{
	lab_process_thaw(lab_pg_process(fault->chaos->pg, fault->node));
	fault->chaos->nodes[fault->node].frozen = false;
}

static struct lab_process *publisher(struct chaos *chaos, unsigned i)
{
	return lab_segue_process(chaos->nodes[i % NODES].publisher);
}

static void start_publisher(struct chaos *chaos, unsigned i)
{
	if (lab_process_alive(publisher(chaos, i)))
		return;
	if (chaos->null_from_us != 0)
		chaos->null_from_us = clock_now_us();
	lab_segue_publish(chaos->nodes[i % NODES].publisher);
}

static void freeze_machine(struct fault *fault)
{
	freeze_postgres(fault);
	lab_process_freeze(publisher(fault->chaos, (unsigned)fault->node));
}

static void thaw_machine(struct fault *fault)
{
	thaw_postgres(fault);
	lab_process_thaw(publisher(fault->chaos, (unsigned)fault->node));
}

static void kill_machine(struct fault *fault)
{
	kill_postgres(fault);
	lab_process_kill(publisher(fault->chaos, (unsigned)fault->node));
}

static void start_machine(struct fault *fault)
{
	start_postgres(fault);
	start_publisher(fault->chaos, (unsigned)fault->node);
}

/* The primary ends in good order, and has sent all that it had. */
static void switch_over(struct fault *fault)
{
	manager_stop(fault->chaos, fault->node, SIGINT);
	if (!lab_process_wait(lab_pg_process(fault->chaos->pg, fault->node), READY_MS))
		lab_fail("the primary does not end");
}

static void do_nothing(struct fault *fault)
{
	(void)fault;
}

/* Of both proxies, until they are held or led to another server than `node`. */
static void lose(struct chaos *chaos, int node, const char *why)
{
	for (enum proxy proxy = 0; proxy < PROXIES; proxy++) {
		window_open(chaos, proxy, true, why);
		chaos->windows[chaos->window_count - 1].node = node;
	}
}

static void promote_by_mistake(struct fault *fault)
{
	int standby = manager_standby(fault->chaos);

	fault->skipped = standby < 0 || !manager_promote(fault->chaos, standby, true);
	fault->node = standby;
}

/* As a person does after a mistake. */
static void name_primary(struct chaos *chaos)
{
	auto_strbuf struct strbuf output = STRBUF_INIT;
	const char *argv[] = {lab_segue_binary(chaos->lab),
	                      "set-primary",
	                      "-c",
	                      lab_segue_ini_file(chaos->sidecars[PROXY_HAPROXY].segue),
	                      "orders",
	                      lab_printf(chaos->lab, "%s:%u",
	                                 lab_host_address(chaos->nodes[chaos->primary].host),
	                                 lab_pg_port(chaos->pg, chaos->primary)),
	                      NULL};

	if (lab_run(chaos->lab, argv, &output) != 0)
		chaos_say(chaos, "segue set-primary failed: %s", output.data);
}

static void undo_mistake(struct fault *fault)
{
	if (fault->skipped)
		return;
	lose(fault->chaos, fault->node, "the mistake is undone");
	manager_undo(fault->chaos, fault->node);
	name_primary(fault->chaos);
}

/* ---- segue ---- */

static void kill_publisher(struct fault *fault)
{
	lab_process_kill(publisher(fault->chaos, fault->dice));
}

static void restart_publisher(struct fault *fault)
{
	start_publisher(fault->chaos, fault->dice);
}

static void freeze_publisher(struct fault *fault)
{
	lab_process_freeze(publisher(fault->chaos, fault->dice));
}

static void thaw_publisher(struct fault *fault)
{
	lab_process_thaw(publisher(fault->chaos, fault->dice));
}

static void kill_publishers(struct fault *fault)
{
	for (unsigned i = 0; i < NODES; i++)
		lab_process_kill(publisher(fault->chaos, i));
}

static void restart_publishers(struct fault *fault)
{
	for (unsigned i = 0; i < NODES; i++)
		start_publisher(fault->chaos, i);
}

/* Its clock of the day is an hour fast or slow from its next start on; the one that only runs is
 * right, as it is on a machine. libfaketime answers in the place of the C library. */
static void set_clock(struct fault *fault)
{
	unsigned i = fault->dice;

	lab_process_kill(publisher(fault->chaos, i));
	setenv("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1", 1); /* $LIB: see ld.so(8) */
	setenv("FAKETIME", i / NODES % 2 == 0 ? "+3600" : "-3600", 1);
	setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
	setenv("DONT_FAKE_MONOTONIC", "1", 1);
	start_publisher(fault->chaos, i);
	unsetenv("LD_PRELOAD");
}

static void put_clock_right(struct fault *fault)
{
	lab_process_kill(publisher(fault->chaos, fault->dice));
	start_publisher(fault->chaos, fault->dice);
}

static struct sidecar *sidecar_of(struct fault *fault)
{
	return &fault->chaos->sidecars[fault->dice % PROXIES];
}

static struct lab_process *sidecar_process(struct fault *fault)
{
	return lab_segue_process(sidecar_of(fault)->segue);
}

static void restart_sidecar(struct fault *fault)
{
	if (!lab_process_alive(sidecar_process(fault)))
		lab_segue_start(sidecar_of(fault)->segue);
}

/* As systemd does, or somewhat later. */
static void kill_sidecar(struct fault *fault)
{
	lab_process_kill(sidecar_process(fault));
	if (fault->dice / PROXIES % 2 == 0)
		restart_sidecar(fault);
}

static void freeze_sidecar(struct fault *fault)
{
	lab_process_freeze(sidecar_process(fault));
}

static void thaw_sidecar(struct fault *fault)
{
	lab_process_thaw(sidecar_process(fault));
}

static void reload_sidecar(struct fault *fault)
{
	lab_process_signal(sidecar_process(fault), SIGHUP);
}

static const char *filler(struct fault *fault)
{
	return lab_printf(fault->chaos->lab, "%s/filler", sidecar_of(fault)->state_dir);
}

static void fill_state_dir(struct fault *fault)
{
	static const char block[4096];
	auto_close int fd = open(filler(fault), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
		;
}

static void empty_state_dir(struct fault *fault)
{
	unlink(filler(fault));
}

/* Nothing can be made, renamed or removed in it: what a read-only file system does to who replaces
 * files, also where one is open. */
static void set_immutable(struct fault *fault, bool immutable)
{
	auto_close int fd = open(sidecar_of(fault)->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags = 0;

	fault->skipped = fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0;
	flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	if (!fault->skipped && ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0)
		fault->skipped = true;
}

static void lock_state_dir(struct fault *fault)
{
	set_immutable(fault, true);
}

static void unlock_state_dir(struct fault *fault)
{
	set_immutable(fault, false);
}

/* ---- the store ---- */

static struct lab_process *store(struct fault *fault, unsigned i)
{
	return lab_zk_process(fault->chaos->zk, (int)(i % STORES));
}

static void start_store(struct fault *fault, unsigned i)
{
	if (!lab_process_alive(store(fault, i)))
		lab_zk_server_start(fault->chaos->zk, (int)(i % STORES));
}

static void kill_store(struct fault *fault)
{
	lab_process_kill(store(fault, fault->dice));
}

static void restart_store(struct fault *fault)
{
	start_store(fault, fault->dice);
}

static void freeze_store(struct fault *fault)
{
	lab_process_freeze(store(fault, fault->dice));
}

static void thaw_store(struct fault *fault)
{
	lab_process_thaw(store(fault, fault->dice));
}

static void kill_majority(struct fault *fault)
{
	lab_process_kill(store(fault, fault->dice));
	lab_process_kill(store(fault, fault->dice + 1));
}

static void restart_majority(struct fault *fault)
{
	start_store(fault, fault->dice);
	start_store(fault, fault->dice + 1);
}

static void kill_stores(struct fault *fault)
{
	for (unsigned i = 0; i < STORES; i++)
		lab_process_kill(store(fault, i));
}

static void restart_stores(struct fault *fault)
{
	for (unsigned i = 0; i < STORES; i++)
		start_store(fault, i);
}

static void join_store_server(struct fault *fault, bool joined)
{
	struct lab_host *host = fault->chaos->store_hosts[fault->dice % STORES];

	join_stores(fault->chaos, host, joined);
	join_proxies(fault->chaos, host, joined);
	join_nodes(fault->chaos, host, joined);
}

static void cut_store_server(struct fault *fault)
{
	join_store_server(fault, false);
}

static void rejoin_store_server(struct fault *fault)
{
	join_store_server(fault, true);
}

static void cut_sidecar_from_store(struct fault *fault)
{
	join_stores(fault->chaos, sidecar_of(fault)->host, false);
}

static void join_sidecar_with_store(struct fault *fault)
{
	join_stores(fault->chaos, sidecar_of(fault)->host, true);
}

/* By hand; skipped where no server leads, as it could take for ever. */
static void write_master(struct fault *fault, const char *text)
{
	fault->skipped = lab_zk_leader(fault->chaos->zk) < 0;
	if (!fault->skipped)
		lab_zk_set(fault->chaos->zk, MASTER, text, strlen(text));
}

static void write_garbage(struct fault *fault)
{
	static const char *const texts[] = {"", "{\"version\":1,\"primary\":{\"name\":\"db1",
	                                    "\x01\xff not JSON", "[]", "{\"version\":99}"};

	write_master(fault, texts[fault->dice % ARRAY_LEN(texts)]);
}

static void write_null(struct fault *fault)
{
	fault->chaos->null_from_us = clock_now_us();
	write_master(fault, "{\"version\":1,\"primary\":null,\"standbys\":[]}");
}

/* What was true once, or never: another server. */
static void write_other(struct fault *fault)
{
	struct chaos *chaos = fault->chaos;
	int node = (chaos->primary + 1 + (int)(fault->dice % (NODES - 1))) % NODES;

	write_master(fault,
	             lab_printf(chaos->lab,
	                        "{\"version\":1,\"primary\":{\"name\":\"%s\",\"host\":\"%s\","
	                        "\"port\":%u},\"standbys\":[]}",
	                        lab_host_name(chaos->nodes[node].host),
	                        lab_host_address(chaos->nodes[node].host),
	                        lab_pg_port(chaos->pg, node)));
}

static void delete_master(struct fault *fault)
{
	fault->skipped = lab_zk_leader(fault->chaos->zk) < 0;
	if (!fault->skipped)
		lab_zk_delete(fault->chaos->zk, MASTER);
}

/* ---- the proxies ---- */

static void kill_haproxy(struct fault *fault)
{
	window_open(fault->chaos, PROXY_HAPROXY, false, "HAProxy was killed");
	lab_process_kill(lab_haproxy_process(fault->chaos->haproxy));
}

static void start_haproxy(struct fault *fault)
{
	if (!lab_process_alive(lab_haproxy_process(fault->chaos->haproxy)))
		lab_haproxy_start(fault->chaos->haproxy);
}

static void freeze_haproxy(struct fault *fault)
{
	lab_process_freeze(lab_haproxy_process(fault->chaos->haproxy));
}

static void thaw_haproxy(struct fault *fault)
{
	lab_process_thaw(lab_haproxy_process(fault->chaos->haproxy));
}

static void reload_haproxy(struct fault *fault)
{
	fault->skipped = !lab_haproxy_reload(fault->chaos->haproxy);
}

/* A person, with socat: to a server that is not the primary. */
static void point_haproxy(struct fault *fault)
{
	struct chaos *chaos = fault->chaos;
	int node = (chaos->primary + 1 + (int)(fault->dice % (NODES - 1))) % NODES;
	auto_strbuf struct strbuf reply = STRBUF_INIT;

	window_open(chaos, PROXY_HAPROXY, false, "HAProxy was pointed elsewhere by hand");
	fault->skipped = !lab_haproxy_command(
	    chaos->haproxy,
	    lab_printf(chaos->lab, "set server orders_rw/primary addr %s port %u",
	               lab_host_address(chaos->nodes[node].host), lab_pg_port(chaos->pg, node)),
	    &reply);
}

static void kill_bouncer(struct fault *fault)
{
	window_open(fault->chaos, PROXY_PGBOUNCER, false, "PgBouncer was killed");
	lab_process_kill(lab_pgbouncer_process(fault->chaos->bouncer));
}

static void start_bouncer(struct fault *fault)
{
	if (!lab_process_alive(lab_pgbouncer_process(fault->chaos->bouncer)))
		lab_pgbouncer_start(fault->chaos->bouncer);
}

static void freeze_bouncer(struct fault *fault)
{
	lab_process_freeze(lab_pgbouncer_process(fault->chaos->bouncer));
}

static void thaw_bouncer(struct fault *fault)
{
	lab_process_thaw(lab_pgbouncer_process(fault->chaos->bouncer));
}

static void reload_bouncer(struct fault *fault)
{
	lab_process_signal(lab_pgbouncer_process(fault->chaos->bouncer), SIGHUP);
}

static void empty_bouncer(struct fault *fault)
{
	window_open(fault->chaos, PROXY_PGBOUNCER, false, "PgBouncer's file was emptied");
	lab_write_file(fault->chaos->sidecars[PROXY_PGBOUNCER].output, "[databases]\n");
	reload_bouncer(fault);
}

/* ---- all of them ---- */

static const struct fault_kind mains[] = {
    {.name = "primary-killed", kill_postgres, start_postgres, .loses_primary = true},
    {.name = "primary-frozen", freeze_postgres, thaw_postgres, .loses_primary = true},
    {.name = "primary-smart-shutdown", smart_shutdown, start_postgres, .loses_primary = true},
    {.name = "primary-fast-shutdown", fast_shutdown, start_postgres, .loses_primary = true},
    {.name = "primary-immediate-shutdown",
     immediate_shutdown,
     start_postgres,
     .loses_primary = true},
    {.name = "primary-cut-from-all", cut_from_all, join_with_all, .loses_primary = true},
    {.name = "primary-cable-pulled", pull_cable, put_cable, .loses_primary = true},
    {.name = "primary-cut-from-proxies",
     cut_from_proxies,
     join_with_proxies,
     .loses_primary = true},
    {.name = "primary-cut-one-way", cut_one_way, join_with_proxies, .loses_primary = true},
    {.name = "primary-cut-from-one-proxy",
     cut_from_one_proxy,
     join_with_proxies,
     .loses_primary = true},
    {.name = "primary-cut-from-store", cut_from_store, join_with_store},
    {.name = "primary-cut-from-standbys", cut_from_nodes, join_with_nodes},
    {.name = "primary-machine-frozen", freeze_machine, thaw_machine, .loses_primary = true},
    {.name = "primary-machine-killed", kill_machine, start_machine, .loses_primary = true},
    {.name = "split-brain", do_nothing, do_nothing, .promotes = true},
    {.name = "switchover", switch_over, start_postgres, .loses_primary = true, .promotes = true},
    {.name = "mistaken-promotion",
     promote_by_mistake,
     undo_mistake,
     .loses_primary = true,
     .stays = true},
    {.name = "standby-killed", kill_postgres, start_postgres, .on_standby = true, .stays = true},
    {.name = "standby-frozen", freeze_postgres, thaw_postgres, .on_standby = true, .stays = true},
    {.name = "standby-cut-from-all",
     cut_from_all,
     join_with_all,
     .on_standby = true,
     .stays = true},
    {.name = "nothing", do_nothing, do_nothing, .stays = true},
};

static const struct fault_kind extras[] = {
    {.name = "publisher-killed", kill_publisher, restart_publisher},
    {.name = "publisher-frozen", freeze_publisher, thaw_publisher},
    {.name = "publisher-clock-wrong", set_clock, put_clock_right},
    {.name = "publishers-killed", kill_publishers, restart_publishers},
    {.name = "sidecar-killed", kill_sidecar, restart_sidecar},
    {.name = "sidecar-frozen", freeze_sidecar, thaw_sidecar},
    {.name = "sidecar-reloaded", reload_sidecar, do_nothing},
    {.name = "state-dir-full", fill_state_dir, empty_state_dir},
    {.name = "state-dir-read-only", lock_state_dir, unlock_state_dir},
    {.name = "zookeeper-killed", kill_store, restart_store},
    {.name = "zookeeper-frozen", freeze_store, thaw_store},
    {.name = "zookeeper-cut-off", cut_store_server, rejoin_store_server},
    {.name = "zookeeper-majority-killed", kill_majority, restart_majority},
    {.name = "zookeeper-restarted", kill_stores, restart_stores},
    {.name = "sidecar-cut-from-store", cut_sidecar_from_store, join_sidecar_with_store},
    {.name = "master-garbage", write_garbage, do_nothing},
    {.name = "master-null", write_null, do_nothing},
    {.name = "master-names-another", write_other, do_nothing},
    {.name = "master-deleted", delete_master, do_nothing},
    {.name = "haproxy-killed", kill_haproxy, start_haproxy},
    {.name = "haproxy-frozen", freeze_haproxy, thaw_haproxy},
    {.name = "haproxy-reloaded", reload_haproxy, do_nothing},
    {.name = "haproxy-pointed-elsewhere", point_haproxy, do_nothing},
    {.name = "pgbouncer-killed", kill_bouncer, start_bouncer},
    {.name = "pgbouncer-frozen", freeze_bouncer, thaw_bouncer},
    {.name = "pgbouncer-reloaded", reload_bouncer, do_nothing},
    {.name = "pgbouncer-file-emptied", empty_bouncer, do_nothing},
};

void nemesis_list(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mains); i++)
		fprintf(stderr, "  %s\n", mains[i].name);
	for (size_t i = 0; i < ARRAY_LEN(extras); i++)
		fprintf(stderr, "  %s\n", extras[i].name);
}

/* ---- a round ---- */

static bool is_wanted(const struct fault_kind *kind)
{
	const char *names = getenv("CHAOS_FAULTS");
	size_t len = strlen(kind->name);

	if (names == NULL || *names == '\0')
		return true;
	for (const char *at = names; (at = strstr(at, kind->name)) != NULL; at += len)
		if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

/* One of those that are wanted; NULL: none is. */
static const struct fault_kind *choose(struct chaos *chaos, const struct fault_kind *kinds,
                                       size_t count)
{
	unsigned wanted = 0, chosen;

	for (size_t i = 0; i < count; i++)
		wanted += is_wanted(&kinds[i]);
	chosen = chaos_pick(chaos, wanted > 0 ? wanted : 1);
	for (size_t i = 0; i < count; i++)
		if (is_wanted(&kinds[i]) && chosen-- == 0)
			return &kinds[i];
	return NULL;
}

struct round {
	struct fault faults[1 + EXTRA_MAX]; /* the main one first; its kind may be NULL */
	unsigned extra_count;
	unsigned order;                  /* how many extras come before the main fault */
	unsigned gaps_ms[1 + EXTRA_MAX]; /* after each fault */
	unsigned failover_ms, dwell_ms;  /* after the faults */
	bool failover;
	unsigned heal_first; /* which fault is healed first */
};

static void draw(struct chaos *chaos, struct round *round)
{
	struct fault *faults = round->faults;

	*round = (struct round){.extra_count = chaos_pick(chaos, EXTRA_MAX + 1)};
	faults[0].kind = choose(chaos, mains, ARRAY_LEN(mains));
	for (unsigned i = 1; i <= EXTRA_MAX; i++)
		faults[i].kind = choose(chaos, extras, ARRAY_LEN(extras));
	if (faults[1].kind == NULL)
		round->extra_count = 0;
	else if (round->extra_count == 0 &&
	         (faults[0].kind == NULL || strcmp(faults[0].kind->name, "nothing") == 0))
		round->extra_count = 1;
	if (round->extra_count == 2 && faults[1].kind == faults[2].kind)
		round->extra_count = 1;
	round->order = chaos_pick(chaos, round->extra_count + 1);
	for (unsigned i = 0; i <= EXTRA_MAX; i++) {
		faults[i].chaos = chaos;
		faults[i].dice = chaos_pick(chaos, 1U << 16);
		round->gaps_ms[i] =
		    chaos_pick(chaos, 2) == 0 ? chaos_pick(chaos, 100) : chaos_pick(chaos, 3000);
	}
	round->failover = chaos_pick(chaos, 3) > 0;
	round->failover_ms = chaos_pick(chaos, 4000);
	round->dwell_ms = 200 + chaos_pick(chaos, 6000);
	round->heal_first = chaos_pick(chaos, round->extra_count + 1);
}

static void start_fault(struct fault *fault)
{
	struct chaos *chaos = fault->chaos;

	if (fault->kind == NULL)
		return;
	chaos->faults++;
	fault->node = chaos->primary;
	if (fault->kind->on_standby)
		fault->node = (chaos->primary + 1 + (int)(fault->dice % (NODES - 1))) % NODES;
	if (fault->kind->loses_primary)
		lose(chaos, chaos->primary, fault->kind->name);
	fault->kind->start(fault);
	chaos_say(chaos, "fault: %s (%s, dice %u)%s", fault->kind->name,
	          lab_host_name(chaos->nodes[fault->node].host), fault->dice,
	          fault->skipped ? ", skipped" : "");
}

static void fail_over(struct chaos *chaos, const struct round *round)
{
	const struct fault_kind *kind = round->faults[0].kind;
	int standby;

	if (kind == NULL || kind->stays || !(round->failover || kind->promotes))
		return;
	chaos_nap(chaos, round->failover_ms);
	standby = manager_standby(chaos);
	if (standby < 0)
		return;
	if (!kind->loses_primary)
		lose(chaos, chaos->primary, "a second server was promoted");
	if (manager_promote(chaos, standby, false))
		chaos_say(chaos, "promoted: %s, timeline %d",
		          lab_host_name(chaos->nodes[standby].host), chaos->timeline);
	else
		chaos_say(chaos, "%s is not promoted", lab_host_name(chaos->nodes[standby].host));
}

static void heal_fault(struct fault *fault)
{
	if (fault->kind == NULL)
		return;
	fault->kind->heal(fault);
	chaos_say(fault->chaos, "heal: %s", fault->kind->name);
}

/* A segue that ended by itself is a violation, and runs again, so that the rounds go on. */
static void start_what_ended(struct chaos *chaos)
{
	for (unsigned i = 0; i < NODES + PROXIES; i++) {
		bool sidecar = i >= NODES;
		struct lab_segue *segue =
		    sidecar ? chaos->sidecars[i - NODES].segue : chaos->nodes[i].publisher;
		struct lab_process *process = lab_segue_process(segue);

		if (lab_process_alive(process))
			continue;
		chaos_violation(
		    chaos, "the %s of %s has ended by itself, with %d; its log ends: %s",
		    sidecar ? "sidecar" : "publisher",
		    lab_host_name(sidecar ? chaos->sidecars[i - NODES].host : chaos->nodes[i].host),
		    lab_process_exit_code(process), lab_process_log_tail(process));
		if (sidecar)
			lab_segue_start(segue);
		else
			lab_segue_publish(segue);
	}
}

/* Until the servers themselves are there again: from then on segue is measured. */
static void await_servers(struct chaos *chaos)
{
	if (!lab_wait_takes_writes(node_conninfo(chaos, chaos->primary), READY_MS))
		lab_fail("the primary does not take writes after the heal");
	for (int i = 0; i < STORES; i++)
		if (!lab_zk_wait_ready(chaos->zk, i, READY_MS))
			lab_fail("ZooKeeper server %d does not come back", i);
	start_what_ended(chaos);
}

static void run_faults(struct chaos *chaos, struct round *round)
{
	unsigned extra = 1;

	for (unsigned i = 0; i <= round->extra_count; i++) {
		start_fault(&round->faults[i == round->order ? 0 : extra++]);
		if (i < round->extra_count)
			chaos_nap(chaos, round->gaps_ms[i]);
	}
	fail_over(chaos, round);
	chaos_nap(chaos, round->dwell_ms);
}

/* For how long publishers will respect a person's null yet. */
static int64_t null_left_ms(const struct chaos *chaos, int64_t now_us)
{
	int64_t left_ms = NULL_HOLD_MS - (now_us - chaos->null_from_us) / 1000;

	return chaos->null_from_us != 0 && left_ms > 0 ? left_ms : 0;
}

void nemesis_round(struct chaos *chaos)
{
	struct round round;
	size_t promotions = chaos->promotion_count;
	int64_t healed_us, allowance_ms;

	draw(chaos, &round);
	chaos->null_from_us = 0;
	chaos->rounds++;
	chaos->told = 0;
	chaos_say(chaos, "round %u", chaos->rounds);
	run_faults(chaos, &round);
	for (unsigned i = 0; i <= round.extra_count; i++)
		heal_fault(&round.faults[(round.heal_first + i) % (round.extra_count + 1)]);
	await_servers(chaos);
	healed_us = clock_now_us();
	allowance_ms = (chaos->promotion_count > promotions ? PAUSE_TIMEOUT_MS : 0) +
	               null_left_ms(chaos, healed_us);
	judge_heal(chaos, healed_us, allowance_ms);
	windows_close_all(chaos);
	manager_settle(chaos);
	chaos_say(chaos, "settled");
	judge_rest(chaos);
	judge_round(chaos);
}
