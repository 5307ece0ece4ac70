/* All publishers of a segue.ini, with one ZooKeeper session, one resolver, and the sockets of segue
 * notify. This is what segue publish runs. */
#ifndef SEGUE_PUBLISHER_PUBLISHERS_H
#define SEGUE_PUBLISHER_PUBLISHERS_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "publisher/publisher.h"

struct publishers;

struct publishers_options {
	struct event_base *base;
	const char *config_file;
	const char *section; /* only [publisher SECTION] counts; NULL: all of them */
	bool once, dry_run;  /* as in struct publisher_options */
	void (*told)(const struct publisher *publisher, const struct config_publisher *config,
	             const struct publisher_word *word, void *arg); /* may be NULL */
	void *arg;
};

/* Reads and checks the configuration that is to replace that of `old` (NULL: none). On failure
 * returns NULL, with every problem in `errors`, one per line. Starts nothing yet. What is borrowed
 * in the options has to outlive it. */
struct publishers *publishers_prepare(const struct publishers_options *options,
                                      const struct publishers *old,
                                      struct strbuf *errors) MUST_CHECK;

/* Starts the publishers in the place of `old` (NULL: none), which is destroyed. On failure `old`
 * keeps running. */
bool publishers_start(struct publishers *publishers, struct publishers *old,
                      struct err *err) MUST_CHECK;
void publishers_destroy(struct publishers *publishers); /* NULL is fine; not in `told` */

const struct config *publishers_config(const struct publishers *publishers);
size_t publishers_count(const struct publishers *publishers);

#endif
