/* What `segue check` has found, one line each, and what all its parts need. */
#include <event2/event.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/timer.h"
#include "setup/check.h"

void check_note(struct check *check, enum check_grade grade, const char *what, const char *fix,
                const char *detail, ...)
{
	static const char *const words[] = {
	    [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};
	auto_strbuf struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, detail);
	strbuf_vprintf(&text, detail, args);
	va_end(args);
	printf("%-4s  %s: %s%s%s\n", words[grade], what != NULL ? what : check->what, text.data,
	       fix != NULL ? ": " : "", fix != NULL ? fix : "");
	check->failed += grade == CHECK_FAIL;
}

void check_note_all(struct check *check, enum check_grade grade, const char *what, const char *fix,
                    const char *prefix, const struct string_list *details)
{
	for (size_t i = 0; i < details->count; i++)
		check_note(check, grade, what, fix, "%s%s", prefix, details->items[i]);
}

void check_about(struct check *check, const char *kind, const char *name)
{
	free(check->what);
	check->what = name != NULL ? xasprintf("%s/%s", kind, name) : xstrdup(kind);
}

void check_about_target(struct check *check, const struct config_target *target)
{
	check_about(check, config_target_kind_name(target->kind), target->name);
}

static void out_of_time(void *arg)
{
	event_base_loopbreak(arg);
}

void check_run_loop(struct check *check, int64_t ms)
{
	struct timer *timer = timer_new(check->base, out_of_time, check->base);

	timer_start(timer, ms);
	event_base_dispatch(check->base);
	timer_free(timer);
}

char *check_user(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return user != NULL ? xstrdup(user->pw_name)
	                    : xasprintf("uid %lu", (unsigned long)geteuid());
}
