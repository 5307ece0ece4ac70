/* segue publish: the daemon beside the database; with --once, one round only. The publishers do the
 * work. On SIGHUP this file replaces them, but only by those of a good configuration. When it ends,
 * the master znode stays as it is. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "publisher/publishers.h"
#include "run/daemon.h"

#define WORD_MAX 200

/* The last report of a publisher, for systemctl status. */
struct last_word {
	bool store_read;
	char text[WORD_MAX]; /* "": none yet */
};

struct publish {
	struct daemon *daemon;
	struct publishers_options options;
	struct publishers *publishers;
	struct last_word *words; /* one per [publisher] section */
	size_t waiting;          /* --once: how many publishers have not reported yet */
	bool failed;             /* --once: a publisher has failed */
};

static void announce(const struct publish *publish, const char *event, int64_t started_us)
{
	const struct config *config = publishers_config(publish->publishers);

	log_configure(config->log_level, config->log_format);
	daemon_log_problems(LOG_WARNING, "config_warning", config->file, config->warnings.data);
	log_info(event, KV_STR("version", SEGUE_VERSION), KV_STR("file", config->file),
	         KV_INT("publishers", publishers_count(publish->publishers)),
	         KV_STR("store", config->zookeeper_hosts),
	         KV_MS("took_ms", clock_now_us() - started_us));
}

/* On failure the old publishers stay, and `errors` says what is wrong with the configuration. */
static bool replace_publishers(struct publish *publish, struct strbuf *errors)
{
	struct publishers *fresh =
	    publishers_prepare(&publish->options, publish->publishers, errors);
	struct err err;

	if (fresh == NULL)
		return false;
	if (!publishers_start(fresh, publish->publishers, &err)) {
		strbuf_printf(errors, "%s: %s\n", publish->options.config_file, err.message);
		publishers_destroy(fresh);
		return false;
	}
	publish->publishers = fresh;
	free(publish->words);
	publish->words =
	    xcalloc(publishers_config(fresh)->publisher_count, sizeof(*publish->words));
	return true;
}

static void on_reload(void *arg)
{
	struct publish *publish = arg;
	const char *file = publish->options.config_file;
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();
	bool taken = replace_publishers(publish, &errors);

	if (taken) {
		announce(publish, "config_reloaded", started_us);
	} else {
		daemon_log_problems(LOG_ERROR, "config_problem", file, errors.data);
		log_error("config_refused", KV_STR("file", file),
		          KV_STR("next", "the running configuration stays"));
	}
	daemon_reloaded(publish->daemon, taken ? NULL : errors.data);
}

/* -- status for systemd -- */

static void on_word(const struct publisher *publisher, const struct config_publisher *config,
                    const struct publisher_word *word, void *arg)
{
	const struct publish *publish = arg;
	struct last_word *last =
	    &publish->words[config - publishers_config(publish->publishers)->publishers];

	(void)publisher;
	last->store_read = word->store_read;
	snprintf(last->text, sizeof(last->text), "%s: %s", config->section,
	         word->problem != NULL ? word->problem : word->reason);
}

static bool on_status_line(struct strbuf *text, void *arg)
{
	const struct publish *publish = arg;
	size_t count = publishers_count(publish->publishers), reported = 0, read = 0;
	auto_strbuf struct strbuf lines = STRBUF_INIT;

	for (size_t i = 0; i < publishers_config(publish->publishers)->publisher_count; i++) {
		const struct last_word *word = &publish->words[i];

		if (word->text[0] == '\0')
			continue;
		strbuf_printf(&lines, "%s\n", word->text);
		reported++;
		read += word->store_read;
	}
	if (reported < count)
		strbuf_printf(text, "waiting for the first result of %zu of %zu publishers\n",
		              count - reported, count);
	strbuf_append(text, lines.data, lines.len);
	return read == count;
}

/* -- --once -- */

static bool is_fine(const struct publisher_word *word)
{
	return word->store_read && word->result != PUBLISH_FAILED &&
	       word->result != PUBLISH_CONTENDED && word->action != PUBLISH_DO_ALARM &&
	       word->action != PUBLISH_DO_BLIND;
}

static void on_told(const struct publisher *publisher, const struct config_publisher *config,
                    const struct publisher_word *word, void *arg)
{
	struct publish *publish = arg;
	auto_strbuf struct strbuf servers = STRBUF_INIT;

	publisher_describe(publisher, &servers);
	printf("[publisher %s] %s, of cluster %s\n%s", config->section, config->name,
	       config->cluster, servers.data);
	if (word->problem != NULL)
		printf("ZooKeeper: %s\n", word->problem);
	if (word->store_read)
		printf("%s: %s: %s\n%s%s",
		       word->result == PUBLISH_WRITTEN ? "written"
		       : *word->text != '\0'           ? "would write"
		                                       : "nothing to write",
		       publish_action_name(word->action), word->reason, word->text,
		       *word->text != '\0' ? "\n" : "");
	publish->failed = publish->failed || !is_fine(word);
	if (--publish->waiting == 0)
		event_base_loopbreak(daemon_base(publish->daemon));
}

static int look_once(struct publish *publish)
{
	publish->waiting = publishers_count(publish->publishers);
	log_configure(LOG_ERROR, LOG_TEXT); /* the printed result shows problems */
	event_base_dispatch(daemon_base(publish->daemon));
	return fflush(stdout) == 0 && publish->waiting == 0 && !publish->failed ? CMD_OK
	                                                                        : CMD_FAILED;
}

static int publish_as_asked(const struct publishers_options *asked)
{
	struct publish publish = {.options = *asked};
	const struct daemon_options options = {.verb = "publish",
	                                       .reload = asked->once ? NULL : on_reload,
	                                       .status = on_status_line,
	                                       .arg = &publish};
	auto_strbuf struct strbuf errors = STRBUF_INIT;
	int64_t started_us = clock_now_us();
	int code = CMD_OK;

	publish.daemon = daemon_create(&options);
	publish.options.base = daemon_base(publish.daemon);
	publish.options.told = asked->once ? on_told : on_word;
	publish.options.arg = &publish;
	if (!replace_publishers(&publish, &errors)) {
		daemon_print_problems(publish.daemon, errors.data);
		code = CMD_USAGE;
	} else if (asked->once) {
		code = look_once(&publish);
	} else {
		announce(&publish, "started", started_us);
		daemon_serve(publish.daemon);
		log_info("stopped", KV_STR("file", asked->config_file),
		         KV_STR("next", "the master znode stays as it is"));
	}
	publishers_destroy(publish.publishers);
	free(publish.words);
	daemon_destroy(publish.daemon);
	return code;
}

int cmd_publish(int argc, char **argv)
{
	struct publishers_options asked = {.once = false};
	struct cmd_args args;
	const struct cmd_syntax syntax = {
	    .usage =
	        "usage: segue publish [-c FILE] [--once [--dry-run]] [NAME]\n"
	        "\n"
	        "  -c, --config FILE  the configuration (" CONFIG_DEFAULT_FILE ")\n"
	        "      --once         ask once, write the result, and print it\n"
	        "      --dry-run      with --once: write nothing\n"
	        "\n"
	        "Asks the servers of every [publisher NAME], or of the given one, and writes the\n"
	        "master znode of its cluster. SIGHUP reads the configuration again; if it has errors,\n"
	        "the running one stays. SIGTERM and SIGINT end it.\n" CMD_EXIT_CODES,
	    .words_max = 1,
	    .options = {CMD_CONFIG(args),
	                {.name = "once", .flag = &asked.once},
	                {.name = "dry-run", .flag = &asked.dry_run}}};
	int code;

	if (!cmd_options(argc, argv, &syntax, &args, &code))
		return code;
	if (asked.dry_run && !asked.once) {
		fputs("segue publish: --dry-run needs --once\n", stderr);
		return CMD_USAGE;
	}
	asked.config_file = args.config_file;
	asked.section = args.words[0];
	return publish_as_asked(&asked);
}
