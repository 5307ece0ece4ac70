/* Sanitizers in test binaries: a leak ends the test that makes it, and Criterion's runner, which
 * leaks a little of its own, is not looked at. Tests are children of the runner with boxfort's map
 * in their environment. */
#include <stdlib.h>

const char *__asan_default_options(void);
int __lsan_is_turned_off(void);

const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

int __lsan_is_turned_off(void)
{
	return getenv("BXFI_MAP") == NULL;
}
