/* The oldest connection is replaced in turn, so that one of them is always among the youngest child
 * processes of the server. A server that shuts down waits for silent connections, until
 * authentication_timeout: so they are opened only right after it accepted writes, and the one that
 * is tried after an end, to see whether a process listens, is closed after REDIAL_MS. */
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "postgres_internal.h"

#define PACE_MS   500 /* between two that are opened */
#define REDIAL_MS 50
#define ENDS_MAX  8 /* in PACE_MS that are followed by a new attempt */

struct wire {
	struct tripwire *tripwire;
	struct event *io; /* NULL: no connection */
	bool after_end;   /* tried because a connection before it ended */
};

struct tripwire {
	struct event_base *base;
	struct pg_address address;
	struct wire wires[TRIPWIRES_MAX];
	unsigned count, turn;     /* turn: the one to replace next */
	unsigned ends;            /* since tripwire_arm() */
	int64_t next_ms, turn_ms; /* the earliest time to open one, to replace one */
	tripwire_cb *cb;
	void *arg;
};

static void cut(struct wire *wire)
{
	if (wire->io == NULL)
		return;
	close(event_get_fd(wire->io));
	event_free(STEAL(wire->io));
}

static void cut_all(struct tripwire *tripwire)
{
	for (unsigned i = 0; i < tripwire->count; i++)
		cut(&tripwire->wires[i]);
}

static void take(struct wire *wire, int error);

static void wire_cb(evutil_socket_t fd, short what, void *arg)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (what & EV_TIMEOUT) {
		cut(arg);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	take(arg, error);
}

/* Nothing is ever sent: the socket becomes readable at the end, or by a last message before it.
 * Returns the errno of a connection that failed at once; 0: it is in progress. */
static int try(struct wire *wire, bool after_end)
{
	static const struct timeval redial = {.tv_usec = REDIAL_MS * 1000L};
	struct tripwire *tripwire = wire->tripwire;
	int error, fd = socket(tripwire->address.any.sa_family,
	                       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	wire->after_end = after_end;
	wire->io = event_new(tripwire->base, fd, EV_READ, wire_cb, wire);
	if (connect(fd, &tripwire->address.any, tripwire->address.len) == 0 ||
	    errno == EINPROGRESS) {
		event_add(wire->io, after_end ? &redial : NULL);
		return 0;
	}
	error = errno;
	cut(wire);
	return error;
}

/* The connection has ended, or could not be opened. `error`: 0 for the end. Calls back at most
 * once, as the last step. If a connection that was tried after an end ends, too, that proves no
 * more than the end before it. */
static void take(struct wire *wire, int error)
{
	struct tripwire *tripwire = wire->tripwire;
	bool ended = error == 0 || error == ECONNRESET, stood = !wire->after_end;
	bool refused = error == ECONNREFUSED && wire->after_end;

	cut(wire);
	if (ended && tripwire->ends++ < ENDS_MAX)
		refused = try(wire, true) == ECONNREFUSED;
	if (refused)
		cut_all(tripwire);
	if (refused || (ended && stood))
		tripwire->cb(refused ? TRIPWIRE_REFUSED : TRIPWIRE_ENDED, tripwire->arg);
}

void tripwire_arm(struct tripwire *tripwire)
{
	int64_t now = clock_now_ms();
	unsigned missing = 0;

	if (now < tripwire->next_ms)
		return;
	tripwire->next_ms = now + PACE_MS;
	tripwire->ends = 0;
	if (now >= tripwire->turn_ms) {
		cut(&tripwire->wires[tripwire->turn]);
		tripwire->turn = (tripwire->turn + 1) % tripwire->count;
		tripwire->turn_ms = now + clock_jitter_ms(TRIPWIRE_LIFE_MS / tripwire->count);
	}
	while (missing < tripwire->count && tripwire->wires[missing].io != NULL)
		missing++;
	if (missing < tripwire->count)
		(void)try(&tripwire->wires[missing], false);
}

void tripwire_disarm(struct tripwire *tripwire)
{
	cut_all(tripwire);
	tripwire->next_ms = 0;
}

struct tripwire *tripwire_create(struct event_base *base, const struct member *member,
                                 unsigned count, tripwire_cb *cb, void *arg)
{
	struct tripwire *tripwire = xcalloc(1, sizeof(*tripwire));

	tripwire->base = base;
	tripwire->count = count;
	tripwire->turn = count - 1; /* so that the second turn replaces the first one opened */
	tripwire->cb = cb;
	tripwire->arg = arg;
	for (unsigned i = 0; i < count; i++)
		tripwire->wires[i].tripwire = tripwire;
	if (!pg_address_parse(member->address, member->port, &tripwire->address))
		tripwire->address.any.sa_family = AF_UNSPEC; /* of which there is no socket */
	return tripwire;
}

void tripwire_destroy(struct tripwire *tripwire)
{
	if (tripwire == NULL)
		return;
	cut_all(tripwire);
	free(tripwire);
}
