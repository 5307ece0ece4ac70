/* The janitor: a process that outlives the lab's and cleans up after it, however that one ends.
 * It knows which processes the lab has started; when the lab's end of their socket closes, it kills
 * those that are left and removes the folder. */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/internal.h"

#define WATCHED_MAX     1024
#define SEGMENT_LINE    7
#define REMOVE_ATTEMPTS 100 /* 20 ms apart: a server that was just killed may still write */

struct message {
	pid_t pid;
	bool watch; /* false: forget it */
};

struct watched {
	pid_t pids[WATCHED_MAX];
	size_t count;
};

static void note(struct watched *watched, const struct message *message)
{
	for (size_t i = 0; i < watched->count; i++)
		if (watched->pids[i] == message->pid)
			watched->pids[i--] = watched->pids[--watched->count];
	if (message->watch && watched->count < WATCHED_MAX)
		watched->pids[watched->count++] = message->pid;
}

/* A PostgreSQL that was killed leaves its shared memory segment behind, and a machine has 4096 of
 * them: line 7 of postmaster.pid is "key id". */
static void remove_segment(const char *pid_file)
{
	FILE *file = fopen(pid_file, "re");
	char line[256] = "";
	unsigned long key;
	int id;

	for (int i = 0; file != NULL && i < SEGMENT_LINE; i++)
		if (fgets(line, sizeof(line), file) == NULL)
			line[0] = '\0';
	if (sscanf(line, "%lu %d", &key, &id) == 2) /* NOLINT(cert-err34-c) */
		shmctl(id, IPC_RMID, NULL);
	if (file != NULL)
		fclose(file);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type == FTW_F && strcmp(path + ftw->base, "postmaster.pid") == 0)
		remove_segment(path);
	return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

static void remove_folder(const char *dir)
{
	for (int i = 0; i < REMOVE_ATTEMPTS && access(dir, F_OK) == 0; i++)
		if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
			poll(NULL, 0, 20);
}

/* In its own session, without the lab's files: Ctrl-C does not reach it, nobody waits for it. */
static void leave_parent(int fd)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	if (chdir("/") != 0 || dup2(fd, 0) != 0 || close_range(1, ~0U, 0) != 0)
		_exit(1);
}

static void janitor_main(int fd, const char *dir)
{
	struct watched watched = {0};
	struct message message;
	ssize_t got;

	leave_parent(fd);
	while ((got = recv(0, &message, sizeof(message), 0)) != 0) {
		if (got == sizeof(message))
			note(&watched, &message);
		else if (got < 0 && errno != EINTR)
			break;
	}
	for (size_t i = 0; i < watched.count; i++) {
		tree_signal(watched.pids[i], SIGKILL);
		kill(-watched.pids[i], SIGKILL);
	}
	remove_folder(dir);
	_exit(0);
}

void janitor_start(struct lab *lab)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		lab_fail("cannot make a socket pair: %s", strerror(errno));
	lab->janitor_pid = fork();
	if (lab->janitor_pid < 0)
		lab_fail("cannot fork the janitor: %s", strerror(errno));
	if (lab->janitor_pid == 0) {
		close(fds[1]);
		janitor_main(fds[0], lab->dir);
	}
	close(fds[0]);
	lab->janitor_fd = fds[1];
}

static void tell(struct lab *lab, pid_t pid, bool watch)
{
	struct message message = {.pid = pid, .watch = watch};

	if (send(lab->janitor_fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
		lab_fail("the janitor of %s is gone: %s", lab->dir, strerror(errno));
}

void janitor_watch(struct lab *lab, pid_t pid)
{
	tell(lab, pid, true);
}

void janitor_forget(struct lab *lab, pid_t pid)
{
	tell(lab, pid, false);
}

void janitor_finish(struct lab *lab)
{
	close(lab->janitor_fd);
	while (waitpid(lab->janitor_pid, NULL, 0) < 0 && errno == EINTR)
		;
}
