/* segue wait: ends when every live sidecar of a cluster has confirmed a value of the master znode.
 * Watches report the changes. A sidecar that disappears meanwhile no longer counts; a new one
 * counts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli_internal.h"
#include "config/grammar.h"

#define TIMEOUT_MS 30000

static const char usage[] =
    "usage: segue wait [-c FILE] [--zxid ZXID] [--timeout TIME] [--allow-empty] CLUSTER\n"
    "\n"
    "  -c, --config FILE   the configuration (" CONFIG_DEFAULT_FILE "), for [zookeeper] and\n"
    "                      [cluster CLUSTER]\n"
    "      --zxid ZXID     the value to confirm, decimal or 0x; by default the value (mzxid) of\n"
    "                      the master znode at the start\n"
    "      --timeout TIME  30s; in ms, s, m or h\n"
    "      --allow-empty   success if there is no live sidecar\n"
    "\n"
    "Waits until every live sidecar of CLUSTER with fleet = yes has confirmed that value or a\n"
    "newer one, and prints a line for each. Exit code: 0 all have, 1 timed out (the missing\n"
    "ones are printed), 2 usage or configuration.\n";

struct heard { /* a live sidecar that was seen */
	char *name;
	bool confirmed;
	bool here;
};

struct wait {
	int64_t zxid; /* 0: not known yet */
	bool allow_empty;
	int64_t started_us;
	struct heard *heard;
	size_t count;
};

/* -- progress -- */

static struct heard *find(struct wait *wait, const char *name)
{
	for (size_t i = 0; i < wait->count; i++)
		if (strcmp(wait->heard[i].name, name) == 0)
			return &wait->heard[i];
	wait->heard = xreallocarray(wait->heard, wait->count + 1, sizeof(*wait->heard));
	wait->heard[wait->count] = (struct heard){.name = xstrdup(name)};
	return &wait->heard[wait->count++];
}

static void say(const struct wait *wait, const char *name, const char *what)
{
	auto_strbuf struct strbuf clean = STRBUF_INIT;

	strbuf_append_escaped(&clean, name, strlen(name), FLEET_TEXT_MAX);
	printf("%8.3f s  %s %s\n", (double)(clock_now_us() - wait->started_us) / 1e6, clean.data,
	       what);
	fflush(stdout);
}

static void follow(struct wait *wait, const struct fleet_entry *entry)
{
	struct heard *heard = find(wait, entry->name);
	auto_free char *what = NULL;

	heard->here = true;
	if (heard->confirmed || !fleet_has_confirmed(entry, wait->zxid))
		return;
	heard->confirmed = true;
	what = xasprintf("has confirmed zxid %" PRId64 ", on %s", entry->note->zxid,
	                 entry->note->primary[0] != '\0' ? entry->note->primary : "no primary");
	say(wait, entry->name, what);
}

/* Prints and forgets the sidecars that are no longer alive in the view. */
static void drop_vanished(struct wait *wait)
{
	size_t kept = 0;

	for (size_t i = 0; i < wait->count; i++) {
		if (wait->heard[i].here) {
			wait->heard[kept++] = wait->heard[i];
			continue;
		}
		say(wait, wait->heard[i].name,
		    "is gone: its session has ended, it no longer counts");
		free(wait->heard[i].name);
	}
	wait->count = kept;
}

static bool is_done(const struct fleet_view *view, void *arg)
{
	struct wait *wait = arg;

	if (wait->zxid == 0)
		wait->zxid = view->zxid;
	if (wait->zxid == 0)
		return false;
	for (size_t i = 0; i < wait->count; i++)
		wait->heard[i].here = false;
	for (size_t i = 0; i < view->count; i++)
		if (view->entries[i].alive)
			follow(wait, &view->entries[i]);
	drop_vanished(wait);
	return fleet_all_confirmed(view, wait->zxid, wait->allow_empty);
}

/* -- the end -- */

static size_t alive(const struct fleet_view *view)
{
	size_t count = 0;

	for (size_t i = 0; i < view->count; i++)
		count += view->entries[i].alive;
	return count;
}

static void tell_missing(const struct wait *wait, const struct fleet_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		auto_strbuf struct strbuf line = STRBUF_INIT;
		const struct fleet_entry *entry = &view->entries[i];

		if (!entry->alive || fleet_has_confirmed(entry, wait->zxid))
			continue;
		fleet_say_missing(entry, &line);
		fprintf(stderr, "segue wait: missing: %s\n", line.data);
	}
	if (view->store_problem != NULL)
		fprintf(stderr, "segue wait: ZooKeeper: %s\n", view->store_problem);
	if (alive(view) == 0)
		fprintf(stderr,
		        "segue wait: cluster %s has no live sidecar (with fleet = yes in its "
		        "segue.ini); with --allow-empty that counts as success\n",
		        view->cluster);
}

static int run(struct wait *wait, struct fleet_reader *fleet_reader, int64_t timeout_ms)
{
	bool done = fleet_reader_wait(fleet_reader, timeout_ms, is_done, wait);
	const struct fleet_view *view = fleet_reader_view(fleet_reader);

	if (done) {
		printf("all sidecars of cluster %s have confirmed zxid %" PRId64 ": %zu\n",
		       view->cluster, wait->zxid, alive(view));
		return fflush(stdout) == 0 ? CMD_OK : CMD_FAILED;
	}
	fprintf(stderr, "segue wait: timed out after %.1f s\n",
	        (double)(clock_now_us() - wait->started_us) / 1e6);
	if (view == NULL)
		fprintf(stderr, "segue wait: not everything was read: %s\n",
		        fleet_reader_problem(fleet_reader));
	else if (wait->zxid == 0)
		fputs("segue wait: the master znode does not exist: use --zxid\n", stderr);
	else
		tell_missing(wait, view);
	return CMD_FAILED;
}

/* -- the command line -- */

static bool parse_zxid(const char *text, int64_t *zxid)
{
	bool hex = strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0;
	const char *digits = text + (hex ? 2 : 0);
	char *end;

	errno = 0;
	*zxid = strtoll(digits, &end, hex ? 16 : 10);
	return strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") == strlen(digits) &&
	       *digits != '\0' && errno == 0 && *zxid > 0;
}

static int refuse(const char *option, const char *value, const char *allowed)
{
	fprintf(stderr, "segue wait: %s: found \"%s\": allowed: %s\n", option, value, allowed);
	return CMD_USAGE;
}

int cmd_wait(int argc, char **argv)
{
	struct wait wait = {.started_us = clock_now_us()};
	const char *zxid = NULL, *timeout = NULL;
	struct cmd_args args;
	const struct cmd_syntax syntax = {
	    .usage = usage,
	    .words_min = 1,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args),
	                {.name = "zxid", .value = &zxid},
	                {.name = "timeout", .value = &timeout},
	                {.name = "allow-empty", .flag = &wait.allow_empty}}};
	int64_t timeout_ms = TIMEOUT_MS;
	struct fleet_reader *fleet_reader;
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	if (zxid != NULL && !parse_zxid(zxid, &wait.zxid))
		return refuse("--zxid", zxid, "a number above 0, decimal or 0x and hexadecimal");
	if (timeout != NULL && !grammar_duration(timeout, &timeout_ms))
		return refuse("--timeout", timeout, "a whole number with ms, s, m or h, as 30s");
	fleet_reader = fleet_reader_open("wait", args.config_file, args.words[0]);
	if (fleet_reader == NULL)
		return CMD_USAGE;
	code = run(&wait, fleet_reader, timeout_ms);
	fleet_reader_close(fleet_reader);
	for (size_t i = 0; i < wait.count; i++)
		free(wait.heard[i].name);
	free(wait.heard);
	return code;
}
