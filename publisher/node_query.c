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

static const char repmgr_state[] =
    ", (SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') "
    "AND pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'readable' "
    "ELSE 'denied' END FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
    "ON n.oid = c.relnamespace WHERE n.nspname = '%s' AND c.relname = 'nodes')";
static const char repmgr_nodes[] =
    ", (SELECT pg_catalog.json_agg(pg_catalog.json_build_object("
    "'name', node_name, 'type', type, 'active', active, 'conninfo', conninfo) "
    "ORDER BY node_id) FROM \"%s\".nodes)::text, e.node_name, e.at";

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
		strbuf_printf(&sql, repmgr_state, config->repmgr_schema);
	if (repmgr)
		strbuf_printf(&sql, repmgr_nodes, config->repmgr_schema);
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

void node_query_answer_fini(struct node_query_answer *answer)
{
	for (size_t i = 0; i < answer->node_count; i++)
		free(answer->nodes[i].conninfo);
	free(answer->nodes);
	answer->nodes = NULL;
	answer->node_count = 0;
}

static void copy_name(char name[TOPOLOGY_NAME_MAX], const char *text)
{
	bool fine = text != NULL && layout_name_problem(text) == NULL;

	snprintf(name, TOPOLOGY_NAME_MAX, "%s", fine ? text : "");
}

static void take_node(struct repmgr_node *node, const json_t *row)
{
	static const char *const types[] = {
	    [NODE_PRIMARY] = "primary", [NODE_STANDBY] = "standby", [NODE_WITNESS] = "witness"};
	const char *conninfo = json_string_value(json_object_get(row, "conninfo"));
	const char *type = json_string_value(json_object_get(row, "type"));

	copy_name(node->name, json_string_value(json_object_get(row, "name")));
	for (size_t i = NODE_PRIMARY; type != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i]) == 0)
			node->role = (enum node_role)i;
	node->inactive = json_is_false(json_object_get(row, "active"));
	node->conninfo = xstrdup(conninfo != NULL ? conninfo : "");
}

static bool parse_nodes(const char *text, struct node_query_answer *answer, struct err *err)
{
	json_auto_t *rows = json_loads(text, 0, NULL);
	size_t size = json_array_size(rows);

	if (!json_is_array(rows) || size > TOPOLOGY_SLOTS_MAX)
		return err_set(err, "repmgr's table nodes has %zu rows: 1 to %d are allowed", size,
		               TOPOLOGY_SLOTS_MAX);
	answer->nodes = xcalloc(size + 1, sizeof(*answer->nodes));
	for (size_t i = 0; i < size; i++)
		take_node(&answer->nodes[i], json_array_get(rows, i));
	answer->node_count = size;
	return true;
}

bool node_query_parse(const char *const row[NODE_QUERY_COLUMNS], struct node_query_answer *out,
                      struct err *err)
{
	struct node_query_answer answer = {.fact = out->fact};

	if (!question_parse(row, &answer.fact, err))
		return false;
	if (row[7] != NULL && !parse_nodes(row[7], &answer, err))
		return false;
	answer.receiving = row[4] != NULL && *row[4] == 't';
	snprintf(answer.instance, sizeof(answer.instance), "%s", row[5] != NULL ? row[5] : "");
	answer.repmgr = row[6] == NULL                    ? NODE_QUERY_REPMGR_ABSENT
	                : strcmp(row[6], "readable") == 0 ? NODE_QUERY_REPMGR_READABLE
	                                                  : NODE_QUERY_REPMGR_DENIED;
	if (row[9] != NULL && layout_time_problem(row[9]) == NULL)
		copy_name(answer.promoted_name, row[8]);
	snprintf(answer.promoted_at, sizeof(answer.promoted_at), "%s",
	         *answer.promoted_name != '\0' ? row[9] : "");
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
