/* Connection strings of `nodes` and of repmgr.nodes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "publisher/conninfo_list.h"

static void expect_list(const char *list, const char *const *wanted)
{
	char *item;

	while ((item = conninfo_list_next(&list)) != NULL) {
		cr_assert_not_null(*wanted, "one too many: %s", item);
		cr_expect_str_eq(item, *wanted);
		wanted++;
		free(item);
	}
	cr_assert_null(*wanted);
}

Test(conninfo_list, a_list_is_taken_apart_at_its_commas)
{
	static const char *const wanted[] = {"host=a port=1", "postgresql://u@b:2/db?x=y",
	                                     "host='c,d'", "host = e\\,f", NULL};

	expect_list("host=a port=1 , postgresql://u@b:2/db?x=y,host='c,d'\t,  host = e\\,f  ",
	            wanted);
	expect_list("  ", (const char *const[]){NULL});
}

static void parse(const char *conninfo, struct conninfo_target *target)
{
	struct libpq pq;
	struct err err = {0};

	cr_assert(libpq_load(&pq, &err), "%s", err.message);
	cr_assert(conninfo_target_parse(&pq, "user=repmgr dbname='re pmgr' password='it\\'s'",
	                                conninfo, CONNINFO_OWN_FIRST, target, &err),
	          "%s", err.message);
}

Test(conninfo_list, a_string_stands_over_what_is_common)
{
	struct conninfo_target target;

	parse("host=db1.example port=5433 user=other", &target);
	cr_assert_str_eq(target.member.host, "db1.example");
	cr_assert_str_eq(target.member.address, "");
	cr_assert_eq(target.member.port, 5433);
	cr_assert_not_null(strstr(target.conninfo, "dbname='re pmgr'"));
	cr_assert_not_null(strstr(target.conninfo, "password='it\\'s'"));
	cr_assert_gt(strstr(target.conninfo, "user='other'"),
	             strstr(target.conninfo, "user='repmgr'"));
	cr_assert_null(strstr(target.conninfo, "host"));
	conninfo_target_fini(&target);
}

Test(conninfo_list, a_uri_and_an_address_beside_a_name)
{
	struct conninfo_target target;

	parse("postgresql://u@[fd00::1]/db", &target);
	cr_assert_str_eq(target.member.host, "fd00::1");
	cr_assert_str_eq(target.member.address, "fd00::1");
	cr_assert_eq(target.member.port, 5432);
	conninfo_target_fini(&target);
	parse("host=db1 hostaddr=10.0.0.1", &target);
	cr_assert_str_eq(target.member.host, "db1");
	cr_assert_str_eq(target.member.address, "10.0.0.1");
	conninfo_target_fini(&target);
}

Test(conninfo_list, what_no_proxy_can_be_led_to_is_refused)
{
	static const char *const wrong[] = {"user=x",         "host=/run/postgresql", "host=a,b",
	                                    "host=a port=0",  "host=-bad-",           "nonsense",
	                                    "host=a port=1,2"};
	struct conninfo_target target;
	struct libpq pq;
	struct err err;

	cr_assert(libpq_load(&pq, &err));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		cr_expect_not(
		    conninfo_target_parse(&pq, "", wrong[i], CONNINFO_OWN_FIRST, &target, &err),
		    "%s", wrong[i]);
}

Test(conninfo_list, repmgrs_string_says_where_and_not_as_whom)
{
	struct conninfo_target target;
	struct libpq pq;
	struct err err;

	cr_assert(libpq_load(&pq, &err));
	cr_assert(conninfo_target_parse(&pq, "user=segue dbname=repmgr port=1",
	                                "host=db1 user=repmgr port=5433 password=x",
	                                CONNINFO_COMMON_FIRST, &target, &err));
	cr_assert_str_eq(target.member.host, "db1");
	cr_assert_eq(target.member.port, 5433);
	cr_assert_gt(strstr(target.conninfo, "user='segue'"),
	             strstr(target.conninfo, "user='repmgr'"));
	conninfo_target_fini(&target);
}
