/* The table of `segue status`: whatever the document lacks, and whatever stands in it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "report/status_table.h"

#define CLUSTERS(text) "{\"clusters\":[" text "]}"
#define ORDERS                                                                                                                                   \
	"{\"name\":\"orders\",\"state\":\"pinned\",\"reason\":\"an operator said so\",\"level\":\"bad\","                                        \
	"\"headlines\":[\"ALARM: two servers take writes\",\"PINNED to [fd00::2]:5432\"],\"store\":{\"state\":\"value\",\"zxid\":7,\"primary\":" \
	"\"10.0.0.1:5432\",\"problem\":null},\"applied\":{\"zxid\":6,\"primary\":"                                                               \
	"\"10.0.0.2:5432\",\"name\":\"db2\",\"timeline\":3,\"since\":\"2026-11-23T11:07:25Z\"},"                                                 \
	"\"override\":{\"kind\":\"pin\",\"address\":\"fd00::2\",\"port\":5432,\"by\":\"alice@p1\","                                              \
	"\"since\":\"2026-11-23T11:07:20Z\"},\"servers\":[{\"address\":\"10.0.0.1\",\"port\":5432,"                                              \
	"\"name\":\"db1\",\"role\":\"standby\",\"class\":\"ok\",\"problem\":\"\",\"timeline\":3,"                                                \
	"\"lag_bytes\":0,\"admitted\":false,\"why\":\"in recovery\"},{\"address\":\"fd00::2\","                                                  \
	"\"port\":5432,\"name\":\"a-long-name\",\"role\":\"primary\",\"class\":\"refused\","                                                     \
	"\"problem\":\"nobody listens\",\"lag_bytes\":null,\"admitted\":null,\"why\":\"\"}],"                                                    \
	"\"targets\":[{\"name\":\"local\",\"kind\":\"haproxy\",\"zxid\":6,\"in_sync\":true,"                                                     \
	"\"step\":\"idle\",\"problem\":\"\",\"moves\":[{\"total_ms\":1.793},{\"total_ms\":2}]}],"                                                \
	"\"hold\":{\"since\":\"2026-11-23T11:07:25Z\",\"left_ms\":12345,\"by\":\"store\",\"policy\":\"hold\"},"                                  \
	"\"hold_timeout\":{\"ms\":55000,\"starting_up_ms\":300000,\"from\":\"auto, for once\"}}"

static char *print(const char *json, const char *cluster, bool colour, bool *found)
{
	json_auto_t *document = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_not_null(document, "%s", json);
	*found = status_table_print(document, cluster, colour, out);
	fclose(out);
	return text;
}

static void expect(const char *json, const char *text)
{
	bool found;
	auto_free char *printed = print(json, NULL, false, &found);

	cr_assert(found);
	cr_assert_str_eq(printed, text);
}

Test(report_status_table, all_of_it)
{
	expect(
	    "{\"segue\":\"0.1.0\",\"name\":\"p1\",\"pid\":77,\"started\":\"2026-11-23T11:00:00Z\","
	    "\"store\":{\"connected\":true,\"description\":\"connected to zk1:2181\"},\"clusters\":[" ORDERS
	    "]}",
	    "segue 0.1.0, name p1, pid 77, since 2026-11-23T11:00:00Z\n"
	    "store: connected to zk1:2181\n"
	    "\n"
	    "cluster orders: pinned\n"
	    "  ALARM: two servers take writes\n"
	    "  PINNED to [fd00::2]:5432\n"
	    "  hold      requested by the store, since 2026-11-23T11:07:25Z, 12.3 s left\n"
	    "  may hold  55.0 s, by auto, for once\n"
	    "  reason    an operator said so\n"
	    "  primary   10.0.0.2:5432, name db2, timeline 3, since 2026-11-23T11:07:25Z, zxid "
	    "6\n"
	    "  store     value, primary 10.0.0.1:5432, zxid 7\n"
	    "\n"
	    "  SERVER          NAME         ROLE     ANSWERS  TIMELINE  LAG BYTES  ADMITTED  WHY\n"
	    "  10.0.0.1:5432   db1          standby  ok       3         0          no        in "
	    "recovery\n"
	    "  [fd00::2]:5432  a-long-name  primary  refused  -         -          -         "
	    "nobody listens\n"
	    "\n"
	    "  TARGET         IN SYNC  STEP  ZXID  LAST MOVE  PROBLEM\n"
	    "  haproxy/local  yes      idle  6     1.8 ms     -\n");
}

Test(report_status_table, everything_may_be_missing)
{
	expect("{}", "\nstore: -\n");
	expect(CLUSTERS("{}"), "\nstore: -\n\ncluster -: -\n");
	expect(CLUSTERS("{\"servers\":[{}],\"targets\":[{}]}"),
	       "\nstore: -\n\ncluster -: -\n\n"
	       "  SERVER  NAME  ROLE  ANSWERS  TIMELINE  LAG BYTES  ADMITTED  WHY\n"
	       "  -       -     -     -        -         -          -         -\n\n"
	       "  TARGET  IN SYNC  STEP  ZXID  LAST MOVE  PROBLEM\n"
	       "  /       -        -     -     -          -\n");
}

Test(report_status_table, a_refused_configuration_stands_above_the_clusters)
{
	expect("{\"config_refused\":\"CONFIG REFUSED since 2026: a.ini line 3: bad\\u001b[2J\","
	       "\"clusters\":[{}]}",
	       "\nstore: -\nCONFIG REFUSED since 2026: a.ini line 3: bad?[2J\n\ncluster -: -\n");
}

Test(report_status_table, a_timeline_that_nobody_knows_is_a_dash)
{
	expect(CLUSTERS("{\"applied\":{\"primary\":\"10.0.0.2:5432\",\"timeline\":null},"
	                "\"servers\":[{\"timeline\":null}]}"),
	       "\nstore: -\n\ncluster -: -\n"
	       "  primary   10.0.0.2:5432, timeline -\n\n"
	       "  SERVER  NAME  ROLE  ANSWERS  TIMELINE  LAG BYTES  ADMITTED  WHY\n"
	       "  -       -     -     -        -         -          -         -\n");
}

Test(report_status_table, everything_may_be_of_another_type)
{
	expect("{\"segue\":1,\"store\":[],\"clusters\":{}}", "\nstore: -\n");
	expect("{\"store\":{\"connected\":\"yes\",\"description\":2},\"clusters\":[1,{\"name\":[],"
	       "\"servers\":{},\"targets\":7,\"override\":\"x\",\"applied\":3,\"store\":null}]}",
	       "\nstore: -\n\ncluster -: -\n\ncluster -: -\n");
}

Test(report_status_table, no_text_gets_control_of_the_terminal)
{
	expect(CLUSTERS("{\"name\":\"a\\u001b[2J\\n\\u007f\\u009bb\",\"state\":\"\\u00fc\"}"),
	       "\nstore: -\n\ncluster a?[2J???b: \xc3\xbc\n");
	expect(CLUSTERS("{\"servers\":[{\"address\":\"\\u001b[2J\",\"port\":1}]}"),
	       "\nstore: -\n\ncluster -: -\n\n"
	       "  SERVER  NAME  ROLE  ANSWERS  TIMELINE  LAG BYTES  ADMITTED  WHY\n"
	       "  ?[2J:1  -     -     -        -         -          -         -\n");
}

Test(report_status_table, one_cluster_of_many)
{
	const char *two = CLUSTERS("{\"name\":\"a\"},{\"name\":\"b\"}");
	bool found;
	auto_free char *b = print(two, "b", false, &found);

	cr_assert(found);
	cr_assert_str_eq(b, "\nstore: -\n\ncluster b: -\n");
	free(print(two, "c", false, &found));
	cr_assert_not(found);
}

Test(report_status_table, colours_say_good_and_bad)
{
	bool found;
	auto_free char *text = print(
	    CLUSTERS("{\"name\":\"a\",\"state\":\"current\",\"targets\":[{\"problem\":\"p\"}]},"
	             "{\"name\":\"b\",\"state\":\"fenced\"},{\"name\":\"c\",\"state\":\"held\"},"
	             "{\"name\":\"d\",\"state\":\"lost\"},"
	             "{\"name\":\"e\",\"state\":\"overruled\"}"),
	    NULL, true, &found);

	cr_assert_not_null(strstr(text, "a: \033[32mcurrent\033[0m\n"), "%s", text);
	cr_assert_not_null(strstr(text, "b: \033[1;31mfenced\033[0m\n"), "%s", text);
	cr_assert_not_null(strstr(text, "c: \033[33mheld\033[0m\n"), "%s", text);
	cr_assert_not_null(strstr(text, "d: \033[1;31mlost\033[0m\n"), "%s", text);
	cr_assert_not_null(strstr(text, "e: \033[1;31moverruled\033[0m\n"), "%s", text);
	cr_assert_not_null(strstr(text, "\033[1;31m/ "), "%s", text);
}
