/* The entry point of the layouts: which znodes a layout uses, and which decoder reads them. Refuses
 * empty and too large values for every layout. */
#include "topology/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* A znode of layout segue; the other layouts have one path for everything. */
static char *znode_path(const struct config_cluster *cluster, const char *child)
{
	const char *path = strcmp(cluster->path, "/") == 0 ? "" : cluster->path;

	return cluster->layout == CONFIG_LAYOUT_SEGUE ? xasprintf("%s/%s", path, child)
	                                              : xstrdup(cluster->path);
}

char *layout_master_path(const struct config_cluster *cluster)
{
	return znode_path(cluster, "master");
}

char *layout_presence_path(const struct config_cluster *cluster)
{
	return znode_path(cluster, "publishers");
}

char *layout_fleet_path(const struct config_cluster *cluster)
{
	return xasprintf("/segue/%s/sidecars", cluster->name);
}

static bool is_blank(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != ' ' && data[i] != '\t' && data[i] != '\r' && data[i] != '\n')
			return false;
	return true;
}

bool layout_decode(const struct config_cluster *cluster, const char *data, size_t len,
                   struct topology *out, struct err *err)
{
	topology_init(out);
	if (len > LAYOUT_VALUE_MAX)
		return err_set(err, "%zu bytes: at most %zu are allowed", len, LAYOUT_VALUE_MAX);
	if (is_blank(data, len))
		return err_set(err, "the znode is empty");
	switch (cluster->layout) {
	case CONFIG_LAYOUT_SEGUE:
		return layout_segue_decode(cluster, data, len, out, err);
	case CONFIG_LAYOUT_PATRONI:
		return err_set(err,
		               "layout patroni uses several znodes and cannot be decoded from one");
	case CONFIG_LAYOUT_PLAIN:
		break;
	}
	return layout_plain_decode(cluster, data, len, out, err);
}

/* The byte at *i, with %XX decoded. Advances *i over the digits. */
static char unescaped(const char *data, size_t len, size_t *i)
{
	char hex[3] = {0}, *end, c = data[*i];
	unsigned long value;

	if (c != '%' || len - *i < 3)
		return c;
	memcpy(hex, data + *i + 1, 2);
	value = strtoul(hex, &end, 16);
	if (end != hex + 2)
		return c;
	*i += 2;
	return (char)value;
}

/* In doubt returns true: an invalid URI can have its ":" and "@" anywhere, and a value that is
 * hidden without need can still be read in ZooKeeper. */
bool layout_secret(const char *data, size_t len)
{
	auto_strbuf struct strbuf plain = STRBUF_INIT;
	const char *scheme, *colon;

	for (size_t i = 0; i < len; i++) {
		char c = unescaped(data, len, &i);

		strbuf_append_char(&plain, c != '\0' ? c : '.');
	}
	if (strcasestr(plain.data, "password") != NULL)
		return true;
	scheme = strstr(plain.data, "://");
	colon = scheme != NULL ? strchr(scheme + 3, ':') : NULL;
	return colon != NULL && strchr(colon, '@') != NULL;
}
