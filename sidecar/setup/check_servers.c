/* `segue check`, PostgreSQL servers: asks each server as `segue run` would, all at the same time,
 * until an attempt at each has ended. Notes what the answers mean for the cluster's verify, and
 * what to do about a server that does not let segue in. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "cluster/state_file.h"
#include "decide/election.h"
#include "postgres/verifier.h"
#include "setup/check.h"
#include "topology/layout_fields.h"

#define SLACK_MS 100

/* The servers of one cluster; `verifier` is NULL if no server is asked. */
struct asked {
	struct check *check;
	const struct config_cluster *config;
	const struct topology *topology;
	struct applied applied; /* what segue run has applied, from the state file */
	struct verifier *verifier;
	bool denied; /* no server lets segue in: most likely the login is wrong */
	const struct member *members[TOPOLOGY_SLOTS_MAX];
	size_t member_count;
};

/* One server, for a note about it. */
struct line {
	struct asked *asked;
	const char *what;
	const struct member *member;
	const struct server_fact *fact;
	const struct server_fact *primary; /* NULL: it did not answer that it takes writes */
	bool is_primary;                   /* the topology says so */
};

static void stop_loop(void *arg)
{
	event_base_loopbreak(arg);
}

/* Ignores a state file that cannot be read: another check notes it. */
static void load_applied(struct asked *asked)
{
	auto_strbuf struct strbuf note = STRBUF_INIT;
	const struct config *config = asked->check->config;
	struct err ignored;

	if (!state_load(config->state_dir, asked->config, config->zookeeper_hosts, &asked->applied,
	                &note, &ignored))
		asked->applied.has_topology = false;
}

static void start(struct check *check, size_t index, struct asked *asked)
{
	const struct topology *topology = &check->topologies[index];

	*asked = (struct asked){
	    .check = check, .config = &check->config->clusters[index], .topology = topology};
	load_applied(asked);
	if (asked->config->verify == CONFIG_VERIFY_DISABLE || topology_is_example(topology))
		return;
	if (topology->has_primary)
		asked->members[asked->member_count++] = &topology->primary;
	for (size_t i = 0; i < topology->standby_count; i++)
		asked->members[asked->member_count++] = &topology->standbys[i];
	asked->verifier = verifier_create(check->base, asked->config, stop_loop, check->base);
	verifier_follow(asked->verifier, asked->members, asked->member_count);
}

static bool is_complete(const struct asked *asked)
{
	const struct server_fact *facts;
	size_t count;

	if (asked->verifier == NULL)
		return true;
	facts = verifier_facts(asked->verifier, &count);
	for (size_t i = 0; i < count; i++)
		if (facts[i].class == SERVER_UNASKED)
			return false;
	return true;
}

static bool are_complete(const struct asked *asked, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_complete(&asked[i]))
			return false;
	return true;
}

/* Two attempts have to fit, because a server that hangs up once is only asked again. */
static int64_t longest_wait_ms(const struct asked *asked, size_t count)
{
	int64_t longest = 0;

	for (size_t i = 0; i < count; i++)
		if (asked[i].verifier != NULL && asked[i].config->verify_timeout_ms > longest)
			longest = asked[i].config->verify_timeout_ms;
	return 2 * longest + SLACK_MS;
}

static void wait_for_all(struct check *check, const struct asked *asked, size_t count)
{
	struct timer *timer = timer_new(check->base, stop_loop, check->base);

	timer_start(timer, longest_wait_ms(asked, count));
	while (!are_complete(asked, count) && timer_is_set(timer))
		event_base_dispatch(check->base);
	timer_free(timer);
}

/* What to do about a server that is alive but does not let segue in, by the SQLSTATE in the
 * problem; caller frees. */
static char *fix_of_denial(const struct line *line)
{
	static const struct {
		const char *sqlstate, *fix;
	} fixes[] = {
	    {"28P01", "put the right password into the passfile of segue's user"},
	    {"passfile",
	     "put the password into the passfile of segue's user, or name one in verify_conninfo"},
	    {"28000",
	     "if that is the role, on the primary: CREATE ROLE with LOGIN; in pg_hba.conf of each "
	     "server a line for this database, this role and THIS-MACHINE/32: trust (or "
	     "scram-sha-256, with a passfile), then SELECT pg_reload_conf()"},
	    {"3D000", "name a database that exists"},
	    {"55000", "name a database that accepts connections"},
	    {"42501", "GRANT the role the missing privilege"},
	};
	const struct config_cluster *cluster = line->asked->config;
	auto_free char *login = conninfo_login(cluster->verify_conninfo);
	const char *fix = "see the server's log";

	for (size_t i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++)
		if (strstr(line->fact->problem, fixes[i].sqlstate) != NULL)
			fix = fixes[i].fix;
	return xasprintf("verify_conninfo in [cluster %s]%s%s: %s", cluster->name,
	                 *login != '\0' ? " has " : "", login, fix);
}

static void note(const struct line *line, enum check_grade grade, const char *fix, const char *text)
{
	const struct member *member = line->member;

	check_note(line->asked->check, grade, line->what, fix, "%s%s%s port %u, %s: %s",
	           member->name, *member->name != '\0' ? " at " : "", line->fact->address,
	           (unsigned)line->fact->port, line->is_primary ? "primary" : "standby", text);
}

/* The server is alive, but its role is not known. */
static void note_unverified(const struct line *line, const char *fix)
{
	bool require = line->asked->config->verify == CONFIG_VERIFY_REQUIRE;
	bool fails = require || line->asked->denied;
	auto_free char *server = xasprintf("%s port %u (%s)", line->fact->address,
	                                   (unsigned)line->fact->port, line->fact->problem);
	auto_free char *text = xasprintf(
	    "%s, %s: with verify = %s segue %s", server_class_name(line->fact->class),
	    line->fact->problem, require ? "require" : "prefer",
	    require ? "does not use it"
	    : line->asked->denied
	        ? "trusts ZooKeeper about it and all others, because no server lets segue in"
	        : "trusts ZooKeeper about it");

	/* The passwords are in the passfile of segue's user, not of a bystander. */
	if (line->asked->check->bystander && line->fact->class == SERVER_DENIED)
		check_denied(line->asked->check, CHECK_FAIL, line->what, "log in at", server);
	else
		note(line, fails ? CHECK_FAIL : CHECK_WARN, fix, text);
}

/* The server lets nobody in, so clients would only get errors from it. */
static void note_faulty(const struct line *line)
{
	auto_free char *text = xasprintf(
	    "faulty, %s: clients cannot log in, so segue does not use it", line->fact->problem);

	note(line, line->is_primary ? CHECK_FAIL : CHECK_WARN, "see the server's log", text);
}

/* True, after a note, if the last primary that segue run applied has the name of this server and
 * another address. */
static bool note_moved(const struct line *line)
{
	const struct topology *applied = &line->asked->applied.topology;
	const struct member *last = &applied->primary;
	auto_free char *text = NULL;

	if (!line->is_primary || !line->asked->applied.has_topology ||
	    *line->member->name == '\0' || strcmp(last->name, line->member->name) != 0 ||
	    topology_same_address(last, line->member))
		return false;
	text = xasprintf("%s, %s; the last primary, %s port %u, has the same name",
	                 server_class_name(line->fact->class), line->fact->problem, last->address,
	                 (unsigned)last->port);
	note(line, CHECK_FAIL,
	     line->asked->config->layout == CONFIG_LAYOUT_PATRONI
	         ? "is connect_address of postgresql in its patroni.yml right?"
	         : "is its address in the master znode right?",
	     text);
	return true;
}

static void note_absent(const struct line *line)
{
	auto_free char *text = xasprintf(
	    "%s, %s%s", server_class_name(line->fact->class), line->fact->problem,
	    line->is_primary ? ": three such failures in a row count as the loss of the primary"
	                     : "");

	note(line, CHECK_WARN, "is it running, and does a firewall block it?", text);
}

/* Why segue run would refuse this server as the primary; NULL: it would not. */
static const char *refusal_of(const struct line *line)
{
	const struct asked *asked = line->asked;
	const struct floor floor = applied_confirmed(&asked->applied);
	const char *stored = asked->topology->system_identifier;
	struct admission admission;

	if (*stored == '\0')
		stored = floor.system_identifier;
	admission = admission_decide(&(struct admission_input){.verify = asked->config->verify,
	                                                       .server = line->fact,
	                                                       .system_identifier = stored,
	                                                       .floor = floor});
	return admission.kind == ADMIT_NO ? admission.reason : NULL;
}

static bool is_stranger(const struct line *line)
{
	const char *stored = line->asked->topology->system_identifier;

	if (*stored == '\0' && line->primary != NULL)
		stored = line->primary->system_identifier;
	return !same_system(line->fact->system_identifier, stored);
}

/* Appends "takes writes, timeline 2, system identifier 77" or "in recovery, 0 bytes behind, ..." */
static void describe(const struct line *line, struct strbuf *out)
{
	const struct server_fact *fact = line->fact;

	if (!fact->in_recovery)
		strbuf_printf(out, "takes writes, timeline %lld", (long long)fact->timeline);
	else
		strbuf_append_str(out, "in recovery");
	if (fact->in_recovery && line->primary != NULL) {
		int64_t lag = line->primary->lsn - fact->lsn;

		strbuf_printf(out, ", %lld bytes behind", (long long)(lag > 0 ? lag : 0));
	}
	if (*fact->system_identifier != '\0')
		strbuf_printf(out, ", system identifier %s", fact->system_identifier);
}

static void note_answer(const struct line *line)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *refusal = line->is_primary ? refusal_of(line) : NULL;

	describe(line, &text);
	if (refusal != NULL)
		strbuf_printf(&text, ": refused: %s", refusal);
	if (refusal != NULL)
		note(line, CHECK_FAIL,
		     "correct the master znode, or use this server anyway with `segue pin`",
		     text.data);
	else if (is_stranger(line))
		note(line, CHECK_FAIL,
		     "it belongs to another cluster, so segue never uses it: correct the znode",
		     text.data);
	else if (line->is_primary && line->fact->in_recovery)
		note(line, CHECK_FAIL, "segue does not use it until it takes writes", text.data);
	else if (!line->is_primary && !line->fact->in_recovery)
		note(
		    line, CHECK_FAIL,
		    line->asked->config->layout == CONFIG_LAYOUT_PATRONI
		        ? "two servers take writes: segue follows the leader key, and Patroni "
		          "demotes this one; do not write to it"
		        : "two servers take writes, or ZooKeeper is late: segue follows the higher "
		          "timeline",
		    text.data);
	else if (*line->fact->system_identifier == '\0')
		note(line, CHECK_WARN,
		     "segue cannot detect a server of another cluster: GRANT EXECUTE ON FUNCTION "
		     "pg_control_system() to the role",
		     text.data);
	else
		note(line, CHECK_OK, NULL, text.data);
}

static void note_server(const struct line *line)
{
	auto_free char *fix = NULL;

	switch (line->fact->class) {
	case SERVER_ANSWERED:
		note_answer(line);
		return;
	case SERVER_UNASKED:
		note(line, CHECK_WARN, "is it overloaded?", "it has not answered in time");
		return;
	case SERVER_REFUSED:
	case SERVER_TIMED_OUT:
	case SERVER_STARTING:
		if (!note_moved(line))
			note_absent(line);
		return;
	case SERVER_FULL:
		note_unverified(line, "raise max_connections, or the role's CONNECTION LIMIT");
		return;
	case SERVER_FAULTY:
		note_faulty(line);
		return;
	case SERVER_DENIED:
	case SERVER_OTHER:
		fix = fix_of_denial(line);
		note_unverified(line, fix);
		return;
	case SERVER_CLASSES:
		return;
	}
}

static void note_cluster(struct asked *asked)
{
	auto_free char *what = xasprintf("cluster/%s", asked->config->name);
	const struct topology *topology = asked->topology;
	const struct server_fact *facts, *primary = NULL;
	size_t count;

	facts = verifier_facts(asked->verifier, &count);
	asked->denied = find_denial(facts, count) != NULL;
	if (topology->has_primary)
		primary = server_of(facts, count, &topology->primary);
	if (primary != NULL && !server_takes_writes(primary))
		primary = NULL;
	for (size_t i = 0; i < asked->member_count; i++) {
		const struct member *member = asked->members[i];
		struct line line = {.asked = asked,
		                    .what = what,
		                    .member = member,
		                    .fact = server_of(facts, count, member),
		                    .primary = primary,
		                    .is_primary = member == &topology->primary};

		if (line.fact != NULL) /* NULL: it has no address, which is noted already */
			note_server(&line);
	}
}

void check_servers(struct check *check)
{
	size_t count = check->config->cluster_count;
	struct asked *asked = xcalloc(count, sizeof(*asked));

	for (size_t i = 0; i < count; i++)
		start(check, i, &asked[i]);
	wait_for_all(check, asked, count);
	for (size_t i = 0; i < count; i++)
		if (asked[i].verifier != NULL)
			note_cluster(&asked[i]);
	for (size_t i = 0; i < count; i++) {
		verifier_destroy(asked[i].verifier);
		applied_fini(&asked[i].applied);
	}
	free(asked);
}
