/* Any reply of the runtime socket: no crash, and what is accepted keeps its promises. The first
 * byte selects the parser. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "haproxy/model/replies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_live(const char *reply, size_t len)
{
	struct haproxy_live live;
	struct err err;

	if (haproxy_live_parse(reply, len, &live, &err))
		for (size_t i = 0; i < live.count; i++)
			require(haproxy_live_find(&live, live.servers[i].backend,
			                          live.servers[i].name, NULL) != NULL);
	else
		require(live.count == 0 && err.message[0] != '\0');
	haproxy_live_free(&live);
}

static void fuzz_info(const char *reply, size_t len)
{
	struct haproxy_info info;
	struct err err;

	if (haproxy_info_parse(reply, len, &info, &err))
		require(info.pid > 0 && info.version[0] != '\0');
}

static void fuzz_sessions(const char *reply, size_t len)
{
	struct haproxy_expected stays = {0};
	struct haproxy_session_reader *reader;
	struct haproxy_sessions sessions = {0};
	size_t half = len / 2;
	struct err err;

	haproxy_expected_add(&stays, "b", "s", "10.0.0.1", 5432);
	haproxy_expected_add(&stays, "b", "r", NULL, 0);
	reader = haproxy_session_reader_create(&stays);
	if (!haproxy_session_reader_take(reader, reply, half, &err) ||
	    !haproxy_session_reader_take(reader, reply + half, len - half, &err))
		haproxy_session_reader_destroy(reader);
	else if (haproxy_session_reader_end(reader, &sessions, &err))
		for (size_t i = 0; i < sessions.count; i++)
			require(sessions.ids[i] != 0);
	haproxy_sessions_free(&sessions);
	haproxy_expected_free(&stays);
}

static void fuzz_procs(const char *reply, size_t len)
{
	struct haproxy_procs procs;
	struct err err;

	if (haproxy_procs_parse(reply, len, &procs, &err))
		require(procs.master_pid > 0);
	haproxy_procs_free(&procs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *, size_t) = {fuzz_live, fuzz_info, fuzz_sessions,
	                                                        fuzz_procs};

	if (size > 0)
		parsers[data[0] % 4]((const char *)data + 1, size - 1);
	return 0;
}
