/* Templates that ship, rendered in the process from topologies that a store could name: for the
 * tests in which the real proxy judges the text. Run from the top folder of the repository. */
#ifndef SEGUE_TESTS_E2E_TEMPLATE_CASE_H
#define SEGUE_TESTS_E2E_TEMPLATE_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "topology/topology.h"

struct template_case {
	const char *file; /* "templates/..." */
	enum config_target_kind kind;
	const char *cluster; /* NULL: orders */
	const struct config_var *vars;
	size_t var_count;
};

/* db1 is the primary, db2 and so on are its standbys, at `network` and their number, port 5432. */
void template_topology(struct topology *topology, bool primary, int standbys, const char *network);

/* Appends what the target would get; fails the test where it cannot be rendered. */
void template_render(const struct template_case *template, const struct topology *topology,
                     struct strbuf *out);

/* Renders it for every kind of topology: with and without a primary (`headless`), standbys, tags
 * and IPv6; `judge` gets each text and what it was made of. */
typedef void template_judge(const char *what, const struct strbuf *text, void *arg);
void template_each(const struct template_case *template, bool headless, template_judge *judge,
                   void *arg);

#endif
