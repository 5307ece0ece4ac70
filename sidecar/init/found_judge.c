/* Which of the sections found are PostgreSQL's: those of mode tcp whose health checks say so, or
 * whose servers have its port. The rest is none of segue's business. */
#include <string.h>

#include "init/found_haproxy.h"

bool found_section_is_postgres(const struct found_section *section)
{
	if (section->kind != FOUND_BACKEND && section->kind != FOUND_LISTEN)
		return false;
	if (section->server_count == 0 ||
	    (section->mode != NULL && strcmp(section->mode, "tcp") != 0))
		return false;
	return section->pgsql_check || section->patroni || section->postgres_port;
}

static const struct found_section *frontend_of(const struct haproxy_survey *found,
                                               const struct found_section *backend)
{
	for (size_t i = 0; i < found->section_count; i++) {
		const struct found_section *section = &found->sections[i];

		if (section->kind == FOUND_FRONTEND && section->default_backend != NULL &&
		    strcmp(section->default_backend, backend->name) == 0)
			return section;
	}
	return NULL;
}

void haproxy_survey_judge(struct haproxy_survey *found)
{
	found->rw = found->ro = NULL;
	for (size_t i = 0; i < found->section_count; i++) {
		struct found_section *section = &found->sections[i];
		struct found_section **place;

		if (!found_section_is_postgres(section))
			continue;
		if (section->kind == FOUND_BACKEND)
			section->frontend = frontend_of(found, section);
		place = section->reads ? &found->ro : &found->rw;
		if (*place == NULL)
			*place = section;
	}
}

const struct found_socket *haproxy_survey_socket(const struct haproxy_survey *found)
{
	for (size_t i = 0; i < found->socket_count; i++)
		if (found->sockets[i].admin)
			return &found->sockets[i];
	return found->socket_count > 0 ? &found->sockets[0] : NULL;
}
