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
