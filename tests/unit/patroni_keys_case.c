/* The scope of the tests of the layout patroni; see the header. */
#include "patroni_keys_case.h"

#include <criterion/criterion.h>
#include <string.h>

struct patroni_keys_case scope;
struct err patroni_keys_err;

void patroni_keys_init(void)
{
	scope = (struct patroni_keys_case){.notes = LAYOUT_PATRONI_NOTES_INIT};
	scope.keys.members = scope.members;
	topology_init(&scope.topology);
}

void patroni_keys_fini(void)
{
	topology_fini(&scope.topology);
	layout_patroni_notes_fini(&scope.notes);
}

struct layout_patroni_key patroni_keys_key(const char *data)
{
	return (struct layout_patroni_key){.present = true, .data = data, .len = strlen(data)};
}

void patroni_keys_add(const char *name, const char *data)
{
	scope.members[scope.keys.member_count] = patroni_keys_key(data);
	scope.members[scope.keys.member_count++].name = name;
}

void patroni_keys_add_leader(const char *name, const char *data)
{
	scope.keys.leader = patroni_keys_key(name);
	patroni_keys_add(name, data);
}

bool patroni_keys_decode(void)
{
	layout_patroni_notes_fini(&scope.notes);
	scope.notes.count = 0;
	topology_fini(&scope.topology);
	return layout_patroni_decode(&scope.keys, &scope.topology, &scope.notes, &patroni_keys_err);
}

void patroni_keys_accept(void)
{
	cr_assert(patroni_keys_decode(), "%s", patroni_keys_err.message);
}

void patroni_keys_refuse(const char *part)
{
	cr_assert_not(patroni_keys_decode());
	cr_assert_not_null(strstr(patroni_keys_err.message, part), "\"%s\" is not in \"%s\"", part,
	                   patroni_keys_err.message);
	cr_assert_null(scope.topology.standbys);
}

void patroni_keys_expect_left_out(const char *part)
{
	cr_expect_not_null(strstr(scope.notes.left_out.data, part), "\"%s\" is not in \"%s\"", part,
	                   scope.notes.left_out.data);
}
