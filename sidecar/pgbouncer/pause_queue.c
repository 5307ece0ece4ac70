/* A queue in front of several consoles; see the header. */

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/timer.h"
#include "driver_internal.h"
#include "pgbouncer/console.h"
#include "pgbouncer/model/diff.h"

#define PATIENCE_MS 100 /* then a PAUSE is abandoned, if others wait to be sent */

struct slot {
	struct pauser *pauser;
	struct console *console; /* NULL: none yet */
	char *name;              /* the database of the pending PAUSE; NULL: none */
};

struct pauser {
	struct event_base *base;
	char *conninfo;
	struct slot slots[PAUSER_CONSOLES];
	char **queue; /* names; the first one is sent next */
	size_t queued;
	int64_t timeout_ms;
	struct timer *patience;
	pauser_cb *cb;
	void *arg;
};

static void pump(struct pauser *pauser);

static void answer_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                      void *arg)
{
	struct slot *slot = arg;
	struct pauser *pauser = slot->pauser;
	auto_free char *name = STEAL(slot->name);

	(void)table;
	pump(pauser);
	pauser->cb(name, err, lost, pauser->arg);
}

static void send_next(struct pauser *pauser, struct slot *slot)
{
	auto_strbuf struct strbuf sql = STRBUF_INIT;
	struct err ignored; /* the driver has checked the name */

	if (slot->console == NULL)
		slot->console = console_create(pauser->base, pauser->conninfo);
	slot->name = pauser->queue[0];
	memmove(pauser->queue, pauser->queue + 1, --pauser->queued * sizeof(char *));
	strbuf_append_str(&sql, "PAUSE ");
	(void)!pgbouncer_quote_name(slot->name, &sql, &ignored);
	console_query(slot->console, sql.data, pauser->timeout_ms, answer_cb, slot);
}

static void pump(struct pauser *pauser)
{
	for (size_t i = 0; i < PAUSER_CONSOLES && pauser->queued > 0; i++)
		if (pauser->slots[i].name == NULL)
			send_next(pauser, &pauser->slots[i]);
	if (pauser->queued > 0)
		timer_start(pauser->patience, PATIENCE_MS);
	else
		timer_stop(pauser->patience);
}

static void abandon(struct slot *slot)
{
	console_close(STEAL(slot->console));
	free(STEAL(slot->name));
}

/* A console that still connects is not abandoned: its database would not be paused. */
static void patience_cb(void *arg)
{
	struct pauser *pauser = arg;

	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		if (pauser->slots[i].name != NULL && console_has_sent(pauser->slots[i].console))
			abandon(&pauser->slots[i]);
	pump(pauser);
}

struct pauser *pauser_create(struct event_base *base, const char *conninfo, pauser_cb *cb,
                             void *arg)
{
	struct pauser *pauser = xcalloc(1, sizeof(*pauser));

	*pauser =
	    (struct pauser){.base = base, .conninfo = xstrdup(conninfo), .cb = cb, .arg = arg};
	pauser->patience = timer_new(base, patience_cb, pauser);
	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		pauser->slots[i].pauser = pauser;
	return pauser;
}

void pauser_destroy(struct pauser *pauser)
{
	pauser_stop(pauser);
	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		console_close(pauser->slots[i].console);
	timer_free(pauser->patience);
	free(pauser->queue);
	free(pauser->conninfo);
	free(pauser);
}

void pauser_open(struct pauser *pauser)
{
	struct slot *slot = &pauser->slots[0];

	if (slot->console == NULL)
		slot->console = console_create(pauser->base, pauser->conninfo);
	console_open(slot->console);
}

void pauser_add(struct pauser *pauser, const char *name, int64_t timeout_ms)
{
	pauser->timeout_ms = timeout_ms;
	pauser->queue = xreallocarray(pauser->queue, pauser->queued + 1, sizeof(*pauser->queue));
	pauser->queue[pauser->queued++] = xstrdup(name);
	pump(pauser);
}

bool pauser_is_pending(const struct pauser *pauser, const char *name)
{
	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		if (pauser->slots[i].name != NULL && strcmp(pauser->slots[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < pauser->queued; i++)
		if (strcmp(pauser->queue[i], name) == 0)
			return true;
	return false;
}

bool pauser_is_done(const struct pauser *pauser)
{
	bool done = pauser->queued == 0;

	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		done = done && pauser->slots[i].name == NULL;
	return done;
}

void pauser_forget_unsent(struct pauser *pauser)
{
	while (pauser->queued > 0)
		free(pauser->queue[--pauser->queued]);
	timer_stop(pauser->patience);
}

void pauser_stop(struct pauser *pauser)
{
	pauser_forget_unsent(pauser);
	for (size_t i = 0; i < PAUSER_CONSOLES; i++)
		if (pauser->slots[i].name != NULL)
			abandon(&pauser->slots[i]);
}
