/* See LICENSE for the terms. */
/*
 * The calendar, against libc's for every day that matters.
 */
#include "core/date.h"

#include <time.h>

#include "tests/unit/t.h"

static bool
is_libcs(int64_t t)
{
	struct date d = date_split(t);
	time_t at = (time_t)t;
	struct tm tm;

	gmtime_r(&at, &tm);
	return d.year == (unsigned)tm.tm_year + 1900 &&
	    d.month == (unsigned)tm.tm_mon + 1 &&
	    d.day == (unsigned)tm.tm_mday && d.hour == (unsigned)tm.tm_hour &&
	    d.minute == (unsigned)tm.tm_min &&
	    d.second == (unsigned)tm.tm_sec &&
	    d.weekday == (unsigned)tm.tm_wday;
}

static void
every_day_of_five_centuries_is_right(void)
{
	unsigned wrong = 0;

	for (int64_t day = 0; day < 500 * 366; day++)
		wrong += !is_libcs(day * 86400) +
		    !is_libcs(day * 86400 + 86399);
	OK(wrong == 0);
}

static void
every_second_of_a_leap_day_is_right(void)
{
	unsigned wrong = 0;

	for (int64_t s = 0; s < 3 * 86400; s++)
		wrong += !is_libcs(1709078400 + s);	/* 28 Feb 2024 */
	OK(wrong == 0);
}

static void
the_text_is_that_of_rfc_9110(void)
{
	char text[DATE_IMF];

	date_imf(784111777, text);
	OK_STR(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	date_imf(0, text);
	OK_STR(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	date_imf(951782399, text);
	OK_STR(text, "Mon, 28 Feb 2000 23:59:59 GMT");
	date_imf(951782400, text);
	OK_STR(text, "Tue, 29 Feb 2000 00:00:00 GMT");
	date_imf(4107542399, text);
	OK_STR(text, "Sun, 28 Feb 2100 23:59:59 GMT");
	date_imf(4107542400, text);
	OK_STR(text, "Mon, 01 Mar 2100 00:00:00 GMT");
	date_imf(253402300799, text);
	OK_STR(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void
every_month_and_weekday_has_its_name(void)
{
	char text[DATE_IMF], want[40];

	for (int64_t day = 0; day < 366; day++) {
		time_t at = (time_t)(day * 86400);
		struct tm tm;

		gmtime_r(&at, &tm);
		/* The C locale's names are the RFC's. */
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT",
		    &tm);
		date_imf(at, text);
		OK_STR(text, want);
	}
}

static void
tests(void)
{
	T(every_day_of_five_centuries_is_right);
	T(every_second_of_a_leap_day_is_right);
	T(the_text_is_that_of_rfc_9110);
	T(every_month_and_weekday_has_its_name);
}

T_MAIN(tests)
