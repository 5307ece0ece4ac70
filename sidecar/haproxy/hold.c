/* Holds or fences clients while there is no primary. A hold or fence is a view of the text with
 * other servers; runtime.c sends it and keeps it like any text, and HAProxy's file never changes
 * for it. A record on disk names it from before the first command until HAProxy was seen as in the
 * text again; so no hold stays for good when segue ends. A fence does stay: it protects data, and
 * only a new primary or a person ends it.
 *
 *            hold                         fence
 *   OPEN -----------------------> HELD <---------> FENCED      (a fence also from OPEN)
 *    ^ ^    new text, timeout      |       hold       | new text
 *    | +---------------------------+------------------+
 *    |  new text                 timeout
 *    +--------------- RECOVERED ---------> OPENING --+
 *    |                 ^     ^    failed      |      |
 *    |   record found  |     +----------------+      |
 *    |   at the start                                |
 *    +------------------ new text, done -------------+
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/timer.h"
#include "base/util.h"
#include "driver_internal.h"
#include "haproxy/model/lint.h"

/* --- the closed port; see driver_internal.h --- */

/* Connects to each port to see whether it is closed. Only ports below 1024 are tried: no outgoing
 * connection gets one of them as its own port, so HAProxy cannot connect to itself. */

#define CONNECT_MS 20 /* loopback answers inside connect(); a firewall may drop the packet */
#define PORT_LAST \
	8 /* ports 1 to 8 have been out of use for decades: tcpmux, compressnet, rje, echo */

static bool ends_refused(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	return poll(&wait, 1, CONNECT_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == ECONNREFUSED;
}

static bool is_closed(bool ipv6, uint16_t port)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET,
	                               .sin_port = htons(port),
	                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const void *address = ipv6 ? (const void *)&v6 : &v4;
	auto_close int fd =
	    socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, address, ipv6 ? sizeof(v6) : sizeof(v4)) == 0)
		return false;
	return errno == ECONNREFUSED || (errno == EINPROGRESS && ends_refused(fd));
}

/* Prefers the primary's address family: a server line may set a source address. */
bool haproxy_closed_find(const char *primary, struct haproxy_endpoint *out, struct err *err)
{
	bool is_ipv6 = primary != NULL && strchr(primary, ':') != NULL;

	for (uint16_t i = 0; i < 2 * PORT_LAST; i++) {
		bool ipv6 = is_ipv6 == (i < PORT_LAST);
		uint16_t port = i % PORT_LAST + 1;

		*out = (struct haproxy_endpoint){ipv6 ? "::1" : "127.0.0.1", port};
		if (is_closed(ipv6, port))
			return true;
	}
	return err_set(err,
	               "127.0.0.1 and ::1: none of the ports 1 to %d refuses a connection, and "
	               "clients can wait only where one does",
	               PORT_LAST);
}

/* --- the state --- */

/* Sets the state. timer_ms -1: no timer. */
static void enter(struct haproxy_driver *driver, enum haproxy_hold_state state, int64_t timer_ms)
{
	struct haproxy_hold *hold = &driver->hold;
	bool was_open = hold->state == HOLD_OPEN, is_open = state == HOLD_OPEN;

	hold->state = state;
	hold->settled = false;
	timer_stop(hold->timer);
	if (timer_ms >= 0)
		timer_start(hold->timer, timer_ms);
	hold->turned_us = clock_now_us();
	if (was_open && !is_open)
		hold->since_us = hold->turned_us;
	if (is_open)
		hold->closed_at.address = NULL;
	if (was_open != is_open && driver->reloader != NULL)
		reloader_hold(driver->reloader, was_open ? 1 : -1);
	target_changed(&driver->target);
}

/* Takes ownership of `view`. NULL: show the text. */
static void show(struct haproxy_driver *driver, const struct haproxy_config *view)
{
	haproxy_config_open(&driver->hold.view);
	if (view != NULL)
		driver->hold.view = *view;
	driver->desired_seq++;
	haproxy_runtime_desired_changed(driver, true);
}

/* Removes the hold record. */
static void forget(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	haproxy_hold_record_set(&hold->record, HAPROXY_RECORD_NONE, NULL, NULL);
	if (!haproxy_hold_record_save(&hold->record, 0, &err))
		TARGET_LOG(LOG_WARNING, &driver->target, "note_left", KV_ERR(&err),
		           KV_STR("next",
		                  "remove the file: at its next start segue would treat servers "
		                  "that a person has put into the same state as its own hold, "
		                  "and release them"));
}

static void tell_released(const struct haproxy_driver *driver, const char *what)
{
	TARGET_LOG_ZXID(LOG_INFO, &driver->target, "released", KV_STR("what", what),
	                KV_MS("held_ms", clock_now_us() - driver->hold.since_us));
}

static char *primary_name(const struct haproxy_driver *driver)
{
	if (driver->primary.address == NULL)
		return xstrdup("any server");
	return xasprintf("%s port %u", driver->primary.address, (unsigned)driver->primary.port);
}

/* --- a hold or fence that an earlier process left, and the end of this process --- */

/* RECOVERED lasts until a text comes, or until the timer fires. Only servers that are as the hold
 * record says are set back. */

#define GRACE_MS       10000 /* for ZooKeeper to name a primary, when a record was found */
#define ANSWER_MS      1000  /* for each reply of HAProxy */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   30000

/* A hold or fence is requested while RECOVERED: the recovered one stays for `timer_ms` more (-1:
 * until a text comes). *last: the last episode of this kind. */
static void keep_recovered(struct haproxy_driver *driver, int64_t *last, int64_t episode,
                           int64_t timer_ms)
{
	if (driver->hold.state != HOLD_RECOVERED || *last == episode)
		return;
	*last = episode;
	enter(driver, HOLD_RECOVERED, timer_ms);
}

static void opening_failed(struct haproxy_driver *driver, const struct err *err)
{
	int64_t ms = clock_backoff_ms(++driver->hold.failures, RETRY_FIRST_MS, RETRY_MAX_MS);
	auto_free char *next =
	    xasprintf("segue tries again in %" PRId64 " ms; `segue resume`, or an "
	              "admitted primary, also releases it",
	              ms);

	target_fail(&driver->target, "release_failed", err->message, next);
	enter(driver, HOLD_RECOVERED, ms);
}

static void opened_cb(size_t released, const struct err *err, void *arg)
{
	struct haproxy_driver *driver = arg;

	(void)released;
	driver->hold.release = NULL;
	if (err != NULL) {
		opening_failed(driver, err);
		return;
	}
	enter(driver, HOLD_OPEN, -1);
	tell_released(driver, "no primary was admitted since segue started: HAProxy's servers "
	                      "are set as in its file");
	forget(driver);
}

/* `file` holds the text of the job when there is no other. */
static bool make_job(const struct haproxy_driver *driver, struct strbuf *file,
                     struct haproxy_release_job *job, struct err *err)
{
	const struct config_target *config = driver->target.config;
	bool has_text = driver->generation != 0;

	if (!has_text && !file_read(config->output, INSTALL_MAX, file, NULL, err))
		return false;
	*job = (struct haproxy_release_job){.socket = config->socket,
	                                    .text = has_text ? driver->text : file->data,
	                                    .len = has_text ? driver->len : file->len,
	                                    .record = &driver->hold.record,
	                                    .timeout_ms = ANSWER_MS};
	return true;
}

static void open_recovered(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	auto_strbuf struct strbuf file = STRBUF_INIT;
	struct haproxy_release_job job;
	struct err err;

	if (make_job(driver, &file, &job, &err))
		hold->release =
		    haproxy_release_start(driver->target.base, &job, opened_cb, driver, &err);
	if (hold->release == NULL)
		opening_failed(driver, &err);
	else
		enter(driver, HOLD_OPENING, -1);
}

/* Requires a hold record of an earlier process, or of this target before a reload of the
 * configuration. */
static void take_over(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;
	bool forever = hold->record.kind == HAPROXY_RECORD_FENCE;
	int64_t ms = GRACE_MS + driver->target.config->hold_max_ms;
	auto_free char *next =
	    forever ? xasprintf("the fence stays until a primary is admitted, or until you run "
	                        "`segue resume %s`",
	                        driver->target.config->name)
	            : xasprintf("released when a primary is admitted, or in %" PRId64 " ms", ms);
	struct err err;

	enter(driver, HOLD_RECOVERED, forever ? -1 : ms);
	TARGET_LOG(LOG_WARNING, &driver->target, "found_closed",
	           KV_STR("what", forever ? "an earlier segue process left a fence"
	                                  : "an earlier segue process left a hold"),
	           KV_STR("note", hold->record.path), KV_STR("next", next));
	if (!haproxy_hold_record_save(&hold->record, 0, &err)) /* with the new owner */
		target_fail(&driver->target, "note_not_saved", err.message,
		            "the hold record on disk stays unchanged");
}

/* When segue ends for good, no client may be left waiting. */
static void release_at_end(struct haproxy_driver *driver)
{
	auto_strbuf struct strbuf file = STRBUF_INIT;
	struct haproxy_release_job job;
	struct err err;
	size_t released;

	if (make_job(driver, &file, &job, &err) && haproxy_release_wait(&job, &released, &err)) {
		tell_released(driver, "segue stops: HAProxy's servers are set as in its file");
		forget(driver);
		return;
	}
	target_fail(&driver->target, "release_failed", err.message,
	            "clients wait: run `segue resume`, or start segue again");
}

/* --- hold and fence --- */

/* Shows `view` (takes ownership), in which `count` servers differ from the text. Does so even when
 * the record cannot be written: `without_record` says what that means. timeout_ms -1: none. False:
 * no server leads to the primary, and readers of standbys need no hold. */
static bool close_servers(struct haproxy_driver *driver, enum haproxy_hold_record_kind kind,
                          const struct haproxy_endpoint *closed, struct haproxy_config *view,
                          size_t count, int64_t timeout_ms, const char *without_record)
{
	struct haproxy_hold *hold = &driver->hold;
	bool fence = kind == HAPROXY_RECORD_FENCE;
	struct err err;

	if (count == 0) {
		haproxy_config_open(view);
		return false;
	}
	haproxy_hold_record_set(&hold->record, kind, closed, &driver->primary);
	if (!haproxy_hold_record_save(&hold->record, driver->target.clock.zxid, &err))
		target_fail(&driver->target, "note_missing", err.message, without_record);
	if (closed != NULL)
		hold->closed_at = *closed;
	enter(driver, fence ? HOLD_FENCED : HOLD_HELD, timeout_ms);
	show(driver, view);
	if (fence)
		driver->runtime.cleanup_owed = true; /* also for servers already in maintenance */
	driver->wake(driver);
	return true;
}

/* Clients that are not held get errors now, while a hold ends with the next primary, or for each
 * client when HAProxy's retries are over. */
void haproxy_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	struct haproxy_hold *hold = &driver->hold;
	auto_free char *name = NULL, *port = NULL;
	struct haproxy_endpoint closed;
	struct haproxy_config view;
	struct err err;
	size_t count;

	(void)dead; /* its sessions end by themselves, or by the cleanup of the next move */
	if (driver->generation == 0) {
		if (hold->record.kind != HAPROXY_RECORD_FENCE) /* a hold does not replace a fence */
			keep_recovered(driver, &hold->held_episode, episode, timeout_ms);
		return;
	}
	if (episode == hold->held_episode && hold->state == HOLD_HELD)
		timer_start(hold->timer, timeout_ms);
	if (episode == hold->held_episode || episode == hold->fenced_episode)
		return;
	hold->held_episode = episode;
	if (!haproxy_closed_find(driver->primary.address, &closed, &err)) {
		target_fail(target, "hold_refused", err.message,
		            "clients are not held: they get errors when HAProxy has used up its "
		            "connection retries");
		return;
	}
	count = haproxy_config_hold(&driver->config, &driver->primary, &closed, timeout_ms, &view);
	if (!close_servers(driver, HAPROXY_RECORD_HOLD, &closed, &view, count, timeout_ms,
	                   "clients are held without a hold record; if segue is killed now, they "
	                   "wait until the next segue process admits a primary, or HAProxy is "
	                   "reloaded"))
		return;
	name = primary_name(driver);
	port = xasprintf("%s port %u", closed.address, (unsigned)closed.port);
	TARGET_LOG_ZXID(
	    LOG_WARNING, target, "hold", KV_STR("primary", name), KV_INT("servers", count),
	    KV_STR("closed", port), KV_MS("timeout_ms", timeout_ms * 1000),
	    KV_STR("next", "clients wait until a primary is admitted, or until the timeout"));
}

/* If segue ends, the fence stays until the first text of the next process, and does no harm to
 * data. */
void haproxy_fence(struct target *target, int64_t episode)
{
	struct haproxy_driver *driver = (struct haproxy_driver *)target;
	struct haproxy_hold *hold = &driver->hold;
	const struct haproxy_endpoint closed = hold->closed_at;
	const struct haproxy_endpoint *at = closed.address != NULL ? &closed : NULL;
	auto_free char *name = NULL;
	struct haproxy_config view;
	size_t count;

	if (driver->generation == 0) {
		keep_recovered(driver, &hold->fenced_episode, episode, -1);
		return;
	}
	if (episode == hold->fenced_episode)
		return;
	hold->fenced_episode = episode;
	count = haproxy_config_fence(&driver->config, &driver->primary, at, &view);
	if (!close_servers(driver, HAPROXY_RECORD_FENCE, at, &view, count, -1,
	                   "the fence is set without a hold record; if segue ends, the fence stays "
	                   "until its next start"))
		return;
	name = primary_name(driver);
	TARGET_LOG_ZXID(LOG_WARNING, target, "fence", KV_STR("primary", name),
	                KV_INT("servers", count),
	                KV_STR("next", "segue ends the sessions there, and HAProxy refuses new "
	                               "clients, until a primary is admitted"));
}

void haproxy_hold_end(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->state == HOLD_OPEN)
		return;
	if (hold->state == HOLD_OPENING) {
		haproxy_release_cancel(STEAL(hold->release));
		driver->runtime.in_doubt = true;
	}
	if (hold->state == HOLD_OPENING || hold->state == HOLD_RECOVERED)
		hold->held_episode = hold->fenced_episode = 0;
	enter(driver, HOLD_OPEN, -1);
	show(driver, NULL);
}

void haproxy_hold_settle(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->settled || driver->runtime.confirmed != driver->desired_seq)
		return;
	hold->settled = true;
	if (hold->state != HOLD_OPEN) {
		TARGET_LOG_ZXID(LOG_INFO, &driver->target,
		                hold->state == HOLD_HELD ? "held" : "fenced",
		                KV_MS("took_ms", clock_now_us() - hold->turned_us));
	} else if (hold->record.kind != HAPROXY_RECORD_NONE) {
		tell_released(driver, "HAProxy's servers are set as in the text");
		forget(driver);
	}
}

static void on_timer(void *arg)
{
	struct haproxy_driver *driver = arg;

	if (driver->hold.state == HOLD_RECOVERED) {
		open_recovered(driver);
		return;
	}
	TARGET_LOG_ZXID(LOG_WARNING, &driver->target, "hold_over", KV_STR("why", HOLD_OVER_WHY),
	                KV_MS("held_ms", clock_now_us() - driver->hold.since_us),
	                KV_STR("next",
	                       "clients are sent to the last primary again; if it is dead, they "
	                       "get errors when the connection retries are used up"));
	enter(driver, HOLD_OPEN, -1);
	show(driver, NULL);
	driver->wake(driver);
}

void haproxy_hold_judge(const struct haproxy_driver *driver)
{
	int64_t hold_ms = driver->target.config->hold_timeout_ms;
	auto_string_list struct string_list findings = {.count = 0};
	auto_strbuf struct strbuf line = STRBUF_INIT;

	if (hold_ms == 0 || driver->generation != 1)
		return;
	haproxy_lint_hold(driver->text, driver->len, hold_ms, &findings);
	string_list_join(&findings, "; ", &line);
	if (findings.count > 0)
		TARGET_LOG(LOG_WARNING, &driver->target, "cannot_hold",
		           KV_STR("file", driver->target.config->output),
		           KV_STR("found", line.data),
		           KV_STR("next", "while there is no primary, clients get errors: change "
		                          "the template; `segue check` shows what is left"));
}

/* --- the target's start and end --- */

void haproxy_hold_init(struct haproxy_driver *driver, const char *state_dir)
{
	struct haproxy_hold *hold = &driver->hold;
	struct err err;

	hold->timer = timer_new(driver->target.base, on_timer, driver);
	if (!haproxy_hold_record_init(&hold->record, state_dir, driver->target.config->name, &err))
		target_fail(&driver->target, "note_unusable", err.message,
		            "a hold or fence of an earlier segue process ends when a primary is "
		            "admitted; then remove the file");
	haproxy_hold_record_set_origin(&hold->record, driver->target.config->socket,
	                               driver->target.config->output);
	if (hold->record.kind != HAPROXY_RECORD_NONE)
		take_over(driver);
}

static void tell_left_fenced(const struct haproxy_driver *driver)
{
	auto_free char *primary = primary_name(driver);
	auto_free char *next =
	    xasprintf("no client reaches the primary until segue runs again and admits a primary; "
	              "to end the fence now: segue resume %s",
	              driver->target.config->name);

	TARGET_LOG(LOG_WARNING, &driver->target, "left_fenced", KV_STR("primary", primary),
	           KV_STR("note", driver->hold.record.path), KV_STR("next", next));
}

/* Releases a hold, leaves a fence. Does nothing if another target of the same name, made by a
 * reload of the configuration, has taken over the hold record: that one continues. In HOLD_OPEN a
 * text has ended the fence, even if HAProxy was not yet seen to show it. */
static void leave(struct haproxy_driver *driver)
{
	const struct haproxy_hold *hold = &driver->hold;

	if (hold->record.kind == HAPROXY_RECORD_NONE || !haproxy_hold_record_is_ours(&hold->record))
		return;
	if (hold->state != HOLD_OPEN && hold->record.kind == HAPROXY_RECORD_FENCE)
		tell_left_fenced(driver);
	else
		release_at_end(driver);
}

void haproxy_hold_fini(struct haproxy_driver *driver)
{
	struct haproxy_hold *hold = &driver->hold;

	if (hold->release != NULL)
		haproxy_release_cancel(hold->release);
	leave(driver);
	if (hold->state != HOLD_OPEN && driver->reloader != NULL)
		reloader_hold(driver->reloader, -1);
	haproxy_config_open(&hold->view);
	timer_free(hold->timer);
	haproxy_hold_record_fini(&hold->record);
}
