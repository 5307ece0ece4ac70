/* Internals of the Mustache renderer: the tree of a template, and what the mustache*.c files share.
 * A tree borrows the bytes of its template's text. */
#ifndef SEGUE_RENDER_MUSTACHE_INTERNAL_H
#define SEGUE_RENDER_MUSTACHE_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "render/escape.h"
#include "render/mustache.h"

#define MUSTACHE_DEPTH_MAX    64 /* sections in sections, partials in partials */
#define MUSTACHE_PARTIALS_MAX 256
#define MUSTACHE_TEXT_MAX     ((size_t)1024 * 1024)      /* bytes of one template */
#define MUSTACHE_OUTPUT_MAX   ((size_t)16 * 1024 * 1024) /* bytes of one rendering */
#define MUSTACHE_STEPS_MAX    4000000                    /* nodes visited in one rendering */

struct ast_span {
	const char *at;
	size_t len;
};

enum ast_kind {
	AST_TEXT,     /* bytes of the template */
	AST_VALUE,    /* {{name}}: escaped */
	AST_RAW,      /* {{{name}}} or {{&name}}: not escaped */
	AST_SECTION,  /* {{#name}} */
	AST_INVERTED, /* {{^name}} */
	AST_PARTIAL,  /* {{>name}} */
	AST_PARENT,   /* {{<name}}: a partial with arguments; its children are blocks */
	AST_BLOCK,    /* {{$name}}: a parameter and its default; in a parent: an argument */
};

struct ast_list {
	struct ast_node *nodes;
	size_t count, capacity;
};

struct ast_node {
	enum ast_kind kind;
	bool line_start; /* TEXT: begins a line, so the current indentation goes in front */
	bool margin;     /* PARENT, BLOCK: only blanks in front of it on its line */
	bool standalone; /* PARTIAL, PARENT: alone on its lines; BLOCK: its opening tag is alone */
	bool argument;   /* BLOCK: directly inside a parent */
	bool dynamic;    /* PARTIAL, PARENT: the name is looked up in the data */
	size_t offset;   /* of the tag in the template, for messages */
	/* TEXT: the bytes; PARTIAL, PARENT, BLOCK: the indentation for what is put in its place */
	struct ast_span text;
	struct ast_span content; /* the name as written, for messages and the closing tag */
	char *name;              /* in a looked-up name the dots are replaced by NULs */
	size_t parts;            /* number of parts of a looked-up name; 0: "." */
	struct ast_list children;
	const struct ast_template *target; /* PARTIAL, PARENT: NULL when missing or dynamic */
};

struct ast_template {
	char *name; /* the partial's name; "" for the template compiled first */
	char *file; /* for messages */
	char *text;
	size_t len;
	struct ast_list list;
};

struct mustache {
	struct ast_template **templates; /* the first is the one to render */
	size_t count;
	bool dynamic; /* a template of the set has a dynamic name */
	mustache_load_fn *load;
	void *load_arg;
};

/* The length to print of a name in a message, which is cut after 80 bytes. */
static inline int ast_shown(struct ast_span span)
{
	return span.len < 80 ? (int)span.len : 80;
}

/* Sets "file:line:column: message". Returns false. */
bool ast_fail(const struct ast_template *template, size_t offset, struct err *err, const char *fmt,
              ...) PRINTF_LIKE(4, 5);

/* Fills template->list from template->text. */
bool ast_parse(struct ast_template *template, struct err *err) MUST_CHECK;
void ast_list_free(struct ast_list *list);

/* Refuses a block inside a parent if neither the parent nor anything that it reaches has that
 * block. */
bool ast_check(const struct mustache *mustache, const struct ast_template *template,
               const struct ast_list *list, struct err *err) MUST_CHECK;

/* Returns the partial of that name; NULL if the set has none. */
const struct ast_template *ast_find(const struct mustache *mustache, const char *name);

/* The arguments of the parents that were entered, innermost first. */
struct arguments {
	const struct arguments *outer;
	const struct ast_node *parent;
	const struct ast_template *template; /* that contains the parent's tag */
};

/* The outermost argument of that name wins; NULL: there is none. *arguments becomes the entry that
 * has it: only parents further out can replace the argument's blocks. */
const struct ast_node *ast_argument(const struct arguments **arguments, const char *name);

#endif
