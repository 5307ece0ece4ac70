/* Texts that the proxy would take, and that lead nobody to the primary. */
#include <criterion/criterion.h>
#include <string.h>

#include "cluster/target_kinds.h"
#include "haproxy/model/routes.h"

static struct config_target haproxy = {.kind = CONFIG_TARGET_HAPROXY, .leads_to_primary = true};
static struct config_target pgbouncer = {.kind = CONFIG_TARGET_PGBOUNCER, .leads_to_primary = true};

static bool leads(const struct config_target *target, const char *text, struct err *err)
{
	return text_check_leads(target, false, text, strlen(text), "10.0.0.1", 5432, err);
}

#define LISTEN "listen rw\n mode tcp\n bind :5000\n"

Test(text_check, a_server_that_takes_clients_has_to_be_the_primary)
{
	static const struct {
		const char *text;
		bool leads;
	} rows[] = {
	    {LISTEN " server a 10.0.0.1:5432\n", true},
	    {LISTEN " server a 10.0.0.1:5432 check inter 1s\n", true},
	    {LISTEN " server b 10.0.0.2:5432\n server a 10.0.0.1:5432\n", true},
	    {LISTEN " server a unix@/run/relay\n", true}, /* nobody can know */
	    {LISTEN " server a 10.0.0.1:5432 backup-of-mine\n", true},
	    {LISTEN " server a 10.0.0.1:5432 disabled\n", false},
	    {LISTEN " server a 10.0.0.1:5432 backup\n", false},
	    {LISTEN " server a 10.0.0.1:5432 check backup inter 1s\n", false},
	    {LISTEN " server a 10.0.0.1:5432 weight 0\n", false},
	    {LISTEN " default-server backup\n server a 10.0.0.1:5432\n", false},
	    {LISTEN " default-server backup\n server a 10.0.0.1:5432 no-backup\n", true},
	    {LISTEN " server a 10.0.0.1:5432 cookie backup\n", true},
	    {LISTEN " server a 10.0.0.1:5432 cookie backup backup\n", false},
	    {LISTEN " server a 10.0.0.1:5433\n", false},
	    {LISTEN " server a 10.0.0.11:5432\n", false},
	    {LISTEN " server a 127.0.0.1:1\n", false},
	    {LISTEN, false},
	    {"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};

		cr_expect_eq(leads(&haproxy, rows[i].text, &err), rows[i].leads, "%s: %s",
		             rows[i].text, err.message);
	}
}

Test(text_check, the_error_names_the_primary_and_the_key)
{
	struct err err;

	cr_assert_not(leads(&haproxy, LISTEN " server a 127.0.0.1:1\n", &err));
	cr_assert_not_null(strstr(err.message, "the primary, 10.0.0.1 port 5432"), "%s",
	                   err.message);
	cr_assert_not_null(strstr(err.message, "leads_to_primary = no"), "%s", err.message);
}

Test(text_check, a_database_has_to_lead_to_the_primary)
{
	static const struct {
		const char *text;
		bool leads;
	} rows[] = {
	    {"[databases]\na = host=10.0.0.1 port=5432\n", true},
	    {"[databases]\na = host=10.0.0.2 port=5432\nb = host=10.0.0.1 port=5432\n", true},
	    {"[databases]\na = host=10.0.0.2,10.0.0.1 port=5432\n", true},
	    {"[databases]\na = dbname=a\n", true}, /* the unix socket */
	    {"[databases]\na = host=10.0.0.11 port=5432\n", false},
	    {"[databases]\na = host=10.0.0.1 port=5433\n", false},
	    {"[databases]\na = host=10.0.0.2,10.0.0.3 port=5432\n", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};

		cr_expect_eq(leads(&pgbouncer, rows[i].text, &err), rows[i].leads, "%s: %s",
		             rows[i].text, err.message);
	}
}

#define FRONTENDS                                                                            \
	"frontend w\n mode tcp\n bind :5000\n default_backend rw\nfrontend r\n bind :5001\n" \
	" default_backend ro\n"
#define RW "backend rw\n server a 10.0.0.1:5432\n"
#define RO "backend ro\n server b 10.0.0.2:5432\n server a 10.0.0.1:5432 backup\n"

Test(text_check, a_new_text_is_followed_from_the_bind_to_the_server)
{
	static const struct {
		const char *text, *problem; /* NULL: none */
	} rows[] = {
	    {FRONTENDS RW RO, NULL},
	    {"frontend w\n bind :5000\n default_backend ro\n" RW RO,
	     "no bind leads to the primary, 10.0.0.1 port 5432: :5000 (frontend w) leads to other "
	     "servers"},
	    {"global\nfrontend w\n bind :5000\n" RW RO,
	     "line 2: frontend w has a bind and no backend"},
	    {"defaults\n default_backend rw\nfrontend w\n bind :5000\n" RW, NULL},
	    {"global\ndefaults d\n default_backend rw\ndefaults\nfrontend w "
	     "from d\n bind :5000\n" RW,
	     NULL},
	    {"frontend w\n bind :5000\n" RW, NULL}, /* defaults of another file may say it */
	    {"frontend w\n bind :5000\n default_backend elsewhere\n" RW, NULL},
	    {"frontend w\n bind :5000\n use_backend %[src]\n" RW, NULL},
	    {"global\nfrontend w\n bind :5000\n use_backend rw if TRUE\n" RW, NULL},
	    {"global\nfrontend s\n mode http\n bind :80\n stats enable\n" FRONTENDS RW RO, NULL},
	    {"global\nfrontend s\n mode http\n bind :80\n http-request return status 200\n"
	     "frontend w\n bind :5000\n default_backend ro\n" RW RO,
	     "no bind leads to the primary"},
	    {RW RO, NULL}, /* their frontends are in another file */
	    {RO, "no server that takes clients"},
	    {"listen w\n bind :5000\n server a 10.0.0.1:5432\n", NULL},
	    {"listen w\n bind :5000\n server a db:5432\n", "line 3"},
	    {"listen w\n bind :5000\n server a unix@/run/relay\n", NULL},
	    {"defaults d\n disabled\ndefaults\nlisten w from d\n bind "
	     ":5000\n server a 10.0.0.1:5432\n"
	     "listen r\n bind :5001\n server b 10.0.0.2:5432\n",
	     "no bind leads to the primary"},
	    {"defaults\n disabled\nlisten w\n enabled\n bind :5000\n server a 10.0.0.1:5432\n",
	     NULL},
	    {"listen w\n disabled\n bind :5000\n server a 10.0.0.1:5432\nlisten r\n bind :5001\n"
	     " server b 10.0.0.2:5432\n",
	     "no bind leads to the primary"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		bool fine = text_check_leads(&haproxy, true, rows[i].text, strlen(rows[i].text),
		                             "10.0.0.1", 5432, &err);

		cr_expect_eq(fine, rows[i].problem == NULL, "%s: %s", rows[i].text, err.message);
		cr_expect(rows[i].problem == NULL || strstr(err.message, rows[i].problem) != NULL,
		          "%s: %s", rows[i].text, err.message);
		cr_expect_eq(err.line > 0, strncmp(err.message, "line ", 5) == 0, "%s",
		             err.message);
	}
}

Test(text_check, an_address_that_leads_elsewhere_than_before_is_told)
{
	static const char before[] = FRONTENDS RW RO;
	static const struct {
		const char *text, *told;
	} rows[] = {
	    {FRONTENDS RW RO, ""},
	    {"frontend w\n bind :5001\n default_backend rw\nfrontend r\n bind :5000\n"
	     " default_backend ro\n" RW RO,
	     ":5000 (frontend w) led to the primary, and now leads to other servers (frontend r); "
	     ":5001 (frontend w) leads to it now"},
	    {"frontend w\n bind :6000\n default_backend rw\n" RW,
	     ":5000 (frontend w) led to the primary, and nothing is bound there now; :6000 "
	     "(frontend w) leads to it now"},
	    {"frontend w\n bind 10.0.0.9:5000\n default_backend rw\n" RW, ""},
	    {FRONTENDS "backend rw\n server a 10.0.0.1:5432\n server b 10.0.0.2:5432\n" RO,
	     ":5000 (frontend w) led to the primary, and now leads to the "
	     "primary, but also to other servers (frontend "
	     "w)"},
	    {FRONTENDS "backend rw\n server a 10.0.0.1:5432 disabled\n" RO,
	     ":5000 (frontend w) led to the primary, and now leads to no server that takes clients "
	     "(not disabled, no backup, weight above 0) (frontend w)"},
	    {FRONTENDS "frontend x\n bind :7000\n default_backend rw\n" RW RO, ""},
	    {"not read", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_strbuf struct strbuf told = STRBUF_INIT;
		const struct haproxy_routes_text old = {before, strlen(before), {"10.0.0.1", 5432}},
		                                 new = {rows[i].text,
		                                        strlen(rows[i].text),
		                                        {"10.0.0.1", 5432}};

		haproxy_routes_compare(&old, &new, &told);
		cr_expect_str_eq(told.data, rows[i].told);
	}
}

Test(text_check, who_says_so_may_lead_elsewhere)
{
	struct config_target readers = {.kind = CONFIG_TARGET_HAPROXY};
	struct err err;

	cr_assert(leads(&readers, LISTEN " server a 10.0.0.2:5432\n", &err));
}

#define BEFORE                                                                      \
	"listen rw\n bind :5000\n server a 10.0.0.1:5432\nlisten ro\n bind :5001\n" \
	" server b 10.0.0.2:5432\n"

Test(text_check, a_section_keeps_a_bind_and_a_server_where_it_had_some)
{
	static const struct {
		const char *text, *problem; /* NULL: none */
	} rows[] = {
	    {BEFORE, NULL},
	    {"listen rw\n bind :7000\n server x 10.0.0.9:1\nlisten ro\n bind :5001\n"
	     " server-template r 3 10.0.0.2:5432\n",
	     NULL},
	    {"listen rw\n bind :5000\n server a 10.0.0.1:5432\n", NULL}, /* it is gone as a whole */
	    {"listen rw\n server a 10.0.0.1:5432\nlisten ro\n bind :5001\n server b "
	     "10.0.0.2:5432\n",
	     "listen rw would have no bind line"},
	    {"listen rw\n bind :5000\n server a 10.0.0.1:5432\nlisten ro\n bind :5001\n",
	     "listen ro would have no server line"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		bool keeps = text_check_keeps(&haproxy, BEFORE, strlen(BEFORE), rows[i].text,
		                              strlen(rows[i].text), &err);

		cr_expect_eq(keeps, rows[i].problem == NULL, "%s: %s", rows[i].text, err.message);
		cr_expect(rows[i].problem == NULL || strstr(err.message, rows[i].problem) != NULL,
		          "%s", err.message);
	}
}
