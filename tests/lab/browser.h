/* A headless Chromium, driven by chromedriver over WebDriver: what a test looks at the status page
 * with. Every call fails the test, by lab_fail(), when the browser refuses it. */
#ifndef SEGUE_TESTS_LAB_BROWSER_H
#define SEGUE_TESTS_LAB_BROWSER_H

#include <jansson.h>

#include "lab/lab.h"

struct lab_browser;

/* Ready, with a profile of its own in the lab's folder; ends with the lab. */
struct lab_browser *lab_browser_start(struct lab *lab);
void lab_browser_stop(struct lab_browser *browser); /* the browser ends, too */

void lab_browser_open(struct lab_browser *browser, const char *url); /* until it is loaded */
void lab_browser_resize(struct lab_browser *browser, int width, int height);
void lab_browser_prefer(struct lab_browser *browser, const char *scheme); /* "dark" or "light" */

/* By mouse and by keyboard, as a person does: an element that is hidden or covered is an error. */
void lab_browser_click(struct lab_browser *browser, const char *css);
void lab_browser_type(struct lab_browser *browser, const char *css, const char *text);

/* What the body of a JavaScript function returns; freed by the caller. */
json_t *lab_browser_eval(struct lab_browser *browser, const char *script) MUST_CHECK;
/* Waits until it returns something true. */
bool lab_browser_wait(struct lab_browser *browser, const char *script, int64_t timeout_ms);

/* What the console has said since the last call: an array of {"level", "message", ...}, freed by
 * the caller. */
json_t *lab_browser_console(struct lab_browser *browser) MUST_CHECK;

/* Of what is seen now, as a PNG file. */
void lab_browser_shoot(struct lab_browser *browser, const char *file);

#endif
