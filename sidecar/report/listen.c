/* Opens the sockets that the endpoint listens on. Of files only a socket that no process listens on
 * is removed. A unix socket is never open to others than its owner and group, not even while it is
 * being created. */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config/grammar.h"
#include "endpoint_internal.h"

/* --- the Host header ---
 *
 * Refuses every name that a stranger could own. A stranger's page cannot have an IP address for its
 * name, so a page that uses one is the endpoint's own. */

/* Copies the host into `out`, without its port and the final dot (of the root); IPv6 without its
 * brackets. False if it is not host:port. */
static bool strip(const char *host, char out[REQUEST_HOST_MAX], bool bracketed)
{
	size_t len;

	host += bracketed;
	len = strcspn(host, bracketed ? "]" : ":");
	if (len >= REQUEST_HOST_MAX || (bracketed && host[len] != ']'))
		return false;
	memcpy(out, host, len);
	out[len] = '\0';
	if (len > 0 && out[len - 1] == '.')
		out[len - 1] = '\0';
	host += len + bracketed;
	return *host == '\0' || (*host == ':' && host[1 + strspn(host + 1, "0123456789")] == '\0');
}

/* `name` has `len` bytes. */
static bool matches(const char *host, const char *name, size_t len)
{
	size_t host_len = strlen(host);

	if (len > 0 && name[0] == '.') {
		if (host_len > len && strncasecmp(host + host_len - len, name, len) == 0)
			return true;
		name++;
		len--;
	}
	return len > 0 && host_len == len && strncasecmp(host, name, len) == 0;
}

static bool is_listed(const char *host, const char *names)
{
	for (size_t len;; names += len + 1) {
		len = strcspn(names, ",");
		if (matches(host, names, len))
			return true;
		if (names[len] == '\0')
			return false;
	}
}

bool host_is_allowed(const char *host, const char *names)
{
	char name[REQUEST_HOST_MAX];
	unsigned char bytes[sizeof(struct in6_addr)];
	bool bracketed = host[0] == '[';

	if (host[0] == '\0')
		return true;
	if (!strip(host, name, bracketed))
		return false;
	if (bracketed)
		return inet_pton(AF_INET6, name, bytes) == 1;
	return inet_pton(AF_INET, name, bytes) == 1 || strcasecmp(name, "localhost") == 0 ||
	       is_listed(name, names);
}

#define UNIX_PREFIX "unix:"
#define UNIX_MODE   0660
#define BACKLOG     1024 /* enough for slow clients that return: none is rejected */

static bool parse_unix(const char *path, struct listen_address *out, struct err *err)
{
	struct sockaddr_un sockaddr = {.sun_family = AF_UNIX};

	if (!grammar_path(path, GRAMMAR_SOCKET_MAX))
		return err_set(err,
		               "listen: \"" UNIX_PREFIX "%s\": an absolute path of at most %zu "
		               "bytes without blanks is allowed",
		               path, GRAMMAR_SOCKET_MAX);
	memcpy(sockaddr.sun_path, path, strlen(path));
	memcpy(&out->sockaddr, &sockaddr, sizeof(sockaddr));
	out->len = sizeof(sockaddr);
	out->is_unix = true;
	return true;
}

static bool parse_tcp(const char *listen, struct listen_address *out, struct err *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                               .ai_socktype = SOCK_STREAM};
	auto_free char *host = NULL;
	struct addrinfo *found = NULL;
	char service[8];
	uint16_t port;

	if (!grammar_host_port(listen, &host, &port))
		return err_set(err, "listen: \"%s\": unix:/PATH or host:port is allowed", listen);
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, service, &hints,
	                &found) != 0)
		return err_set(err,
		               "listen: \"%s\": the host must be an IP address of this machine, "
		               "or localhost",
		               listen);
	memcpy(&out->sockaddr, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

bool listen_parse(const char *listen, struct listen_address *out, struct err *err)
{
	size_t prefix = strlen(UNIX_PREFIX);

	*out = (struct listen_address){.len = 0};
	return strncmp(listen, UNIX_PREFIX, prefix) == 0 ? parse_unix(listen + prefix, out, err)
	                                                 : parse_tcp(listen, out, err);
}

bool listen_split(char *list, char *items[LISTEN_MAX], struct listen_address addresses[LISTEN_MAX],
                  size_t *count, struct err *err)
{
	char *rest = NULL;

	*count = 0;
	for (char *item = strtok_r(list, ",", &rest); item != NULL;
	     item = strtok_r(NULL, ",", &rest)) {
		size_t at = 0;

		while (at < *count && strcmp(items[at], item) != 0)
			at++;
		if (at < *count)
			continue;
		if (*count == LISTEN_MAX)
			return err_set(err, "listen: more than %d addresses", LISTEN_MAX);
		if (!listen_parse(item, &addresses[*count], err))
			return false;
		items[(*count)++] = item;
	}
	return true;
}

/* Of a unix socket; borrowed. */
static const char *listen_path(const struct listen_address *address)
{
	return ((const struct sockaddr_un *)&address->sockaddr)->sun_path;
}

static int make_socket(const struct listen_address *address)
{
	return socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* True if no process listens there any more, or none ever did. Removes a stale socket file. */
static bool check_free(const struct listen_address *address, struct err *err)
{
	const char *path = listen_path(address);
	auto_close int fd = make_socket(address);
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || err_set_errno(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s exists and is not a socket: it is not replaced", path);
	if (fd < 0)
		return err_set_errno(err, errno, "cannot create a socket");
	/* EAGAIN: a process listens, but is slow. */
	if (connect(fd, (const struct sockaddr *)&address->sockaddr, address->len) == 0 ||
	    errno == EAGAIN)
		return err_set(err, "another process listens on %s", path);
	if (errno != ECONNREFUSED)
		return err_set_errno(err, errno, "%s", path);
	return unlink(path) == 0 || err_set_errno(err, errno, "cannot remove the old %s", path);
}

static bool bind_unix(int fd, const struct listen_address *address, struct listen_file *file,
                      struct err *err)
{
	const char *path = listen_path(address);
	struct stat st;

	if (!check_free(address, err))
		return false;
	/* The file gets the mode of the socket without the bits of the umask; chmod() adds these
	 * again. */
	if (fchmod(fd, UNIX_MODE) != 0 ||
	    bind(fd, (const struct sockaddr *)&address->sockaddr, address->len) != 0)
		return err_set_errno(err, errno, "cannot create the socket %s", path);
	if (chmod(path, UNIX_MODE) != 0 || lstat(path, &st) != 0) {
		err_set_errno(err, errno, "cannot set the mode of %s", path);
		unlink(path);
		return false;
	}
	*file = (struct listen_file){.device = st.st_dev, .inode = st.st_ino};
	return true;
}

int listen_open(const struct listen_address *address, struct listen_file *file, struct err *err)
{
	auto_close int fd = make_socket(address);
	const int on = 1;
	int opened;

	*file = (struct listen_file){.inode = 0};
	if (fd < 0) {
		err_set_errno(err, errno, "cannot create a socket");
		return -1;
	}
	if (address->is_unix) {
		if (!bind_unix(fd, address, file, err))
			return -1;
	} else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	           bind(fd, (const struct sockaddr *)&address->sockaddr, address->len) != 0) {
		err_set_errno(err, errno, "cannot bind to the address");
		return -1;
	}
	if (listen(fd, BACKLOG) != 0) {
		err_set_errno(err, errno, "cannot listen");
		listen_remove(address, file);
		return -1;
	}
	opened = fd;
	fd = -1; /* NOLINT(clang-analyzer-deadcode.DeadStores): the cleanup reads it */
	return opened;
}

void listen_remove(const struct listen_address *address, const struct listen_file *file)
{
	struct stat st;

	if (address->is_unix && file->inode != 0 && lstat(listen_path(address), &st) == 0 &&
	    st.st_dev == file->device && st.st_ino == file->inode)
		unlink(listen_path(address));
}
