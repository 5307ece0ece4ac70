/* Whatever answers at the socket: the driver's reply reader takes it or refuses it, within memory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "haproxy/model/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xcalloc(size + 1, 1);
	struct haproxy_batch_reply round;
	struct err err;

	for (size_t i = 0; i < size; i++)
		text[i] = (char)data[i];
	if (!haproxy_batch_parse(text, size, &round, &err))
		return 0;
	if (round.info.pid <= 0 || round.info.stopping)
		abort();
	haproxy_batch_free(&round);
	return 0;
}
