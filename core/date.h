/* See LICENSE for the terms. */
/*
 * The calendar, in UTC and without libc's: gmtime_r() takes a process-wide
 * lock.  Any thread; no state.
 */
#ifndef CORE_DATE_H
#define CORE_DATE_H

#include <stdint.h>

struct date {
	unsigned year;
	unsigned month;			/* 1 to 12 */
	unsigned day;			/* 1 to 31 */
	unsigned hour, minute, second;
	unsigned weekday;		/* 0 is Sunday */
};

/* <t>: seconds since 1970, not negative. */
struct date date_split(int64_t t);

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL (RFC 9110, 5.6.7). */
#define DATE_IMF 30

/* <out>: DATE_IMF bytes. */
void date_imf(int64_t t, char *out);

#endif
