/* WebDriver's protocol as far as the tests need it: JSON over HTTP, a connection a command,
 * blocking and bounded in time. Not report/client.h: chromedriver answers no Host but localhost. */
#include "lab/browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lab/internal.h"

#define COMMAND_TIMEOUT_MS 30000
#define ELEMENT            "element-6066-11e4-a52e-4f735466cecf" /* WebDriver's key for one */

struct lab_browser {
	struct lab *lab;
	struct lab_process *process; /* chromedriver; the browser is its child */
	uint16_t port;
	const char *session; /* "/session/<id>"; NULL: none yet */
};

/* chromedriver leaves the connection open: the reply ends where its length says. */
static bool is_whole(const struct strbuf *reply)
{
	static const char length[] = "\r\nContent-Length:";
	const char *body = strstr(reply->data, "\r\n\r\n");
	const char *at = strcasestr(reply->data, length);

	return body != NULL && at != NULL && at < body &&
	       strlen(body + 4) >= strtoul(at + strlen(length), NULL, 10);
}

static bool exchange(int fd, const struct strbuf *request, struct strbuf *reply)
{
	char buffer[16384];
	ssize_t got = 1;

	if (fd < 0 || send(fd, request->data, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
		return false;
	while (got > 0 && (reply->len == 0 || !is_whole(reply))) {
		got = recv(fd, buffer, sizeof(buffer), 0);
		if (got > 0)
			strbuf_append(reply, buffer, (size_t)got);
	}
	return got > 0 && strncmp(reply->data, "HTTP/1.1 200", strlen("HTTP/1.1 200")) == 0;
}

/* The "value" of the answer; NULL: no answer, or an error, which `body` then tells. */
static json_t *try_command(struct lab_browser *browser, const char *method, const char *path,
                           json_t *request, struct strbuf *reply)
{
	auto_free char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : xstrdup("");
	auto_strbuf struct strbuf head = STRBUF_INIT;
	auto_close int fd = net_connect(browser->port, COMMAND_TIMEOUT_MS);
	json_t *answer, *value = NULL;
	const char *body;

	json_decref(request);
	strbuf_printf(&head,
	              "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	              method, path, strlen(text), text);
	if (!exchange(fd, &head, reply))
		return NULL;
	body = strstr(reply->data, "\r\n\r\n");
	answer = body != NULL ? json_loads(body, 0, NULL) : NULL;
	value = json_incref(json_object_get(answer, "value"));
	json_decref(answer);
	return value;
}

/* `path`: behind the session's. Takes `request` over. */
static json_t *command(struct lab_browser *browser, const char *method, const char *path,
                       json_t *request)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	const char *whole = lab_printf(browser->lab, "%s%s", browser->session, path);
	json_t *value = try_command(browser, method, whole, request, &reply);

	if (value == NULL)
		lab_fail("chromedriver: %s %s: %s", method, path,
		         reply.len > 0 ? reply.data : "no answer");
	return value;
}

static void order(struct lab_browser *browser, const char *path, json_t *request)
{
	json_decref(command(browser, "POST", path, request));
}

/* A command of Chromium's own protocol. */
static void order_chromium(struct lab_browser *browser, const char *name, json_t *params)
{
	order(browser, "/goog/cdp/execute", json_pack("{s:s, s:o}", "cmd", name, "params", params));
}

static bool is_ready(void *arg)
{
	struct lab_browser *browser = arg;
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	json_t *value = try_command(browser, "GET", "/status", NULL, &reply);
	bool ready = json_is_true(json_object_get(value, "ready"));

	json_decref(value);
	return ready;
}

/* Without a sandbox, as tests run as root; and no call home, no first-run page. */
static void open_session(struct lab_browser *browser)
{
	const char *profile =
	    lab_printf(browser->lab, "--user-data-dir=%s", lab_path(browser->lab, "chromium"));
	json_t *args = json_pack("[s, s, s, s, s, s, s]", "--headless=new", "--no-sandbox",
	                         "--disable-gpu", "--disable-dev-shm-usage",
	                         "--disable-background-networking", "--no-first-run", profile);
	json_t *value;

	browser->session = "/session";
	value = command(browser, "POST", "",
	                json_pack("{s:{s:{s:{s:o}, s:{s:s}}}}", "capabilities", "alwaysMatch",
	                          "goog:chromeOptions", "args", args, "goog:loggingPrefs",
	                          "browser", "ALL"));
	browser->session = lab_printf(browser->lab, "/session/%s",
	                              json_string_value(json_object_get(value, "sessionId")));
	json_decref(value);
}

struct lab_browser *lab_browser_start(struct lab *lab)
{
	struct lab_browser *browser = lab_alloc(lab, sizeof(*browser), NULL);
	const char *argv[] = {"env",
	                      lab_printf(lab, "TMPDIR=%s", lab_dir(lab)),
	                      lab_printf(lab, "HOME=%s", lab_dir(lab)),
	                      "chromedriver",
	                      NULL,
	                      NULL};

	browser->lab = lab;
	browser->port = lab_port(lab);
	browser->process = process_create(lab, "chromedriver");
	argv[4] = lab_printf(lab, "--port=%u", browser->port);
	process_exec(browser->process, argv, false);
	process_wait_ready(browser->process, is_ready, browser, "chromedriver answers");
	open_session(browser);
	return browser;
}

void lab_browser_open(struct lab_browser *browser, const char *url)
{
	order(browser, "/url", json_pack("{s:s}", "url", url));
}

/* The window itself has a least width; the screen that is emulated in it has none. */
void lab_browser_resize(struct lab_browser *browser, int width, int height)
{
	order_chromium(browser, "Emulation.setDeviceMetricsOverride",
	               json_pack("{s:i, s:i, s:i, s:b}", "width", width, "height", height,
	                         "deviceScaleFactor", 1, "mobile", 0));
}

void lab_browser_prefer(struct lab_browser *browser, const char *scheme)
{
	order_chromium(browser, "Emulation.setEmulatedMedia",
	               json_pack("{s:[{s:s, s:s}]}", "features", "name", "prefers-color-scheme",
	                         "value", scheme));
}

static const char *find(struct lab_browser *browser, const char *css)
{
	json_t *value = command(browser, "POST", "/element",
	                        json_pack("{s:s, s:s}", "using", "css selector", "value", css));
	const char *path = lab_printf(browser->lab, "/element/%s",
	                              json_string_value(json_object_get(value, ELEMENT)));

	json_decref(value);
	return path;
}

void lab_browser_click(struct lab_browser *browser, const char *css)
{
	const char *element = find(browser, css);

	order(browser, lab_printf(browser->lab, "%s/click", element), json_object());
}

void lab_browser_type(struct lab_browser *browser, const char *css, const char *text)
{
	const char *element = find(browser, css);

	order(browser, lab_printf(browser->lab, "%s/value", element),
	      json_pack("{s:s}", "text", text));
}

json_t *lab_browser_eval(struct lab_browser *browser, const char *script)
{
	return command(browser, "POST", "/execute/sync",
	               json_pack("{s:s, s:[]}", "script", script, "args"));
}

struct expected {
	struct lab_browser *browser;
	const char *script;
};

static bool comes_true(void *arg)
{
	struct expected *expected = arg;
	json_t *value = lab_browser_eval(expected->browser, expected->script);
	bool yes = json_is_true(value);

	json_decref(value);
	return yes;
}

bool lab_browser_wait(struct lab_browser *browser, const char *script, int64_t timeout_ms)
{
	struct expected expected = {browser, script};

	return lab_wait_until(comes_true, &expected, timeout_ms);
}

json_t *lab_browser_console(struct lab_browser *browser)
{
	return command(browser, "POST", "/se/log", json_pack("{s:s}", "type", "browser"));
}

void lab_browser_shoot(struct lab_browser *browser, const char *file)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	json_t *value = command(browser, "GET", "/screenshot", NULL);
	FILE *out = fopen(file, "we");
	unsigned bits = 0, count = 0;

	if (out == NULL)
		lab_fail("cannot write %s", file);
	for (const char *at = json_string_value(value); *at != '\0' && *at != '='; at++) {
		bits = bits << 6 | (unsigned)(strchr(digits, *at) - digits);
		count += 6;
		if (count >= 8)
			fputc((int)(bits >> (count -= 8) & 0xff), out);
	}
	fclose(out);
	json_decref(value);
}

/* Killed, chromedriver would leave the browser behind, which is no descendant of its any more. */
void lab_browser_stop(struct lab_browser *browser)
{
	json_decref(command(browser, "DELETE", "", NULL));
	lab_process_stop(browser->process);
}
