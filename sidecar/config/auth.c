/* The credentials for ZooKeeper, which are in a file of their own. */
#include <string.h>

#include "base/file.h"
#include "config.h"

#define AUTH_FILE_MAX 4096

bool config_read_auth(const struct config *config, struct strbuf *out, struct err *err)
{
	const char *file = config->auth_file;

	if (*file == '\0')
		return true;
	if (!file_read(file, AUTH_FILE_MAX, out, NULL, err))
		return err_wrap(err, "[zookeeper] auth_file");
	while (out->len > 0 && strchr("\r\n", out->data[out->len - 1]) != NULL)
		out->data[--out->len] = '\0';
	if (strncmp(out->data, "digest ", 7) != 0 || strchr(out->data + 7, ':') == NULL ||
	    strchr(out->data, '\n') != NULL)
		return err_set(err,
		               "[zookeeper] auth_file: %s: one line \"digest user:password\" is "
		               "what it must hold",
		               file);
	return true;
}
