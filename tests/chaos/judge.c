/* The judge: looks at the proxies after each heal, at the clients' books after each round, and at
 * the rows in the end. */
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/chaos.h"

#define RIGHT_MS    2000     /* after a heal, beside what the fault allows */
#define PATIENCE_MS 60000    /* then the run is over */
#define SERVED_MS   20000    /* for every client, after a heal */
#define LATE_US     30000000 /* an error that comes later than this after its window is none of it */
#define LOGIN_US    1000000  /* for the first login after RESUME */
#define EDGE_BYTES  65536    /* commit records that a promotion may have missed, after their row */
#define GROWTH_KB   12288
#define GROWTH_FDS  24

/* ---- after a heal ---- */

struct heal {
	struct chaos *chaos;
	int64_t at_us;
	const char *wrong; /* NULL: all is right */
};

static const char *primary_endpoint(struct chaos *chaos)
{
	static char endpoint[64];

	snprintf(endpoint, sizeof(endpoint), "%s:%u",
	         lab_host_address(chaos->nodes[chaos->primary].host),
	         lab_pg_port(chaos->pg, chaos->primary));
	return endpoint;
}

/* Whether the proxy led somebody who came after `since_us` to the true primary. */
static bool leads_there(const struct chaos *chaos, enum proxy proxy, int64_t since_us)
{
	for (int c = 0; c < CLIENTS; c++) {
		uint32_t count = client_acks(chaos, c);

		for (uint32_t i = count; client_proxy(c) == proxy && i > 0; i--) {
			const struct ack *ack = client_ack(chaos, c, i - 1);

			if (ack->at_us < since_us)
				break;
			if (ack->node == chaos->primary && ack->timeline == chaos->timeline)
				return true;
		}
	}
	return false;
}

static const char *haproxy_is_wrong(struct chaos *chaos)
{
	auto_strbuf struct strbuf state = STRBUF_INIT;
	auto_free char *wanted = NULL;
	char address[64], name[64];
	int op, admin, port;
	const char *at;

	if (!lab_haproxy_command(chaos->haproxy, "show servers state orders_rw", &state))
		return "HAProxy does not answer";
	at = strstr(state.data, " orders_rw ");
	if (at == NULL ||
	    sscanf(at, /* NOLINT(cert-err34-c) */
	           " orders_rw %*d %63s %63s %d %d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d "
	           "%*s %d",
	           name, address, &op, &admin, &port) != 5)
		return "HAProxy's servers cannot be read";
	if (node_of_address(chaos, address) != chaos->primary ||
	    port != lab_pg_port(chaos->pg, chaos->primary))
		return "HAProxy leads elsewhere";
	if (op != 2 || admin != 0)
		return "HAProxy's server is not up";
	wanted = xasprintf("server primary %s", primary_endpoint(chaos));
	if (strstr(lab_read_file(chaos->lab, chaos->sidecars[PROXY_HAPROXY].output), wanted) ==
	    NULL)
		return "HAProxy's file leads elsewhere";
	return NULL;
}

static const char *bouncer_is_wrong(struct chaos *chaos)
{
	static const struct {
		const char *column, *wanted, *wrong;
	} rows[] = {{"paused", "0", "PgBouncer's database is paused"},
	            {"disabled", "0", "PgBouncer's database is disabled"}};
	const char *address = lab_host_address(chaos->nodes[chaos->primary].host);
	auto_free char *port = xasprintf("%u", lab_pg_port(chaos->pg, chaos->primary));
	auto_free char *wanted = xasprintf("host=%s port=%s ", address, port);
	const char *text;

	if (!lab_pgbouncer_says(chaos->bouncer, "postgres", "host", address) ||
	    !lab_pgbouncer_says(chaos->bouncer, "postgres", "port", port))
		return "PgBouncer leads elsewhere, or does not answer";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!lab_pgbouncer_says(chaos->bouncer, "postgres", rows[i].column, rows[i].wanted))
			return rows[i].wrong;
	text = strstr(lab_read_file(chaos->lab, chaos->sidecars[PROXY_PGBOUNCER].output),
	              "\npostgres =");
	if (text == NULL || strncmp(text + strlen("\npostgres ="), " ", 1) != 0 ||
	    strstr(text, wanted) == NULL)
		return "PgBouncer's file leads elsewhere";
	return NULL;
}

static bool is_right(void *arg)
{
	struct heal *heal = arg;
	struct chaos *chaos = heal->chaos;

	watch_logs(chaos);
	if (!leads_there(chaos, PROXY_HAPROXY, heal->at_us))
		heal->wrong = "nobody reaches the primary through HAProxy";
	else if (!leads_there(chaos, PROXY_PGBOUNCER, heal->at_us))
		heal->wrong = "nobody reaches the primary through PgBouncer";
	else if ((heal->wrong = haproxy_is_wrong(chaos)) == NULL)
		heal->wrong = bouncer_is_wrong(chaos);
	return heal->wrong == NULL;
}

/* Why the run cannot go on; the logs are kept. */
static void give_up(struct chaos *chaos, const char *why)
{
	chaos_violation(chaos, "%s", why);
	stage_keep_logs(chaos);
	lab_fail("seed %u: %s; the run ends here. The logs are in %s", chaos->seed, why,
	         chaos->kept);
}

void judge_heal(struct chaos *chaos, int64_t healed_us, int64_t allowance_ms)
{
	struct heal heal = {.chaos = chaos, .at_us = healed_us};
	int64_t limit_ms = RIGHT_MS + allowance_ms, took_us;
	bool right = chaos_wait(is_right, &heal, limit_ms - (clock_now_us() - healed_us) / 1000);
	const char *wrong = heal.wrong;

	if (!right && !chaos_wait(is_right, &heal, PATIENCE_MS)) {
		auto_free char *why =
		    xasprintf("%d s after the heal: %s", PATIENCE_MS / 1000, heal.wrong);
		give_up(chaos, why);
	}
	took_us = clock_now_us() - healed_us;
	if (!right)
		chaos_violation(chaos, "both proxies are right only %.3f s after the heal: %s",
		                (double)took_us / 1e6, wrong);
	if (took_us > chaos->slowest_us)
		chaos->slowest_us = took_us;
	chaos_say(chaos, "right after %.3f s, of at most %.1f s", (double)took_us / 1e6,
	          (double)limit_ms / 1e3);
}

/* ---- at rest ---- */

static const char *sidecar_is_wrong(struct chaos *chaos, enum proxy proxy)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;
	const char *listen = lab_segue_listen(chaos->sidecars[proxy].segue);
	const json_t *cluster;
	const char *state, *named;
	json_t *document;
	const char *wrong = NULL;

	if (lab_ask(listen, "GET", "/status", &body) != 200)
		return "the sidecar does not answer";
	document = json_loads(body.data, 0, NULL);
	cluster = json_array_get(json_object_get(document, "clusters"), 0);
	state = json_string_value(json_object_get(cluster, "state"));
	named = json_string_value(json_object_get(json_object_get(cluster, "store"), "primary"));
	if (state == NULL || strcmp(state, "current") != 0)
		wrong = lab_printf(chaos->lab, "the sidecar's state is %s",
		                   state != NULL ? state : "unknown");
	else if (named == NULL || strcmp(named, primary_endpoint(chaos)) != 0)
		wrong = "the master znode names another primary";
	else if (!json_is_null(json_object_get(cluster, "hold")))
		wrong = "the sidecar still holds";
	json_decref(document);
	if (wrong == NULL && lab_ask(listen, "GET", "/readyz", &body) != 200)
		wrong = lab_printf(chaos->lab, "the sidecar is not ready: %s", body.data);
	return wrong;
}

struct rest {
	struct chaos *chaos;
	int64_t since_us;
	const char *wrong;
};

static bool is_at_rest(void *arg)
{
	struct rest *rest = arg;

	for (enum proxy proxy = 0; proxy < PROXIES; proxy++) {
		rest->wrong = sidecar_is_wrong(rest->chaos, proxy);
		if (rest->wrong != NULL) {
			rest->wrong =
			    lab_printf(rest->chaos->lab, "%s: %s", proxy_name(proxy), rest->wrong);
			return false;
		}
	}
	return true;
}

static bool all_are_served(void *arg)
{
	struct rest *rest = arg;
	const struct chaos *chaos = rest->chaos;

	for (int c = 0; c < CLIENTS; c++) {
		uint32_t count = client_acks(chaos, c);

		if (count == 0 || client_ack(chaos, c, count - 1)->began_us < rest->since_us) {
			rest->wrong = lab_printf(chaos->lab, "client %d of %s, which %s, waits", c,
			                         proxy_name(client_proxy(c)), client_words(c));
			return false;
		}
	}
	return true;
}

/* What each segue process has, as lives begin and end. */
struct usage {
	pid_t pid;
	int samples;
	long first_kb, last_kb;
	int first_fds, last_fds;
};

static int count_fds(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	int count = 0;

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir != NULL)
		closedir(dir);
	return count - 2;
}

static long resident_kb(struct chaos *chaos, pid_t pid)
{
	const char *status =
	    lab_read_file(chaos->lab, lab_printf(chaos->lab, "/proc/%d/status", (int)pid));
	const char *at = strstr(status, "VmRSS:");

	return at != NULL ? strtol(at + strlen("VmRSS:"), NULL, 10) : 0;
}

static bool has_children(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");
	int child, found = 0;

	if (file != NULL) {
		found = fscanf(file, "%d", &child); /* NOLINT(cert-err34-c) */
		fclose(file);
	}
	return found == 1;
}

static void sample(struct chaos *chaos, const char *who, struct lab_segue *segue,
                   struct usage *usage)
{
	struct lab_process *process = lab_segue_process(segue);
	pid_t pid = lab_process_pid(process);

	if (!lab_process_alive(process)) {
		chaos_violation(chaos, "segue of %s has ended by itself, with %d", who,
		                lab_process_exit_code(process));
		return;
	}
	if (pid != usage->pid)
		*usage = (struct usage){.pid = pid};
	usage->last_kb = resident_kb(chaos, pid);
	usage->last_fds = count_fds(pid);
	if (usage->samples++ == 0) {
		usage->first_kb = usage->last_kb;
		usage->first_fds = usage->last_fds;
	}
	if (usage->last_kb - usage->first_kb > GROWTH_KB ||
	    usage->last_fds - usage->first_fds > GROWTH_FDS) {
		chaos_violation(chaos, "segue of %s grows: %ld -> %ld kB, %d -> %d descriptors",
		                who, usage->first_kb, usage->last_kb, usage->first_fds,
		                usage->last_fds);
		usage->samples = 0; /* told once */
	}
	if (has_children(pid))
		chaos_violation(chaos, "segue of %s has a child at rest", who);
}

static void sample_all(struct chaos *chaos)
{
	static struct usage usages[NODES + PROXIES];

	for (int i = 0; i < NODES; i++)
		sample(chaos, lab_host_name(chaos->nodes[i].host), chaos->nodes[i].publisher,
		       &usages[i]);
	for (int i = 0; i < PROXIES; i++)
		sample(chaos, lab_host_name(chaos->sidecars[i].host), chaos->sidecars[i].segue,
		       &usages[NODES + i]);
}

void judge_rest(struct chaos *chaos)
{
	struct rest rest = {.chaos = chaos, .since_us = clock_now_us()};

	if (!chaos_wait(is_at_rest, &rest, SERVED_MS)) {
		chaos_violation(chaos, "%d s after all is settled: %s", SERVED_MS / 1000,
		                rest.wrong);
		if (!chaos_wait(is_at_rest, &rest, PATIENCE_MS))
			give_up(chaos, rest.wrong);
	}
	if (!chaos_wait(all_are_served, &rest, SERVED_MS)) {
		chaos_violation(chaos, "%d s after all is settled: %s", SERVED_MS / 1000,
		                rest.wrong);
		if (!chaos_wait(all_are_served, &rest, INT64_C(2) * PATIENCE_MS))
			give_up(chaos, rest.wrong);
	}
	watch_logs(chaos);
	sample_all(chaos);
}

/* ---- the books ---- */

static const struct window *excuse_of(const struct chaos *chaos, enum proxy proxy, int64_t born_us,
                                      int64_t ended_us)
{
	for (size_t i = chaos->window_count; i > 0; i--) {
		const struct window *window = &chaos->windows[i - 1];
		int64_t to_us = window->to_us != 0 ? window->to_us : INT64_MAX - LATE_US;

		if (window->proxy == proxy && born_us <= to_us && ended_us >= window->from_us &&
		    ended_us <= to_us + LATE_US)
			return window;
	}
	return NULL;
}

/* PgBouncer's own: a login that failed when the primary died has it turn new queries away until one
 * works, which is the first after RESUME. Nothing but PAUSE keeps them, and PAUSE ends logins. */
static bool is_turned_away(const struct chaos *chaos, enum proxy proxy,
                           const struct client_error *error)
{
	if (proxy != PROXY_PGBOUNCER || strstr(error->text, "login has been failing") == NULL)
		return false;
	for (size_t i = chaos->event_count; i > 0; i--) {
		const struct event *event = &chaos->events[i - 1];

		if (event->proxy == proxy && event->kind == EVENT_RESUMING &&
		    event->at_us <= error->at_us && error->at_us - event->at_us < LOGIN_US)
			return true;
	}
	return false;
}

/* Through HAProxy a connection is in flight for as long as it lives; PgBouncer's clients are when
 * they have asked, or log in. */
static void judge_error(struct chaos *chaos, int client, const struct client_error *error)
{
	enum proxy proxy = client_proxy(client);
	int64_t born_us = proxy == PROXY_HAPROXY && error->connected_us < error->began_us
	                      ? error->connected_us
	                      : error->began_us;

	if (excuse_of(chaos, proxy, born_us, error->at_us) != NULL ||
	    is_turned_away(chaos, proxy, error)) {
		chaos->excused++;
		return;
	}
	chaos_violation(chaos,
	                "client %d of %s, which %s, got an error at %.3f s, %s since %.3f s, "
	                "connected since %.3f s: %s",
	                client, proxy_name(proxy), client_words(client),
	                (double)(error->at_us - chaos->started_us) / 1e6,
	                error->idle ? "idle" : "waiting",
	                (double)(error->began_us - chaos->started_us) / 1e6,
	                (double)(error->connected_us - chaos->started_us) / 1e6, error->text);
}

/* The timeline that the sidecar knew of and followed when the write began. */
static const struct promotion *known_at(const struct chaos *chaos, enum proxy proxy, int64_t at_us)
{
	const struct promotion *known = NULL;

	for (size_t i = chaos->event_count; i > 0 && known == NULL; i--) {
		const struct event *event = &chaos->events[i - 1];

		if (event->proxy != proxy || event->kind != EVENT_MOVED || event->at_us >= at_us)
			continue;
		for (size_t j = chaos->promotion_count; j > 0 && known == NULL; j--)
			if (chaos->promotions[j - 1].node == event->node &&
			    chaos->promotions[j - 1].asked_us < event->at_us &&
			    !chaos->promotions[j - 1].mistake)
				known = &chaos->promotions[j - 1];
	}
	return known;
}

static void judge_acks(struct chaos *chaos, int client, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		const struct ack *ack = client_ack(chaos, client, i);
		const struct promotion *known =
		    known_at(chaos, client_proxy(client), ack->began_us);

		if (known == NULL || ack->timeline >= known->timeline)
			continue;
		chaos_violation(chaos,
		                "client %d of %s: row %u, begun at %.3f s, was acknowledged by %s "
		                "on timeline %d, after the sidecar followed %s on timeline %d",
		                client, proxy_name(client_proxy(client)), ack->n,
		                (double)(ack->began_us - chaos->started_us) / 1e6,
		                ack->node >= 0 ? lab_host_name(chaos->nodes[ack->node].host) : "?",
		                ack->timeline, lab_host_name(chaos->nodes[known->node].host),
		                known->timeline);
	}
}

void judge_round(struct chaos *chaos)
{
	static uint32_t acks_seen[CLIENTS], errors_seen[CLIENTS];

	watch_logs(chaos);
	for (int c = 0; c < CLIENTS; c++) {
		uint32_t errors = client_errors(chaos, c), acks = client_acks(chaos, c);

		for (; errors_seen[c] < errors; errors_seen[c]++)
			judge_error(chaos, c, client_error(chaos, c, errors_seen[c]));
		judge_acks(chaos, c, acks_seen[c], acks);
		acks_seen[c] = acks;
	}
}

/* ---- the rows ---- */

#define TIMELINES_MAX 4096

/* Where each timeline of the final primary's history ended; 0: it is not in it. */
static void read_history(struct chaos *chaos, uint64_t *ends)
{
	auto_free char *sql = xasprintf(
	    "select coalesce((select pg_read_file('pg_wal/%08X.history')), '')", chaos->timeline);
	auto_free char *text = chaos->timeline > 1
	                           ? lab_pg_query(node_conninfo(chaos, chaos->primary), sql)
	                           : xstrdup("");
	unsigned timeline, high, low;

	if (text == NULL)
		lab_fail("cannot read the history of timeline %d", chaos->timeline);
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (sscanf(line, "%u %X/%X", &timeline, &high, &low) == 3 && /* NOLINT */
		    timeline < TIMELINES_MAX)
			ends[timeline] = (uint64_t)high << 32 | low;
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	ends[chaos->timeline] = UINT64_MAX;
}

/* The rows of a client that the primary has, as a set; caller frees. */
static uint8_t *read_rows(struct chaos *chaos, int client, uint32_t *size)
{
	auto_free char *sql = xasprintf("select n from chaos where client = %d", client);
	PGconn *conn = PQconnectdb(node_conninfo(chaos, chaos->primary));
	PGresult *result = PQexec(conn, sql);
	uint8_t *rows;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		lab_fail("cannot read the rows: %s", PQerrorMessage(conn));
	*size = 1;
	for (int i = 0; i < PQntuples(result); i++) {
		uint32_t n = (uint32_t)strtoul(PQgetvalue(result, i, 0), NULL, 10);

		*size = n >= *size ? n + 1 : *size;
	}
	rows = xcalloc(*size, 1);
	for (int i = 0; i < PQntuples(result); i++)
		rows[strtoul(PQgetvalue(result, i, 0), NULL, 10)] = 1;
	PQclear(result);
	PQfinish(conn);
	return rows;
}

/* By a server whose promotion was a mistake, and undone. */
static bool was_mistake(const struct chaos *chaos, const struct ack *ack)
{
	for (size_t i = 0; i < chaos->promotion_count; i++) {
		const struct promotion *promotion = &chaos->promotions[i];

		if (promotion->mistake && promotion->node == ack->node &&
		    promotion->timeline == ack->timeline && ack->at_us >= promotion->asked_us &&
		    ack->began_us <= promotion->undone_us)
			return true;
	}
	return false;
}

static void judge_rows(struct chaos *chaos)
{
	static uint64_t ends[TIMELINES_MAX];
	uint64_t lost = 0, acks = 0;

	read_history(chaos, ends);
	for (int c = 0; c < CLIENTS; c++) {
		uint32_t size, count = client_acks(chaos, c);
		auto_free uint8_t *rows = read_rows(chaos, c, &size);

		acks += count;
		for (uint32_t i = 0; i < count; i++) {
			const struct ack *ack = client_ack(chaos, c, i);

			if (ack->n < size && rows[ack->n])
				continue;
			lost++;
			if (ack->timeline < TIMELINES_MAX && !was_mistake(chaos, ack) &&
			    ack->lsn + EDGE_BYTES < ends[ack->timeline])
				chaos_violation(chaos,
				                "row %u of client %d is lost: timeline %d, which "
				                "the primary has up to %" PRIX64 ", acknowledged "
				                "it at %" PRIX64,
				                ack->n, c, ack->timeline, ends[ack->timeline],
				                ack->lsn);
		}
	}
	chaos_say(chaos,
	          "%" PRIu64 " of %" PRIu64 " acknowledged rows were lost by the cluster manager "
	          "(written to a server after the point where its successor was promoted)",
	          lost, acks);
}

void judge_end(struct chaos *chaos)
{
	clients_stop(chaos);
	windows_close_all(chaos);
	judge_round(chaos);
	judge_rows(chaos);
}
