/* segue run as a child of the lab, and its log as something to wait for. */
#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/internal.h"
#include "report/client.h"

#define LOG_MAX     ((size_t)256 * 1024 * 1024)
#define WANTED_MAX  8
#define PATH_BUFFER 4096

#define ASK_TIMEOUT_MS 10000

struct lab_segue {
	struct lab *lab;
	struct lab_process *process;
	const char *dir, *ini_file;
	size_t mark; /* bytes of the log that lie behind */
};

const char *lab_segue_binary(struct lab *lab)
{
	const char *named = getenv("SEGUE");
	char self[PATH_BUFFER];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (named != NULL && *named != '\0')
		return named;
	if (len < 0)
		lab_fail("cannot read /proc/self/exe: %s", strerror(errno));
	self[len] = '\0';
	return lab_printf(lab, "%s/segue", dirname(self));
}

/* Its own socket, where the test does not say which. */
static const char *with_listen(struct lab_segue *segue, const char *ini)
{
	static const char section[] = "[segue]\n";
	const char *at = strstr(ini, section);

	if (at == NULL || strstr(ini, "\nlisten =") != NULL)
		return ini;
	at += strlen(section);
	return lab_printf(segue->lab, "%.*slisten = unix:%s/segue.sock\n%s", (int)(at - ini), ini,
	                  segue->dir, at);
}

struct lab_segue *lab_segue_create(struct lab *lab, const char *ini)
{
	struct lab_segue *segue = lab_alloc(lab, sizeof(*segue), NULL);

	segue->lab = lab;
	segue->process = process_create(lab, "segue");
	segue->dir = lab_printf(lab, "%s/segue%u", lab->dir, lab->counter++);
	segue->ini_file = lab_printf(lab, "%s/segue.ini", segue->dir);
	if (mkdir(segue->dir, 0755) != 0)
		lab_fail("cannot make %s: %s", segue->dir, strerror(errno));
	lab_write_file(segue->ini_file, with_listen(segue, ini));
	return segue;
}

const char *lab_segue_ini_file(const struct lab_segue *segue)
{
	return segue->ini_file;
}

const char *lab_segue_dir(const struct lab_segue *segue)
{
	return segue->dir;
}

struct lab_process *lab_segue_process(struct lab_segue *segue)
{
	return segue->process;
}

void lab_segue_mark(struct lab_segue *segue)
{
	struct stat st;

	segue->mark =
	    stat(lab_process_log(segue->process), &st) == 0 ? (size_t)st.st_size : segue->mark;
}

static void start_verb(struct lab_segue *segue, const char *verb)
{
	const char *argv[] = {lab_segue_binary(segue->lab), verb, "-c", segue->ini_file, NULL};

	if (access(argv[0], X_OK) != 0)
		lab_fail("%s: %s; SEGUE names another one", argv[0], strerror(errno));
	lab_segue_mark(segue);
	process_exec(segue->process, argv, false);
}

void lab_segue_start(struct lab_segue *segue)
{
	start_verb(segue, "run");
}

void lab_segue_publish(struct lab_segue *segue)
{
	start_verb(segue, "publish");
}

struct search {
	struct lab_segue *segue;
	const char *wanted[WANTED_MAX];
	size_t wanted_count;
	char *first; /* the first line found, caller frees; NULL: none */
	int count;
};

static void take_wanted(struct search *search, va_list args)
{
	const char *wanted;

	while ((wanted = va_arg(args, const char *)) != NULL)
		if (search->wanted_count < WANTED_MAX)
			search->wanted[search->wanted_count++] = wanted;
}

static bool holds_all(const struct search *search, const char *line)
{
	for (size_t i = 0; i < search->wanted_count; i++)
		if (strstr(line, search->wanted[i]) == NULL)
			return false;
	return true;
}

/* Only whole lines count: the last one may still be being written. */
static void look(struct search *search)
{
	auto_strbuf struct strbuf log = STRBUF_INIT;
	struct err err;
	char *line, *end;

	search->count = 0;
	if (!file_read(lab_process_log(search->segue->process), LOG_MAX, &log, NULL, &err) ||
	    log.len < search->segue->mark)
		return;
	for (line = log.data + search->segue->mark; (end = strchr(line, '\n')) != NULL;
	     line = end + 1) {
		*end = '\0';
		if (!holds_all(search, line))
			continue;
		if (search->count++ == 0 && search->first == NULL)
			search->first = xstrdup(line);
	}
}

static bool found(void *arg)
{
	struct search *search = arg;

	look(search);
	return search->count > 0;
}

const char *lab_segue_wait_log(struct lab_segue *segue, int64_t timeout_ms, ...)
{
	struct search search = {.segue = segue};
	const char *line = NULL;
	va_list args;

	va_start(args, timeout_ms);
	take_wanted(&search, args);
	va_end(args);
	if (lab_wait_until(found, &search, timeout_ms))
		line = lab_printf(segue->lab, "%s", search.first);
	free(search.first);
	return line;
}

int lab_segue_count_log(struct lab_segue *segue, ...)
{
	struct search search = {.segue = segue};
	va_list args;

	va_start(args, segue);
	take_wanted(&search, args);
	va_end(args);
	look(&search);
	free(search.first);
	return search.count;
}

double lab_log_number(const char *line, const char *key)
{
	auto_free char *pattern = xasprintf(" %s=", key);
	const char *at = line != NULL ? strstr(line, pattern) : NULL;

	return at != NULL ? strtod(at + strlen(pattern), NULL) : -1;
}

const char *lab_segue_listen(const struct lab_segue *segue)
{
	return lab_printf(segue->lab, "unix:%s/segue.sock", segue->dir);
}

int lab_ask(const char *listen, const char *method, const char *path, struct strbuf *body)
{
	const struct client_call call = {.listen = listen,
	                                 .method = method,
	                                 .path = path,
	                                 .body = "",
	                                 .timeout_ms = ASK_TIMEOUT_MS};
	enum client_reach reach;
	struct err err = {0};
	int status = 0;

	strbuf_reset(body);
	return client_request(&call, &status, body, &reach, &err) ? status : -1;
}
