/* Several [publisher] sections in one segue publish: two clusters, one ZooKeeper session, one
 * socket; sections that a reload takes away and brings back; the end of them all. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "fixtures/repmgr_stage.h"

#define ORDERS  "/segue/orders"
#define BILLING "/segue/billing"

TestSuite(publish_several, .timeout = 180);

/* `pg[0]` is the cluster orders, `pg[1]` is billing. */
struct pair {
	struct lab *lab;
	struct lab_zk *zk;
	struct lab_pg *pg[2];
	struct lab_segue *segue;
};

static const char *section(struct pair *pair, const char *name, int cluster)
{
	return lab_printf(pair->lab,
	                  "[cluster %s]\npath = /segue/%s\n"
	                  "[publisher %s]\ncluster = %s\nname = pub\nrepmgr = no\n"
	                  "nodes = host=127.0.0.1 port=%u\n"
	                  "conninfo = user=postgres dbname=postgres\n"
	                  "notify_socket = %s/notify.sock\ninterval = 1m\n",
	                  name, name, name, name, lab_pg_port(pair->pg[cluster], 0),
	                  lab_dir(pair->lab));
}

static const char *with_sections(struct pair *pair, const char *a, const char *b)
{
	return lab_printf(pair->lab, "[zookeeper]\nhosts = %s\nsession_timeout = 40s\n%s%s",
	                  lab_zk_hosts(pair->zk), a, b);
}

static void pair_start(struct pair *pair)
{
	pair->lab = lab_create("several");
	pair->zk = lab_zk_share(pair->lab);
	for (int i = 0; i < 2; i++)
		pair->pg[i] = lab_pg_start(pair->lab, 1);
	pair->segue = lab_segue_create(pair->lab, with_sections(pair, section(pair, "orders", 0),
	                                                        section(pair, "billing", 1)));
	lab_segue_publish(pair->segue);
}

static void reload(struct pair *pair, const char *ini, const char *publishers)
{
	lab_write_file(lab_segue_ini_file(pair->segue), ini);
	lab_segue_mark(pair->segue);
	lab_process_signal(lab_segue_process(pair->segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(pair->segue, CROWD_TIMEOUT_MS,
	                                      "event=config_reloaded", publishers, NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(pair->segue)));
}

struct node_wanted {
	struct pair *pair;
	const char *path, *text; /* NULL: it is not to be there */
};

static bool is_as_wanted(void *arg)
{
	const struct node_wanted *wanted = arg;
	auto_strbuf struct strbuf data = STRBUF_INIT;
	bool there = lab_zk_get(wanted->pair->zk, wanted->path, &data, NULL);

	return wanted->text == NULL ? !there : there && strstr(data.data, wanted->text) != NULL;
}

static void must_hold(struct pair *pair, const char *path, const char *text)
{
	cr_assert(
	    lab_wait_until(is_as_wanted, &(struct node_wanted){pair, path, text}, CROWD_TIMEOUT_MS),
	    "%s:\n%s", path, lab_process_log_tail(lab_segue_process(pair->segue)));
}

/* Each cluster's znode names its own server. */
static void must_name_both(struct pair *pair)
{
	const char *const masters[] = {ORDERS "/master", BILLING "/master"};

	for (int i = 0; i < 2; i++)
		must_hold(pair, masters[i],
		          lab_printf(pair->lab, "\"port\":%u", lab_pg_port(pair->pg[i], 0)));
}

static void must_show_both(struct pair *pair)
{
	must_hold(pair, ORDERS "/publishers/pub", "primary");
	must_hold(pair, BILLING "/publishers/pub", "primary");
}

Test(publish_several, two_clusters_share_a_session_and_a_socket)
{
	struct pair pair;
	auto_strbuf struct strbuf out = STRBUF_INIT;
	const char *notify[] = {NULL, "notify", "-s", NULL, "billing", NULL};

	pair_start(&pair);
	must_name_both(&pair);
	must_show_both(&pair);
	cr_assert_eq(lab_segue_count_log(pair.segue, "event=store_connected", NULL), 1);
	notify[0] = lab_segue_binary(pair.lab);
	notify[3] = lab_path(pair.lab, "notify.sock");
	cr_assert_eq(lab_run(pair.lab, notify, &out), 0, "%s", out.data);
	cr_assert_not_null(lab_segue_wait_log(pair.segue, CROWD_TIMEOUT_MS, "event=notified",
	                                      "cluster=billing", NULL));
	cr_assert_eq(lab_segue_count_log(pair.segue, "event=notified", NULL), 1);
	lab_destroy(pair.lab);
}

Test(publish_several, a_reload_takes_one_away_and_brings_it_back)
{
	struct pair pair;
	const char *orders, *billing;
	int64_t before, after;

	pair_start(&pair);
	must_show_both(&pair);
	must_name_both(&pair);
	orders = section(&pair, "orders", 0);
	billing = section(&pair, "billing", 1);
	cr_assert(lab_zk_get(pair.zk, ORDERS "/publishers/pub", NULL, &before));
	reload(&pair, with_sections(&pair, orders, ""), "publishers=1 ");
	must_hold(&pair, BILLING "/publishers/pub", NULL);
	must_name_both(&pair); /* the fact stays, though nobody watches over it */
	reload(&pair, with_sections(&pair, billing, orders), "publishers=2 ");
	must_show_both(&pair);
	cr_assert_eq(lab_segue_count_log(pair.segue, "event=store_connected", NULL), 0);
	cr_assert(lab_zk_get(pair.zk, ORDERS "/publishers/pub", NULL, &after));
	cr_assert_eq(after, before, "the presence of the one that stayed was touched");
	lab_destroy(pair.lab);
}

/* No time passes between the end of the process and the look. */
Test(publish_several, their_presence_ends_with_the_process)
{
	struct pair pair;

	pair_start(&pair);
	must_name_both(&pair);
	must_show_both(&pair);
	cr_assert_eq(lab_process_stop(lab_segue_process(pair.segue)), 0);
	cr_assert_not(lab_zk_get(pair.zk, ORDERS "/publishers/pub", NULL, NULL));
	cr_assert_not(lab_zk_get(pair.zk, BILLING "/publishers/pub", NULL, NULL));
	must_name_both(&pair);
	lab_destroy(pair.lab);
}
