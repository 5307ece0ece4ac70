/* The only place that loads libpq. It is never unloaded: OpenSSL leaves handlers behind that would
 * then point to unmapped memory. Loading it again costs only a lookup, so nothing is kept here. */
#include "postgres/libpq.h"

#include <dlfcn.h>
#include <string.h>

/* ISO C cannot convert void * to a pointer to a function. POSIX defines dlsym() by this copy. */
static bool find(void *library, const char *name, void *function, size_t size, struct err *err)
{
	void *found = dlsym(library, name);

	if (found == NULL)
		return err_set(err, "%s has no %s: it is older than PostgreSQL 9.5", LIBPQ_FILE,
		               name);
	memcpy(function, &found, size);
	return true;
}

bool libpq_load(struct libpq *out, struct err *err)
{
	void *library = dlopen(LIBPQ_FILE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	void *function;
	bool ok;

	if (library == NULL)
		return err_set(err,
		               "%s: segue needs libpq for PgBouncer's admin console and for "
		               "verifying servers: install the package libpq5",
		               dlerror());
#define LIBPQ_FIND(member, function) \
	&&find(library, #function, &out->member, sizeof(out->member), err)
	ok = true LIBPQ_FUNCTIONS(LIBPQ_FIND);
#undef LIBPQ_FIND
	function = dlsym(library, "SSL_peek");
	memcpy(&out->ssl_peek, &function, sizeof(function));
	dlclose(library);
	return ok;
}
