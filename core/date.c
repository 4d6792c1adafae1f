/* See LICENSE for the terms. */
#include "core/date.h"

#include <string.h>

/*
 * Days are counted from 1 March of a leap cycle, so that the leap day is the
 * last of its year (Hinnant, "chrono-compatible low-level date algorithms").
 */
struct date
date_split(int64_t t)
{
	int64_t all = t / 86400;
	unsigned of_day = (unsigned)(t % 86400);
	int64_t days = all + 719468;
	unsigned era = (unsigned)(days / 146097);
	unsigned doe = (unsigned)(days % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;

	return (struct date){
		.year = yoe + era * 400 + (month <= 2),
		.month = month,
		.day = doy - (153 * mp + 2) / 5 + 1,
		.hour = of_day / 3600,
		.minute = of_day / 60 % 60,
		.second = of_day % 60,
		.weekday = (unsigned)((all + 4) % 7),
	};
}

static void
two(char *p, unsigned n)
{
	p[0] = (char)('0' + n / 10 % 10);
	p[1] = (char)('0' + n % 10);
}

void
date_imf(int64_t t, char *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct date d = date_split(t);

	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", DATE_IMF);
	memcpy(out, days + 3 * d.weekday, 3);
	two(out + 5, d.day);
	memcpy(out + 8, months + 3 * (d.month - 1), 3);
	two(out + 12, d.year / 100);
	two(out + 14, d.year % 100);
	two(out + 17, d.hour);
	two(out + 20, d.minute);
	two(out + 23, d.second);
}
