/* A process with all its descendants, as /proc has them: HAProxy's workers and PostgreSQL's
 * backends (which leave the process group) go with their parent. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/internal.h"

#define CHILDREN_MAX 512

static size_t children_of(pid_t pid, pid_t *children)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");
	size_t count = 0;
	int child;

	if (file == NULL)
		return 0;
	while (count < CHILDREN_MAX && fscanf(file, "%d", &child) == 1) /* NOLINT(cert-err34-c) */
		children[count++] = child;
	fclose(file);
	return count;
}

void tree_each(pid_t pid, void (*fn)(pid_t pid, void *arg), void *arg)
{
	auto_free pid_t *children = xcalloc(CHILDREN_MAX, sizeof(*children));
	size_t count = children_of(pid, children);

	fn(pid, arg);
	for (size_t i = 0; i < count; i++)
		tree_each(children[i], fn, arg);
}

static void signal_one(pid_t pid, void *arg)
{
	kill(pid, *(int *)arg);
}

void tree_signal(pid_t pid, int signal)
{
	tree_each(pid, signal_one, &signal);
}
