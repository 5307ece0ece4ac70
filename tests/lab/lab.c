/* A lab's folder, memory, ports and end. Everything that it hands out lives as long as the lab. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "lab/internal.h"

#define NAP_MS        5
#define NAP_MAX_MS    100
#define FILE_READ_MAX ((size_t)64 * 1024 * 1024)
#define DIR_MAX       60 /* bytes: leaves room for a socket's name in the 107 of sun_path */

void lab_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("lab: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	fflush(NULL);
	_exit(1);
}

/* A question that costs much, such as a new connection to PostgreSQL, is asked less often: whoever
 * is asked needs the processor, too. */
static int nap_after(int64_t took_ms)
{
	int64_t nap = NAP_MS + 3 * took_ms;

	return nap < NAP_MAX_MS ? (int)nap : NAP_MAX_MS;
}

bool lab_wait_until(bool (*cond)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t deadline = clock_now_ms() + timeout_ms;

	for (;;) {
		int64_t asked = clock_now_ms(), answered;

		if (cond(arg))
			return true;
		answered = clock_now_ms();
		if (answered >= deadline)
			return false;
		poll(NULL, 0, nap_after(answered - asked));
	}
}

/* PostgreSQL, running as another user, has to pass through the folder: hence the x for all. */
static bool try_folder(struct lab *lab, const char *tmp, const char *name)
{
	auto_free char *dir = xasprintf("%s/segue-%.12s-XXXXXX", tmp, name);

	if (strlen(dir) > DIR_MAX || mkdtemp(dir) == NULL)
		return false;
	if (chmod(dir, 0711) != 0)
		lab_fail("cannot chmod %s: %s", dir, strerror(errno));
	lab->dir = lab_printf(lab, "%s", dir);
	return true;
}

struct lab *lab_create(const char *name)
{
	struct lab *lab = xcalloc(1, sizeof(*lab));
	const char *tmp = getenv("TMPDIR");

	if ((tmp == NULL || !try_folder(lab, tmp, name)) && !try_folder(lab, "/tmp", name))
		lab_fail("cannot make a folder in /tmp: %s", strerror(errno));
	janitor_start(lab);
	return lab;
}

static void end_processes(struct lab *lab)
{
	for (struct lab_process *p = lab->processes; p != NULL;)
		p = process_end(p);
}

void lab_destroy(struct lab *lab)
{
	for (struct lab_part *part = lab->parts; part != NULL; part = part->next)
		if (part->fini != NULL)
			part->fini(part->memory);
	end_processes(lab);
	janitor_finish(lab);
	while (lab->parts != NULL) {
		struct lab_part *part = lab->parts;

		lab->parts = part->next;
		free(part);
	}
	for (size_t i = 0; i < lab->ports.count; i++)
		close(lab->ports.fds[i]);
	for (size_t i = 0; i < lab->strings.count; i++)
		free(lab->strings.items[i]);
	free(lab->ports.fds);
	free(lab->strings.items);
	free(lab);
}

void *lab_alloc(struct lab *lab, size_t size, void (*fini)(void *memory))
{
	struct lab_part *part = xcalloc(1, sizeof(*part) + size);

	part->fini = fini;
	part->next = lab->parts;
	lab->parts = part;
	return part->memory;
}

const char *lab_dir(const struct lab *lab)
{
	return lab->dir;
}

static const char *keep_string(struct lab *lab, char *string)
{
	lab->strings.items =
	    xreallocarray(lab->strings.items, lab->strings.count + 1, sizeof(*lab->strings.items));
	lab->strings.items[lab->strings.count++] = string;
	return string;
}

const char *lab_printf(struct lab *lab, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	return keep_string(lab, strbuf_detach(&text));
}

const char *lab_path(struct lab *lab, const char *name)
{
	return lab_printf(lab, "%s/%s", lab->dir, name);
}

/* The reservation is a socket that stays bound and never listens. With SO_REUSEADDR on both sides a
 * server may bind beside it, now and after each restart, while the kernel gives the port to nobody
 * who asks for any free one. */
uint16_t lab_port(struct lab *lab)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
		lab_fail("no free port on 127.0.0.1: %s", strerror(errno));
	lab->ports.fds =
	    xreallocarray(lab->ports.fds, lab->ports.count + 1, sizeof(*lab->ports.fds));
	lab->ports.fds[lab->ports.count++] = fd;
	return ntohs(addr.sin_port);
}

void lab_write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		lab_fail("cannot write %s: %s", path, strerror(errno));
}

const char *lab_read_file(struct lab *lab, const char *path)
{
	struct strbuf text = STRBUF_INIT;
	struct err err;
	bool missing;

	if (!file_read(path, FILE_READ_MAX, &text, &missing, &err) && !missing)
		lab_fail("%s", err.message);
	return keep_string(lab, strbuf_detach(&text));
}

int lab_run(struct lab *lab, const char *const *argv, struct strbuf *output)
{
	return process_run(lab, argv, false, output);
}
