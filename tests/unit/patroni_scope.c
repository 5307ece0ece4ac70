/* The scope of the tests of the layout patroni; see the header. */
#include "patroni_scope.h"

#include <criterion/criterion.h>
#include <string.h>

struct scope scope;
struct err scope_err;

void scope_init(void)
{
	scope = (struct scope){.notes = LAYOUT_PATRONI_NOTES_INIT};
	scope.keys.members = scope.members;
	topology_init(&scope.topology);
}

void scope_fini(void)
{
	topology_fini(&scope.topology);
	layout_patroni_notes_fini(&scope.notes);
}

struct layout_patroni_key scope_key(const char *data)
{
	return (struct layout_patroni_key){.present = true, .data = data, .len = strlen(data)};
}

void scope_add(const char *name, const char *data)
{
	scope.members[scope.keys.member_count] = scope_key(data);
	scope.members[scope.keys.member_count++].name = name;
}

void scope_add_leader(const char *name, const char *data)
{
	scope.keys.leader = scope_key(name);
	scope_add(name, data);
}

bool scope_decode(void)
{
	layout_patroni_notes_fini(&scope.notes);
	scope.notes.count = 0;
	topology_fini(&scope.topology);
	return layout_patroni_decode(&scope.keys, &scope.topology, &scope.notes, &scope_err);
}

void scope_accept(void)
{
	cr_assert(scope_decode(), "%s", scope_err.message);
}

void scope_refuse(const char *part)
{
	cr_assert_not(scope_decode());
	cr_assert_not_null(strstr(scope_err.message, part), "\"%s\" is not in \"%s\"", part,
	                   scope_err.message);
	cr_assert_null(scope.topology.standbys);
}

void scope_expect_left_out(const char *part)
{
	cr_expect_not_null(strstr(scope.notes.left_out.data, part), "\"%s\" is not in \"%s\"", part,
	                   scope.notes.left_out.data);
}
