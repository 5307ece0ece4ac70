/* segue.ini from arbitrary bytes: an answer or errors, never both and never neither. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf errors = STRBUF_INIT;
	struct config *config = config_load_text("fuzz.ini", (const char *)data, size, &errors);

	if ((config == NULL) == (errors.len == 0))
		abort();
	for (size_t i = 0; config != NULL && i < config->target_count; i++)
		if (config->targets[i].cluster_index >= config->cluster_count)
			abort();
	config_free(config);
	strbuf_fini(&errors);
	return 0;
}
