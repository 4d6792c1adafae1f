/* See LICENSE for the terms. */
/*
 * Amounts as people write them; see the header.  Used by the options.
 */
#include "core/amount.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/util.h"

struct unit {
	const char *name;
	int64_t worth;
};

/* The larger before the smaller: the order in which they may follow. */
static const struct unit times[] = {
	{ "d", 86400 * AMOUNT_S },
	{ "h", 3600 * AMOUNT_S },
	{ "m", 60 * AMOUNT_S },
	{ "s", AMOUNT_S },
	{ "ms", AMOUNT_MS },
	{ "us", 1 },
};

static const struct unit sizes[] = {
	{ "g", INT64_C(1) << 30 }, { "gb", INT64_C(1) << 30 },
	{ "gib", INT64_C(1) << 30 },
	{ "m", INT64_C(1) << 20 }, { "mb", INT64_C(1) << 20 },
	{ "mib", INT64_C(1) << 20 },
	{ "k", INT64_C(1) << 10 }, { "kb", INT64_C(1) << 10 },
	{ "kib", INT64_C(1) << 10 },
	{ "b", 1 },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits at *<s>, at least one, and moves *<s> behind them. */
static int
digits(const char **s, int64_t *n)
{
	if (!is_digit(**s))
		return -EINVAL;
	for (*n = 0; is_digit(**s); (*s)++)
		if (__builtin_mul_overflow(*n, 10, n) ||
		    __builtin_add_overflow(*n, **s - '0', n))
			return -ERANGE;
	return 0;
}

int
amount_number(const char *s, int64_t *n)
{
	int err = digits(&s, n);

	if (err)
		return err;
	return *s ? -EINVAL : 0;
}

int
amount_size(const char *s, int64_t *bytes)
{
	int err = digits(&s, bytes);

	if (err || !*s)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		if (strcasecmp(s, sizes[i].name) == 0)
			return __builtin_mul_overflow(*bytes, sizes[i].worth,
			        bytes) ? -ERANGE : 0;
	return -EINVAL;
}

/*
 * Reads "12" or "1.5" at *<s> as whole and millionths.  More than six digits
 * behind the point are below a microsecond for all but d and h: not kept.
 */
static int
decimal(const char **s, int64_t *whole, int64_t *millionths)
{
	int64_t place = 100000;
	int err = digits(s, whole);

	*millionths = 0;
	if (err || **s != '.')
		return err;
	(*s)++;
	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++, place /= 10)
		*millionths += place * (**s - '0');
	return 0;
}

/*
 * Reads the unit at *<s>: one of those from <from> on, which then moves
 * behind it, so that "1m1h" and "1s1s" are refused.  0 if there is none.
 */
static int64_t
time_unit(const char **s, size_t *from)
{
	size_t n = strcspn(*s, "0123456789.");

	for (; *from < ARRAY_LEN(times); (*from)++) {
		const struct unit *u = &times[*from];

		if (strlen(u->name) == n && memcmp(*s, u->name, n) == 0) {
			*s += n;
			(*from)++;
			return u->worth;
		}
	}
	return 0;
}

int
amount_time(const char *s, int64_t bare, int64_t *us)
{
	int64_t whole, millionths, worth;
	size_t from = 0;
	int err;

	*us = 0;
	do {
		err = decimal(&s, &whole, &millionths);
		if (err)
			return err;
		/* A number without a unit must be the only one. */
		if (!*s && from == 0)
			worth = bare;
		else
			worth = time_unit(&s, &from);
		if (!worth)
			return -EINVAL;
		if (__builtin_mul_overflow(whole, worth, &whole) ||
		    __builtin_add_overflow(*us, whole, us) ||
		    __builtin_add_overflow(*us, millionths * worth / 1000000,
		    us))
			return -ERANGE;
	} while (*s);
	return 0;
}

static void
print_exact(char *buf, int64_t n, const struct unit *u, size_t count,
            const char *bare)
{
	for (size_t i = 0; n && i < count; i++) {
		if (n % u[i].worth == 0) {
			snprintf(buf, AMOUNT_TEXT, "%" PRId64 "%s",
			         n / u[i].worth, u[i].name);
			return;
		}
	}
	snprintf(buf, AMOUNT_TEXT, "%" PRId64 "%s", n, bare);
}

void
amount_print_size(char *buf, int64_t bytes)
{
	/* Bytes have no unit in print: leave out the last, "b". */
	print_exact(buf, bytes, sizes, ARRAY_LEN(sizes) - 1, "");
}

void
amount_print_time(char *buf, int64_t us)
{
	print_exact(buf, us, times, ARRAY_LEN(times), "s");
}
