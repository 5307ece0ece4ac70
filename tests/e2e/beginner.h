/* Somebody's first hour with segue, beside a proxy that is there already: what he types, and what
 * he reads. */
#ifndef SEGUE_TESTS_E2E_BEGINNER_H
#define SEGUE_TESTS_E2E_BEGINNER_H

#include <stdint.h>

#include "lab/lab.h"

#define BEGINNER_TIMEOUT_MS 20000

struct beginner {
	struct lab *lab;
	struct lab_zk *zk;
	const char *dir; /* of segue.ini */
	const char *ini_file;
	const char *printed; /* by the last command */
};

void beginner_start(struct beginner *beginner); /* lab_destroy(beginner->lab) ends it */

/* These give the exit code of what they run. */
int beginner_types(struct beginner *beginner, const char *const *argv);
/* segue init; `more`: one word more, or NULL. */
int beginner_inits(struct beginner *beginner, const char *proxy, const char *main_file,
                   const char *more);
/* Without --zookeeper and --path, and with two words more. */
int beginner_inits_bare(struct beginner *beginner, const char *proxy, const char *main_file,
                        const char *more, const char *value);
int beginner_checks(struct beginner *beginner); /* segue check */

void beginner_must_read(const struct beginner *beginner, const char *line);

/* The lines under steps, which stand in five blanks; "" after the last one. */
const char *beginner_next_line(struct beginner *beginner, const char **at);

/* Runs the printed commands that stay in the lab's folder: no systemctl, no /var/lib. */
void beginner_types_commands(struct beginner *beginner);

/* State and socket become the lab's; nobody has a PostgreSQL to ask. */
void beginner_edits_ini(struct beginner *beginner);

void beginner_names_primary(struct beginner *beginner, uint16_t port);

/* With its own segue.ini, not one of the lab's making. */
struct lab_segue *beginner_starts_segue(struct beginner *beginner);

#endif
