/* `segue check`, layout patroni: who leads, who may be read from, and why a member is not used. */
#include <inttypes.h>

#include "check/check.h"
#include "watch/layout.h"

static void note_standby(struct check *check, const char *what, const struct member *standby)
{
	auto_free char *lag = standby->lag_bytes >= 0
	                          ? xasprintf("%" PRId64 " bytes behind", standby->lag_bytes)
	                          : xstrdup("lag not known");

	check_note(check, CHECK_OK, what, NULL, "standby %s at %s port %u, %s%s", standby->name,
	           standby->host, standby->port, lag, standby->unread ? ", no readers" : "");
}

/* Patroni makes it anew within loop_wait, where it lives. */
static void note_lost_leader(struct check *check, const char *what, const char *path,
                             const struct layout_patroni *keys, const char *leader)
{
	auto_strbuf struct strbuf members = STRBUF_INIT;

	for (size_t i = 0; i < keys->member_count; i++)
		strbuf_printf(&members, "%s%s", i > 0 ? ", " : "", keys->members[i].name);
	check_note(check, CHECK_FAIL, what,
	           "does its Patroni run (patronictl list)? Nobody but Patroni is to write the "
	           "leader key",
	           "%s: the leader key names %s, which has no member key; members: %s", path,
	           leader, members.len > 0 ? members.data : "none");
}

bool check_patroni(struct check *check, const char *what, const char *path,
                   const struct layout_patroni *keys, struct topology *out)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct err err;

	if (!layout_patroni_decode(keys, out, &notes, &err)) {
		check_note(check, CHECK_FAIL, what, "nothing will be moved until it is right",
		           "%s: %s", path, err.message);
		return false;
	}
	for (size_t i = 0; i < out->standby_count; i++)
		note_standby(check, what, &out->standbys[i]);
	if (notes.unread.len > 0)
		check_note(check, CHECK_OK, what, NULL, "%s: without readers: %s", path,
		           notes.unread.data);
	if (notes.left_out.len > 0)
		check_note(check, CHECK_WARN, what, "correct it in Patroni", "%s: left out: %s",
		           path, notes.left_out.data);
	if (out->paused)
		check_note(check, CHECK_WARN, what, "patronictl resume",
		           "%s: Patroni is paused: nobody is promoted by itself", path);
	if (!out->has_primary && out->leader != NULL)
		note_lost_leader(check, what, path, keys, out->leader);
	else if (!out->has_primary && keys->leader.present)
		check_note(check, CHECK_WARN, what, NULL,
		           "%s: this is a standby cluster: its leader takes no writes", path);
	return true;
}
