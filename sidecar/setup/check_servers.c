/* `segue check`, PostgreSQL servers: asks each server as `segue run` would, all at the same time,
 * until an attempt at each has ended. Notes what the answers mean for the cluster's verify, and
 * what to do about a server that does not let segue in. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/state_file.h"
#include "decide/admission.h"
#include "postgres/verifier.h"
#include "setup/check.h"
#include "topology/layout_fields.h"

#define SLACK_MS 100

/* The servers of one cluster; `verifier` is NULL if no server is asked. */
struct asked {
	const struct config_cluster *config;
	const struct topology *topology;
	struct applied applied; /* what segue run has applied, from the state file */
	struct verifier *verifier;
	bool denied; /* no server lets segue in: most likely the login is wrong */
	const struct member *members[TOPOLOGY_SLOTS_MAX];
	size_t member_count;
};

struct asking {
	struct check *check;
	struct asked *clusters;
	size_t count;
};

/* One server, for a note about it. */
struct line {
	struct check *check;
	const struct asked *asked;
	const struct member *member;
	const struct server_fact *fact;
	const struct server_fact *primary; /* NULL: it did not answer that it takes writes */
	bool is_primary;                   /* the topology says so */
};

/* An attempt at each server has ended. */
static bool all_answered(const struct asking *asking)
{
	for (size_t i = 0; i < asking->count; i++) {
		const struct verifier *verifier = asking->clusters[i].verifier;
		size_t count = 0;
		const struct server_fact *facts =
		    verifier != NULL ? verifier_facts(verifier, &count) : NULL;

		for (size_t k = 0; k < count; k++)
			if (facts[k].class == SERVER_UNASKED)
				return false;
	}
	return true;
}

static void on_answer(void *arg)
{
	const struct asking *asking = arg;

	if (all_answered(asking))
		event_base_loopbreak(asking->check->base);
}

static void start(struct asking *asking, size_t index)
{
	const struct config *config = asking->check->config;
	struct asked *asked = &asking->clusters[index];
	const struct topology *topology = &asking->check->topologies[index];
	auto_strbuf struct strbuf note = STRBUF_INIT;
	struct err ignored; /* another check notes a state file that cannot be read */

	asked->config = &config->clusters[index];
	asked->topology = topology;
	if (!state_load(config->state_dir, asked->config, config->zookeeper_hosts, &asked->applied,
	                &note, &ignored))
		asked->applied.has_topology = false;
	if (asked->config->verify == CONFIG_VERIFY_DISABLE || topology_is_example(topology))
		return;
	if (topology->has_primary)
		asked->members[asked->member_count++] = &topology->primary;
	for (size_t i = 0; i < topology->standby_count; i++)
		asked->members[asked->member_count++] = &topology->standbys[i];
	asked->verifier = verifier_create(asking->check->base, asked->config, on_answer, asking);
	verifier_follow(asked->verifier, asked->members, asked->member_count);
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

	for (size_t i = 0; i < ARRAY_LEN(fixes); i++)
		if (strstr(line->fact->problem, fixes[i].sqlstate) != NULL)
			fix = fixes[i].fix;
	return xasprintf("verify_conninfo in [cluster %s]%s%s: %s", cluster->name,
	                 *login != '\0' ? " has " : "", login, fix);
}

static void note(const struct line *line, enum check_grade grade, const char *fix, const char *text)
{
	const struct member *member = line->member;

	check_note(line->check, grade, line->check->what, fix, "%s%s%s port %u, %s: %s",
	           member->name, *member->name != '\0' ? " at " : "", line->fact->address,
	           (unsigned)line->fact->port, line->is_primary ? "primary" : "standby", text);
}

/* The server is alive, but its role is not known. */
static void note_unverified(const struct line *line, const char *fix)
{
	bool require = line->asked->config->verify == CONFIG_VERIFY_REQUIRE;
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
	if (line->check->bystander && line->fact->class == SERVER_DENIED)
		check_denied(line->check, CHECK_FAIL, line->check->what, "log in at", server);
	else
		note(line, require || line->asked->denied ? CHECK_FAIL : CHECK_WARN, fix, text);
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

/* Appends "takes writes, timeline 2, system identifier 77" or "in recovery, 0 bytes behind, ..." */
static void describe(const struct line *line, struct strbuf *out)
{
	const struct server_fact *fact = line->fact;
	int64_t lag = line->primary != NULL ? line->primary->lsn - fact->lsn : 0;

	if (!fact->in_recovery)
		strbuf_printf(out, "takes writes, timeline %lld", (long long)fact->timeline);
	else if (line->primary != NULL)
		strbuf_printf(out, "in recovery, %lld bytes behind", (long long)larger(lag, 0));
	else
		strbuf_append_str(out, "in recovery");
	if (*fact->system_identifier != '\0')
		strbuf_printf(out, ", system identifier %s", fact->system_identifier);
}

static void note_answer(const struct line *line)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;
	const char *refusal = line->is_primary ? refusal_of(line) : NULL;
	const char *stored = line->asked->topology->system_identifier, *fix = NULL;
	enum check_grade grade = CHECK_FAIL;

	if (*stored == '\0' && line->primary != NULL)
		stored = line->primary->system_identifier;
	describe(line, &text);
	if (refusal != NULL) {
		strbuf_printf(&text, ": refused: %s", refusal);
		fix = "correct the master znode, or use this server anyway with `segue pin`";
	} else if (!same_system(line->fact->system_identifier, stored)) {
		fix = "it belongs to another cluster, so segue never uses it: correct the znode";
	} else if (line->is_primary && line->fact->in_recovery) {
		fix = "segue does not use it until it takes writes";
	} else if (!line->is_primary && !line->fact->in_recovery) {
		fix = line->asked->config->layout == CONFIG_LAYOUT_PATRONI
		          ? "two servers take writes: segue follows the leader key, and Patroni "
		            "demotes this one; do not write to it"
		          : "two servers take writes, or ZooKeeper is late: segue follows the "
		            "higher timeline";
	} else if (*line->fact->system_identifier == '\0') {
		grade = CHECK_WARN;
		fix = "segue cannot detect a server of another cluster: GRANT EXECUTE ON FUNCTION "
		      "pg_control_system() to the role";
	} else {
		grade = CHECK_OK;
	}
	note(line, grade, fix, text.data);
}

static void note_server(const struct line *line)
{
	const struct server_fact *fact = line->fact;
	auto_free char *text = NULL;

	switch (fact->class) {
	case SERVER_ANSWERED:
		note_answer(line);
		return;
	case SERVER_UNASKED:
		note(line, CHECK_WARN, "is it overloaded?", "it has not answered in time");
		return;
	case SERVER_REFUSED:
	case SERVER_TIMED_OUT:
	case SERVER_STARTING:
		text = xasprintf(
		    "%s, %s%s", server_class_name(fact->class), fact->problem,
		    line->is_primary
		        ? ": three such failures in a row count as the loss of the primary"
		        : "");
		if (!note_moved(line))
			note(line, CHECK_WARN, "is it running, and does a firewall block it?",
			     text);
		return;
	case SERVER_FULL:
		note_unverified(line, "raise max_connections, or the role's CONNECTION LIMIT");
		return;
	case SERVER_FAULTY:
		text = xasprintf("faulty, %s: clients cannot log in, so segue does not use it",
		                 fact->problem);
		note(line, line->is_primary ? CHECK_FAIL : CHECK_WARN, "see the server's log",
		     text);
		return;
	case SERVER_DENIED:
	case SERVER_OTHER:
		text = fix_of_denial(line);
		note_unverified(line, text);
		return;
	case SERVER_CLASSES:
		return;
	}
}

static void note_cluster(struct check *check, struct asked *asked)
{
	const struct topology *topology = asked->topology;
	const struct server_fact *facts, *primary = NULL;
	size_t count;

	check_about(check, "cluster", asked->config->name);
	facts = verifier_facts(asked->verifier, &count);
	asked->denied = find_denial(facts, count) != NULL;
	if (topology->has_primary)
		primary = server_of(facts, count, &topology->primary);
	if (primary != NULL && !server_takes_writes(primary))
		primary = NULL;
	for (size_t i = 0; i < asked->member_count; i++) {
		const struct member *member = asked->members[i];
		const struct line line = {.check = check,
		                          .asked = asked,
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
	struct asking asking = {.check = check, .count = check->config->cluster_count};
	int64_t longest_ms = 0;

	asking.clusters = xcalloc(asking.count, sizeof(*asking.clusters));
	for (size_t i = 0; i < asking.count; i++) {
		start(&asking, i);
		longest_ms = larger(longest_ms, asking.clusters[i].config->verify_timeout_ms);
	}
	/* Two attempts have to fit, because a server that hangs up once is only asked again. */
	if (!all_answered(&asking))
		check_run_loop(check, 2 * longest_ms + SLACK_MS);
	for (size_t i = 0; i < asking.count; i++) {
		struct asked *asked = &asking.clusters[i];

		if (asked->verifier != NULL)
			note_cluster(check, asked);
		verifier_destroy(asked->verifier);
		applied_fini(&asked->applied);
	}
	free(asking.clusters);
}
