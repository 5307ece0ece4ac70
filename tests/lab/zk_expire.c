/* Ends other clients' sessions at the server, as their expiry would, without the wait: a session
 * belongs to whoever knows its id and password, and ZooKeeper tells one and computes the other. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/zk_internal.h"

#define TAKE_OVER_TIMEOUT_MS 10000
#define SESSIONS_MAX         64

/* ZooKeeper 3.8's SessionTrackerImpl makes the password from the id: java.util.Random seeded with
 * id ^ 0xB3415C00, whose generator is the 48-bit one of drand48(3). */
static void session_password(int64_t id, char password[16])
{
	const uint64_t multiplier = 0x5DEECE66D, mask = (1ULL << 48) - 1;
	uint64_t seed = (((uint64_t)id ^ 0xB3415C00) ^ multiplier) & mask;

	for (int i = 0; i < 16; i += 4) {
		uint32_t word;

		seed = (seed * multiplier + 0xB) & mask;
		word = (uint32_t)(seed >> 16);
		for (int j = 0; j < 4; j++)
			password[i + j] = (char)(word >> (8 * j));
	}
}

/* Takes the session over, as the same client on another connection would, and ends it. */
static bool expire_session(struct lab_zk *zk, int64_t id)
{
	clientid_t client = {.client_id = id};
	zhandle_t *zh;
	bool taken;

	session_password(id, client.passwd);
	zh = zk_open(zk, &client);
	taken = zk_connect(zh, clock_now_ms() + TAKE_OVER_TIMEOUT_MS);
	zookeeper_close(zh);
	return taken;
}

/* The ids in the reply to `cons`: "/127.0.0.1:41234[1](queued=0,...,sid=0x1000a,...)". */
static size_t sessions_of(const struct lab_zk *zk, int server, int64_t *ids, size_t max)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	size_t count = 0;

	if (!zk_ask(zk, server, "cons", &reply))
		return 0;
	for (const char *at = reply.data; count < max && (at = strstr(at, "sid=0x")) != NULL; at++)
		ids[count++] = (int64_t)strtoull(at + strlen("sid="), NULL, 16);
	return count;
}

int lab_zk_expire_others(struct lab_zk *zk)
{
	int64_t own = zk->session != NULL ? zoo_client_id(zk->session)->client_id : 0;
	int64_t ids[SESSIONS_MAX];
	size_t count = 0;
	int expired = 0;

	zk_must_own(zk);
	for (int i = 0; i < zk->count; i++)
		count += sessions_of(zk, i, ids + count, SESSIONS_MAX - count);
	for (size_t i = 0; i < count; i++)
		if (ids[i] != own && ids[i] != 0 && expire_session(zk, ids[i]))
			expired++;
	return expired;
}
