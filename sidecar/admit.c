/* Admission as one table; the first row that matches wins. */
/* clang-format off */
/*   verify    the server                                                   admitted
 *   -------   ----------------------------------------------------------   ----------
 *   disable   whatever it is                                               yes
 *   any       answered: of another system than the cluster's               no
 *   any       answered: takes writes, on a lower timeline than the last    no
 *   any       answered: in recovery                                        later
 *   any       answered: takes writes                                       yes
 *   any       not asked yet, refused, timed out, starting                  later
 *   any       full, denied, faulty or other; it is the primary already     yes: it lives
 *   any       faulty                                                       later
 *   require   full, denied or other                                        no
 *   prefer    full, denied or other; the last primary took writes when it
 *             answered last, and lives                                     later
 *   prefer    full, denied or other; in recovery when it last answered     later
 *   prefer    full, denied or other                                        unverified
 *
 * The last one is the floor: that of the server applied last, or, when that one was followed against
 * the store's word and is the primary no more, that of the last one before it that the store named
 * (deciding_floor() in decide_servers.c). It has no timeline where a person has named the primary
 * since (segue set-primary).
 *
 * A timeline is compared within one system only: a store that names another identifier than the
 * floor's speaks of a cluster that was made anew, whose timelines begin at 1 again. */
/* clang-format on */
#include "admit.h"

#include <string.h>

static struct admission is(enum admission_kind kind, const char *reason)
{
	return (struct admission){.kind = kind, .reason = reason};
}

bool same_system(const char *a, const char *b)
{
	return a == NULL || b == NULL || *a == '\0' || *b == '\0' || strcmp(a, b) == 0;
}

static struct admission admit_answered(const struct admission_input *question)
{
	const struct server_fact *server = question->server;
	const char *cluster = question->system_identifier;

	if (!same_system(server->system_identifier, cluster))
		return is(ADMIT_NO, "its system identifier is not the cluster's");
	if (!server->in_recovery && server->timeline > 0 &&
	    server->timeline < question->floor.timeline &&
	    same_system(cluster, question->floor.system_identifier))
		return is(ADMIT_NO, ADMIT_OLD_PRIMARY);
	if (server->in_recovery)
		return is(ADMIT_LATER, "it is still in recovery");
	return is(ADMIT_YES, "");
}

static struct admission admit_living(const struct admission_input *question)
{
	if (question->is_applied)
		return is(ADMIT_YES, "");
	if (question->server->class == SERVER_FAULTY)
		return is(ADMIT_LATER, "it lets nobody in: its error is not about segue's access");
	if (question->verify == CONFIG_VERIFY_REQUIRE)
		return is(ADMIT_NO, "it does not let segue in (verify = require)");
	if (question->last_lives)
		return is(ADMIT_LATER, "it does not let segue in, and the last primary, which took "
		                       "writes when it was asked, lives");
	if (question->server->known && question->server->in_recovery && !question->is_old_news)
		return is(ADMIT_LATER, "it lets segue in no more, and was in recovery before");
	return is(ADMIT_UNVERIFIED,
	          "it lives but does not let segue in, so that nobody has checked "
	          "whether it is the primary");
}

struct admission admission_decide(const struct admission_input *question)
{
	if (question->verify == CONFIG_VERIFY_DISABLE)
		return is(ADMIT_YES, "");
	if (question->server == NULL)
		return is(ADMIT_LATER, "it has not been asked yet");
	switch (question->server->class) {
	case SERVER_ANSWERED:
		return admit_answered(question);
	case SERVER_UNASKED:
		return is(ADMIT_LATER, "it has not been asked yet");
	case SERVER_REFUSED:
		return is(ADMIT_LATER, "it refuses connections");
	case SERVER_TIMED_OUT:
		return is(ADMIT_LATER, "it does not answer");
	case SERVER_STARTING:
		return is(ADMIT_LATER, "it is starting or shutting down");
	case SERVER_FULL:
	case SERVER_DENIED:
	case SERVER_FAULTY:
	case SERVER_OTHER:
		return admit_living(question);
	case SERVER_CLASSES:
		break;
	}
	return is(ADMIT_NO, "");
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
