/* Compares the kernel's tables of sockets with the addresses of a text; see the header. A listener
 * counts as HAProxy's own if it belongs to the user that made the stats socket, unless the open
 * files of all HAProxy processes can be read and none of them has it open. */
#include "haproxy/listening.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "haproxy/process_args.h"

#define NET          "/proc/self/net/"     /* the units hide /proc/net (ProcSubset=pid) */
#define LISTENS      " 00000000 00010000 " /* protocol, and the flag __SO_ACCEPTCON */
#define CHILDREN_MAX ((size_t)64 * 1024)   /* bytes of a list of pids */

struct listener {
	struct haproxy_bind at;
	uid_t user;
	unsigned long inode;
};

struct search {
	struct ucred haproxy;
	struct listener *listeners;
	size_t count;
	unsigned long *held; /* inodes of the sockets that HAProxy has open, sorted */
	size_t held_count;
	bool looked, unseen; /* `held` has been read; `held` is incomplete */
};

/* --- HAProxy --- */

/* HAProxy binds a unix socket as NAME.PID.tmp and renames it; the kernel keeps the first name. */
static void cut_suffix(char *path)
{
	static const char suffix[] = ".tmp";
	size_t len = strlen(path);
	char *end = path + (len > strlen(suffix) ? len - strlen(suffix) : 0);

	if (strcmp(end, suffix) != 0)
		return;
	while (end > path && isdigit((unsigned char)end[-1]))
		end--;
	if (end > path && end[-1] == '.')
		end[-1] = '\0';
}

/* stat(2) is called only if the last part of both paths is the same. */
static bool is_socket(char *path, const char *socket)
{
	const char *name;

	cut_suffix(path);
	name = strrchr(path, '/');
	return strcmp(name, strrchr(socket, '/')) == 0 && haproxy_started_same_file(path, socket);
}

/* HAProxy is in the same network namespace: the table of unix sockets is that of one namespace.
 * Only a listening socket counts: an accepted connection is listed under the listener's name in the
 * namespace of the process that connected. */
static bool shares_network(const char *socket)
{
	FILE *table = *socket == '/' ? fopen(NET "unix", "re") : NULL;
	auto_free char *line = NULL;
	size_t capacity = 0;
	bool found = false;

	while (table != NULL && !found && getline(&line, &capacity, table) > 0) {
		char *path = strchr(line, '/');

		if (path == NULL || strstr(line, LISTENS) == NULL)
			continue;
		path[strcspn(path, "\n")] = '\0';
		found = is_socket(path, socket);
	}
	if (table != NULL)
		fclose(table);
	return found;
}

/* The process that made the socket: the master, or the only process. */
static bool find_haproxy(const char *path, struct ucred *out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*out);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out, &len) == 0;
}

int64_t haproxy_pid_at(const char *socket)
{
	struct ucred haproxy;

	return *socket == '/' && find_haproxy(socket, &haproxy) ? haproxy.pid : 0;
}

bool haproxy_is_elsewhere(const char *socket)
{
	struct ucred haproxy;

	return *socket != '/' || (find_haproxy(socket, &haproxy) && !shares_network(socket));
}

/* --- TCP listeners: /proc/net/tcp and tcp6 --- */

#define ROW_FIELDS 10
enum { ROW_LOCAL = 1, ROW_STATE = 3, ROW_USER = 7, ROW_INODE = 9 };

static bool split_row(char *line, char *fields[ROW_FIELDS])
{
	char *rest = NULL;

	fields[0] = strtok_r(line, " \n", &rest);
	for (size_t i = 1; i < ROW_FIELDS; i++)
		fields[i] = strtok_r(NULL, " \n", &rest);
	return fields[ROW_INODE] != NULL;
}

/* "0100007F:1F90". IPv6 has four words of 8 digits before the colon. Each word is a number in the
 * byte order of this machine. */
static bool read_local(const char *field, struct haproxy_bind *out)
{
	size_t len = strcspn(field, ":");
	struct in6_addr address = {.s6_addr = {0}};
	char text[INET6_ADDRSTRLEN];

	if ((len != 8 && len != 32) || field[len] != ':')
		return false;
	for (size_t i = 0; i < len / 8; i++) {
		auto_free char *word = xstrndup(field + i * 8, 8);

		address.s6_addr32[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	return inet_ntop(len == 8 ? AF_INET : AF_INET6, &address, text, sizeof(text)) != NULL &&
	       haproxy_bind_of(text, (uint16_t)strtoul(field + len + 1, NULL, 16), out);
}

/* False: not the row of a listener. The kernel lists listeners first, so none follows. */
static bool take_row(struct search *search, char *line)
{
	struct listener listener;
	char *fields[ROW_FIELDS];

	if (!split_row(line, fields) || strtoul(fields[ROW_STATE], NULL, 16) != TCP_LISTEN ||
	    !read_local(fields[ROW_LOCAL], &listener.at))
		return false;
	listener.user = (uid_t)strtoul(fields[ROW_USER], NULL, 10);
	listener.inode = strtoul(fields[ROW_INODE], NULL, 10);
	search->listeners = xreallocarray(search->listeners, search->count + 1, sizeof(listener));
	search->listeners[search->count++] = listener;
	return true;
}

static void read_table(struct search *search, const char *file)
{
	FILE *table = fopen(file, "re");
	auto_free char *line = NULL;
	size_t capacity = 0;

	if (table == NULL)
		return;
	if (getline(&line, &capacity, table) > 0) /* the header line */
		while (getline(&line, &capacity, table) > 0 && take_row(search, line))
			;
	fclose(table);
}

/* --- which process has a listener --- */

static int compare_inodes(const void *left, const void *right)
{
	const unsigned long *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static void look_into(struct search *search, pid_t pid)
{
	auto_free char *folder = xasprintf("/proc/%d/fd", (int)pid);
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	static const char prefix[] = "socket:[";
	char link[64];

	if (dir == NULL) {
		search->unseen = true;
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		search->unseen = search->unseen || (len < 0 && errno == EACCES);
		link[len > 0 ? len : 0] = '\0';
		if (strncmp(link, prefix, strlen(prefix)) != 0)
			continue;
		search->held =
		    xreallocarray(search->held, search->held_count + 1, sizeof(*search->held));
		search->held[search->held_count++] = strtoul(link + strlen(prefix), NULL, 10);
	}
	closedir(dir);
}

/* Reads the open sockets of the master and of its children, the workers. */
static void look_into_all(struct search *search)
{
	int master = (int)search->haproxy.pid;
	auto_free char *file = xasprintf("/proc/%d/task/%d/children", master, master);
	auto_strbuf struct strbuf pids = STRBUF_INIT;
	struct err ignored;
	char *rest = NULL;

	look_into(search, master);
	if (search->unseen || !file_read(file, CHILDREN_MAX, &pids, NULL, &ignored)) {
		search->unseen = true;
		return;
	}
	for (const char *pid = strtok_r(pids.data, " ", &rest); pid != NULL && !search->unseen;
	     pid = strtok_r(NULL, " ", &rest))
		look_into(search, (pid_t)strtol(pid, NULL, 10));
	if (search->held_count > 0)
		qsort(search->held, search->held_count, sizeof(*search->held), compare_inodes);
}

/* HAProxy has this socket open, or that cannot be known. */
static bool haproxy_may_hold(struct search *search, unsigned long inode)
{
	if (!search->looked)
		look_into_all(search);
	search->looked = true;
	return search->unseen ||
	       (search->held_count > 0 && bsearch(&inode, search->held, search->held_count,
	                                          sizeof(inode), compare_inodes) != NULL);
}

/* Tries to bind as HAProxy would, but without SO_REUSEPORT, so that no address is shared, and
 * without listen(). True: the address is in use. */
static bool is_refused(const struct haproxy_bind *wanted, uint16_t port)
{
	bool v4 = wanted->kind == HAPROXY_BIND_IPV4 || wanted->kind == HAPROXY_BIND_ANY_IPV4;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = wanted->address};
	auto_close int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1, v6only = wanted->kind != HAPROXY_BIND_ANY;

	memcpy(&in.sin_addr, &wanted->address, sizeof(in.sin_addr));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) != 0))
		return false;
	return bind(fd, v4 ? (const struct sockaddr *)&in : (const struct sockaddr *)&in6,
	            v4 ? sizeof(in) : sizeof(in6)) != 0 &&
	       errno == EADDRINUSE;
}

static void try_bind(struct search *search, const struct haproxy_bind *bind,
                     haproxy_taken_cb *found, void *arg)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct listener *listener = &search->listeners[i];

		if (haproxy_bind_overlaps(bind, &listener->at) &&
		    (listener->user != search->haproxy.uid ||
		     !haproxy_may_hold(search, listener->inode)) &&
		    is_refused(bind, listener->at.first)) {
			found(bind, listener->at.first, listener->user, arg);
			return;
		}
	}
}

void haproxy_taken_find(const char *socket, const struct haproxy_binds *binds, size_t group,
                        haproxy_taken_cb *found, void *arg)
{
	struct search search = {.count = 0};

	if (!shares_network(socket) || !find_haproxy(socket, &search.haproxy))
		return;
	read_table(&search, NET "tcp");
	read_table(&search, NET "tcp6");
	for (size_t i = 0; i < binds->count; i++) {
		const struct haproxy_bind *bind = &binds->items[i];

		if (bind->group == group && bind->kind != HAPROXY_BIND_NAME &&
		    *bind->interface == '\0' && *bind->netns == '\0')
			try_bind(&search, bind, found, arg);
	}
	free(search.listeners);
	free(search.held);
}

/* --- host names in bind lines; see the header --- */

#define HOSTS_FILE   "/etc/hosts"
#define HOSTS_BLANKS " \t\r"
#define HOSTS_MAX    ((size_t)4 * 1024 * 1024) /* bytes */

bool haproxy_names_has(const char *hosts, const char *host)
{
	auto_free char *copy = xstrdup(hosts);
	char *lines = copy, *line;

	while ((line = strsep(&lines, "\n")) != NULL) {
		char *rest = NULL;

		line[strcspn(line, "#")] = '\0';
		(void)strtok_r(line, HOSTS_BLANKS, &rest); /* the address */
		for (const char *name; (name = strtok_r(NULL, HOSTS_BLANKS, &rest)) != NULL;)
			if (strcasecmp(name, host) == 0)
				return true;
	}
	return false;
}

bool haproxy_bind_resolve(const struct haproxy_bind *bind, bool ask, struct haproxy_bind *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	auto_strbuf struct strbuf hosts = STRBUF_INIT;
	char address[INET6_ADDRSTRLEN];
	struct err ignored;
	bool fine;

	*out = *bind;
	if (bind->host == NULL)
		return false;
	hints.ai_family = bind->host_family;
	if (!ask && !(file_read(HOSTS_FILE, HOSTS_MAX, &hosts, NULL, &ignored) &&
	              haproxy_names_has(hosts.data, bind->host)))
		hints.ai_flags = AI_NUMERICHOST;
	if (getaddrinfo(bind->host, NULL, &hints, &found) != 0)
		return false;
	fine = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0,
	                   NI_NUMERICHOST) == 0 &&
	       haproxy_bind_at(bind, address, out);
	freeaddrinfo(found);
	return fine;
}
