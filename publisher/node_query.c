/* The question and its answer. It never names a table that may not exist: it first asks whether
 * repmgr's tables are there, and reads them from the next question on. Always: one statement
 * returns the row, and the write check before it sets a setting when it fails, but never raises an
 * error. */
#include "publisher/node_query.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "postgres/question.h"
#include "topology/layout_fields.h"

/* A standby whose last message is older receives from nobody. Both times are of its own clock. */
#define SILENCE_MIN_MS 1000

/* The error that the block raises rolls the row back. Any other error is kept in the setting
 * segue.refused. A standby is not tested, because it has to refuse. */
static const char write_check[] =
    "DO $segue$ BEGIN PERFORM pg_catalog.set_config('segue.refused', '', false); "
    "IF NOT pg_catalog.pg_is_in_recovery() THEN %s BEGIN %s; "
    "RAISE EXCEPTION USING ERRCODE = 'SEGUE'; EXCEPTION WHEN SQLSTATE 'SEGUE' THEN NULL; END; "
    "END IF; EXCEPTION WHEN OTHERS THEN "
    "PERFORM pg_catalog.set_config('segue.refused', SQLERRM, false); END $segue$; ";

static const char temporary_table[] =
    "CREATE TEMPORARY TABLE IF NOT EXISTS segue_write_check (at timestamptz);";
static const char temporary_row[] = "INSERT INTO segue_write_check VALUES (pg_catalog.now())";

/* The schema's name contains no quotes: only [A-Za-z0-9._-]. */
static void append_write_check(struct strbuf *sql, const char *schema, bool repmgr)
{
	auto_free char *row = xasprintf("INSERT INTO \"%s\".events (node_id, event, successful) "
	                                "VALUES (0, 'segue_write_check', false)",
	                                schema);

	strbuf_printf(sql, write_check, repmgr ? "" : temporary_table,
	              repmgr ? row : temporary_row);
}

/* To a role that is not a member of pg_monitor, pg_stat_wal_receiver shows only the pid. A receiver
 * that runs then counts as receiving. */
static void append_server(struct strbuf *sql, int64_t silence_ms, bool identifier)
{
	strbuf_printf(
	    sql,
	    "SELECT r.recovery, CASE WHEN r.recovery THEN pg_catalog.lpad(pg_catalog.upper("
	    "pg_catalog.to_hex(w.received_tli)), 8, '0') ELSE pg_catalog.substr("
	    "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END, "
	    "pg_catalog.pg_wal_lsn_diff(CASE WHEN r.recovery "
	    "THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, "
	    "'0/0'), %s, r.recovery AND w.pid IS NOT NULL AND (w.last_msg_receipt_time IS NULL "
	    "OR pg_catalog.clock_timestamp() - w.last_msg_receipt_time < interval '%lld ms'), "
	    "pg_catalog.pg_postmaster_start_time()::text || ' ' || "
	    "coalesce(pg_catalog.inet_server_port(), 0)",
	    identifier ? "(SELECT system_identifier FROM pg_catalog.pg_control_system())" : "NULL",
	    (long long)(silence_ms > SILENCE_MIN_MS ? silence_ms : SILENCE_MIN_MS));
}

static void append_repmgr_state(struct strbuf *sql, const char *schema)
{
	strbuf_printf(sql,
	              ", (SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') "
	              "AND pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'readable' "
	              "ELSE 'denied' END FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
	              "ON n.oid = c.relnamespace WHERE n.nspname = '%s' AND c.relname = 'nodes')",
	              schema);
}

static void append_repmgr(struct strbuf *sql, const char *schema)
{
	strbuf_printf(sql,
	              ", (SELECT pg_catalog.json_agg(pg_catalog.json_build_object("
	              "'name', node_name, 'type', type, 'active', active, 'conninfo', conninfo) "
	              "ORDER BY node_id) FROM \"%s\".nodes)::text, e.node_name, e.at",
	              schema);
}

static void append_from(struct strbuf *sql, const char *schema, bool repmgr)
{
	strbuf_append_str(sql,
	                  ", pg_catalog.current_setting('segue.refused', true) "
	                  "FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery OFFSET 0) AS r "
	                  "LEFT JOIN pg_catalog.pg_stat_wal_receiver AS w ON true");
	if (repmgr)
		strbuf_printf(
		    sql,
		    " LEFT JOIN (SELECT n.node_name, pg_catalog.to_char(v.event_timestamp "
		    "AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at "
		    "FROM \"%s\".events AS v LEFT JOIN \"%s\".nodes AS n USING (node_id) "
		    "WHERE v.successful AND v.event IN ('standby_promote', "
		    "'repmgrd_failover_promote') ORDER BY v.event_timestamp DESC LIMIT 1) AS e ON true",
		    schema, schema);
}

static char *make_sql(const struct config_publisher *config, bool identifier, bool repmgr)
{
	struct strbuf sql = STRBUF_INIT;

	if (config->write_check == CONFIG_WRITE_CHECK_TABLE)
		append_write_check(&sql, config->repmgr_schema, repmgr);
	append_server(&sql, config->interval_ms, identifier);
	if (config->repmgr == CONFIG_REPMGR_NO)
		strbuf_append_str(&sql, ", NULL");
	else
		append_repmgr_state(&sql, config->repmgr_schema);
	if (repmgr)
		append_repmgr(&sql, config->repmgr_schema);
	else
		strbuf_append_str(&sql, ", NULL, NULL, NULL");
	append_from(&sql, config->repmgr_schema, repmgr);
	return strbuf_detach(&sql);
}

void node_query_init(struct node_query *node_query, const struct config_publisher *config)
{
	node_query->plain = make_sql(config, true, false);
	node_query->reduced = make_sql(config, false, false);
	node_query->with_repmgr = make_sql(config, true, true);
}

void node_query_fini(struct node_query *node_query)
{
	free(node_query->plain);
	free(node_query->reduced);
	free(node_query->with_repmgr);
}

/* -- the answer -- */

static void free_nodes(struct repmgr_node *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(nodes[i].conninfo);
	free(nodes);
}

void node_query_answer_fini(struct node_query_answer *answer)
{
	free_nodes(answer->nodes, answer->node_count);
	answer->nodes = NULL;
	answer->node_count = 0;
}

static enum node_role role_of(const char *type)
{
	static const struct {
		const char *type;
		enum node_role role;
	} roles[] = {
	    {"primary", NODE_PRIMARY}, {"standby", NODE_STANDBY}, {"witness", NODE_WITNESS}};

	for (size_t i = 0; type != NULL && i < ARRAY_LEN(roles); i++)
		if (strcmp(type, roles[i].type) == 0)
			return roles[i].role;
	return NODE_ROLE_UNKNOWN;
}

static void copy_name(char name[TOPOLOGY_NAME_MAX], const char *text)
{
	bool fine = text != NULL && layout_name_problem(text) == NULL;

	snprintf(name, TOPOLOGY_NAME_MAX, "%s", fine ? text : "");
}

static void take_node(struct repmgr_node *node, const json_t *row)
{
	const char *conninfo = json_string_value(json_object_get(row, "conninfo"));

	copy_name(node->name, json_string_value(json_object_get(row, "name")));
	node->role = role_of(json_string_value(json_object_get(row, "type")));
	node->inactive = json_is_false(json_object_get(row, "active"));
	node->conninfo = xstrdup(conninfo != NULL ? conninfo : "");
}

static bool parse_nodes(const char *text, struct repmgr_node **nodes, size_t *count,
                        struct err *err)
{
	json_error_t error;
	json_t *rows = json_loads(text, 0, &error);
	size_t size = json_array_size(rows);

	if (!json_is_array(rows) || size > TOPOLOGY_SLOTS_MAX) {
		json_decref(rows);
		return err_set(err, "repmgr's table nodes has %zu rows: 1 to %d are allowed", size,
		               TOPOLOGY_SLOTS_MAX);
	}
	*nodes = xcalloc(size + 1, sizeof(**nodes));
	for (size_t i = 0; i < size; i++)
		take_node(&(*nodes)[i], json_array_get(rows, i));
	*count = size;
	json_decref(rows);
	return true;
}

static enum node_query_repmgr repmgr_state(const char *text)
{
	if (text == NULL)
		return NODE_QUERY_REPMGR_ABSENT;
	return strcmp(text, "readable") == 0 ? NODE_QUERY_REPMGR_READABLE
	                                     : NODE_QUERY_REPMGR_DENIED;
}

static void take_promotion(struct node_query_answer *answer, const char *name, const char *at)
{
	bool fine = at != NULL && layout_time_problem(at) == NULL;

	copy_name(answer->promoted_name, fine ? name : NULL);
	snprintf(answer->promoted_at, sizeof(answer->promoted_at), "%s",
	         *answer->promoted_name != '\0' ? at : "");
}

bool node_query_parse(const char *const row[NODE_QUERY_COLUMNS], struct node_query_answer *out,
                      struct err *err)
{
	struct node_query_answer answer = {.fact = out->fact};

	if (!question_parse(row, &answer.fact, err))
		return false;
	if (row[7] != NULL && !parse_nodes(row[7], &answer.nodes, &answer.node_count, err))
		return false;
	answer.receiving = row[4] != NULL && *row[4] == 't';
	snprintf(answer.instance, sizeof(answer.instance), "%s", row[5] != NULL ? row[5] : "");
	answer.repmgr = repmgr_state(row[6]);
	take_promotion(&answer, row[8], row[9]);
	snprintf(answer.refused, sizeof(answer.refused), "%s", row[10] != NULL ? row[10] : "");
	node_query_answer_fini(out);
	*out = answer;
	return true;
}

bool node_query_knows_better(const struct node_query_answer *a, enum node_role role_a,
                             const struct node_query_answer *b, enum node_role role_b)
{
	if ((role_a == NODE_WITNESS) != (role_b == NODE_WITNESS))
		return role_b == NODE_WITNESS;
	if (a->fact.timeline != b->fact.timeline)
		return a->fact.timeline > b->fact.timeline;
	return b->fact.in_recovery && !a->fact.in_recovery;
}
