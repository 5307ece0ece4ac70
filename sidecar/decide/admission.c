/* Admission: may clients be sent to a server as the primary? A table of what is known of it. */
#include "decide/admission.h"

#include <limits.h>
#include <string.h>

#include "decide_internal.h"

bool same_system(const char *a, const char *b)
{
	return a == NULL || b == NULL || *a == '\0' || *b == '\0' || strcmp(a, b) == 0;
}

/* The floor is that of the server applied last. If that one was followed against the store and is
 * no primary any more, it is that of the last primary before it that the store named (floor_of() in
 * decide.c). It has no timeline if a person has named the primary since (segue set-primary).
 *
 * Timelines are compared within one system only. If the store names another system identifier than
 * the floor's, the cluster was initialised again, and its timelines start at 1. */
static unsigned admission_facts(const struct admission_input *input,
                                const struct server_fact *server)
{
	const char *cluster = input->system_identifier;
	bool below = !server->in_recovery && server->timeline > 0 &&
	             server->timeline < input->floor.timeline &&
	             same_system(cluster, input->floor.system_identifier);
	bool was_standby = server->known && server->in_recovery && !input->is_old_news;

	return (same_system(server->system_identifier, cluster) ? 0 : ADMIT_IF_OTHER_SYSTEM) |
	       (below ? ADMIT_IF_BELOW_FLOOR : 0) |
	       (server->in_recovery ? ADMIT_IF_IN_RECOVERY : 0) |
	       (was_standby ? ADMIT_IF_WAS_STANDBY : 0) |
	       (input->is_applied ? ADMIT_IF_APPLIED : 0) |
	       (input->last_lives ? ADMIT_IF_LAST_LIVES : 0);
}

#define BIT(value) (1U << (value))
#define ANY        UINT_MAX
#define RUNS       (BIT(SERVER_FULL) | BIT(SERVER_DENIED) | BIT(SERVER_FAULTY) | BIT(SERVER_OTHER))
#define DISABLE    BIT(CONFIG_VERIFY_DISABLE)
#define REQUIRE    BIT(CONFIG_VERIFY_REQUIRE)

const struct admission_row admission_rows[ADMISSION_ROWS] = {
    {DISABLE, ANY, 0, ADMIT_YES, ""},
    {ANY, BIT(SERVER_UNASKED), 0, ADMIT_LATER, "it has not been asked yet"},
    {ANY, BIT(SERVER_REFUSED), 0, ADMIT_LATER, "it refuses connections"},
    {ANY, BIT(SERVER_TIMED_OUT), 0, ADMIT_LATER, "it does not answer"},
    {ANY, BIT(SERVER_STARTING), 0, ADMIT_LATER, "it is starting or shutting down"},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_OTHER_SYSTEM, ADMIT_NO,
     "its system identifier is not the cluster's"},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_BELOW_FLOOR, ADMIT_NO, ADMIT_OLD_PRIMARY},
    {ANY, BIT(SERVER_ANSWERED), ADMIT_IF_IN_RECOVERY, ADMIT_LATER, "it is still in recovery"},
    {ANY, BIT(SERVER_ANSWERED), 0, ADMIT_YES, ""},
    {ANY, RUNS, ADMIT_IF_APPLIED, ADMIT_YES, ""},
    {ANY, BIT(SERVER_FAULTY), 0, ADMIT_LATER,
     "it rejects all logins with an error that is not about segue's permissions"},
    {REQUIRE, RUNS, 0, ADMIT_NO, "it rejects segue's login (verify = require)"},
    {ANY, RUNS, ADMIT_IF_LAST_LIVES, ADMIT_LATER,
     "it rejects segue's login, and the last primary is still running and took "
     "writes when it last answered"},
    {ANY, RUNS, ADMIT_IF_WAS_STANDBY, ADMIT_LATER,
     "it now rejects segue's login, and was in recovery when it last answered"},
    {ANY, ANY, 0, ADMIT_UNVERIFIED,
     "it is running but rejects segue's login, so segue could not check "
     "whether it is the primary"},
};

const struct admission_row *admission_row(const struct admission_input *input)
{
	static const struct server_fact unasked = {.class = SERVER_UNASKED};
	const struct server_fact *server = input->server != NULL ? input->server : &unasked;
	const struct admission_row *row = admission_rows;
	unsigned facts = admission_facts(input, server);

	while (!(row->verify & BIT(input->verify)) || !(row->classes & BIT(server->class)) ||
	       (row->facts & ~facts) != 0)
		row++; /* the last one matches always */
	return row;
}

struct admission admission_decide(const struct admission_input *input)
{
	const struct admission_row *row = admission_row(input);

	return (struct admission){row->kind, row->reason};
}

bool loss_is_proven(const struct server_fact *server)
{
	return server != NULL && server->unserved >= LOSS_UNSERVED;
}

const struct server_fact *find_denial(const struct server_fact *servers, size_t count)
{
	const struct server_fact *denial = NULL;

	for (size_t i = 0; i < count; i++) {
		if (servers[i].class == SERVER_ANSWERED || servers[i].class == SERVER_UNASKED)
			return NULL;
		if (denial == NULL && servers[i].class == SERVER_DENIED)
			denial = &servers[i];
	}
	return denial;
}

const struct server_fact *server_of(const struct server_fact *servers, size_t count,
                                    const struct member *member)
{
	for (size_t i = 0; i < count; i++)
		if (servers[i].port == member->port &&
		    strcmp(servers[i].address, member->address) == 0)
			return &servers[i];
	return NULL;
}
