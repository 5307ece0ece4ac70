/* Times as the store has them: ISO 8601 to the second, with a fraction and an offset. Checked by
 * grammar and calendar, as they end up in logs and templates. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "watch/layout_parts.h"

struct iso_time {
	int year, month, day, hour, minute, second;
	const char *fraction; /* with the dot */
	int fraction_len;     /* 0: none */
	int offset_s;
	bool is_utc; /* written with Z */
};

static bool take_number(const char **p, int digits, int min, int max, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*value = *value * 10 + (**p - '0');
	}
	return *value >= min && *value <= max;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(const char **p, struct iso_time *t)
{
	return take_number(p, 4, 1970, 9999, &t->year) && take_char(p, '-') &&
	       take_number(p, 2, 1, 12, &t->month) && take_char(p, '-') &&
	       take_number(p, 2, 1, days_of(t->year, t->month), &t->day);
}

static bool take_fraction(const char **p, struct iso_time *t)
{
	size_t digits;

	t->fraction = *p;
	t->fraction_len = 0;
	if (!take_char(p, '.'))
		return true;
	digits = strspn(*p, "0123456789");
	if (digits < 1 || digits > 9)
		return false;
	*p += digits;
	t->fraction_len = (int)digits + 1;
	return true;
}

static bool take_clock(const char **p, struct iso_time *t)
{
	return take_number(p, 2, 0, 23, &t->hour) && take_char(p, ':') &&
	       take_number(p, 2, 0, 59, &t->minute) && take_char(p, ':') &&
	       take_number(p, 2, 0, 60, &t->second) && take_fraction(p, t);
}

static bool take_offset(const char **p, struct iso_time *t)
{
	int hours, minutes, sign = **p == '-' ? -1 : 1;

	t->offset_s = 0;
	t->is_utc = take_char(p, 'Z');
	if (t->is_utc)
		return true;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_number(p, 2, 0, 23, &hours) || !take_char(p, ':') ||
	    !take_number(p, 2, 0, 59, &minutes))
		return false;
	t->offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool parse(const char *text, struct iso_time *t)
{
	return take_date(&text, t) && take_char(&text, 'T') && take_clock(&text, t) &&
	       take_offset(&text, t) && *text == '\0';
}

const char *layout_time_problem(const char *text)
{
	struct iso_time t;

	if (!parse(text, &t) || !t.is_utc)
		return "no time: UTC as in \"2026-11-23T11:07:25Z\" is allowed";
	return NULL;
}

bool layout_time_to_utc(const char *text, char utc[LAYOUT_TIME_MAX])
{
	struct iso_time t;
	struct tm tm;
	time_t seconds;

	if (!parse(text, &t))
		return false;
	tm = (struct tm){.tm_year = t.year - 1900,
	                 .tm_mon = t.month - 1,
	                 .tm_mday = t.day,
	                 .tm_hour = t.hour,
	                 .tm_min = t.minute,
	                 .tm_sec = t.second};
	seconds = timegm(&tm) - t.offset_s;
	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 70 || tm.tm_year > 9999 - 1900)
		return false;
	snprintf(utc, LAYOUT_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%.*sZ", tm.tm_year + 1900,
	         tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.fraction_len,
	         t.fraction);
	return true;
}
