/* See LICENSE for the terms. */
/*
 * core/amount.c
 */
#include "core/amount.h"

#include <errno.h>

#include "tests/unit/t.h"

/* What amount_time() makes of <s>: microseconds or a negative errno. */
static int64_t
time_of(const char *s)
{
	int64_t us = 0;
	int err = amount_time(s, AMOUNT_S, &us);

	return err ? err : us;
}

static int64_t
size_of(const char *s)
{
	int64_t n = 0;
	int err = amount_size(s, &n);

	return err ? err : n;
}

static int64_t
number_of(const char *s)
{
	int64_t n = 0;
	int err = amount_number(s, &n);

	return err ? err : n;
}

static void
a_bare_number_is_seconds_or_what_the_caller_says(void)
{
	int64_t us;

	OK(time_of("30") == 30 * AMOUNT_S);
	OK(time_of("0") == 0);
	OK(time_of("0.25") == 250 * AMOUNT_MS);
	OK(amount_time("30", AMOUNT_MS, &us) == 0 && us == 30 * AMOUNT_MS);
	OK(amount_time("30s", AMOUNT_MS, &us) == 0 && us == 30 * AMOUNT_S);
}

static void
times_have_units(void)
{
	OK(time_of("500ms") == 500 * AMOUNT_MS);
	OK(time_of("1.5s") == 1500 * AMOUNT_MS);
	OK(time_of("250us") == 250);
	OK(time_of("2m") == 120 * AMOUNT_S);
	OK(time_of("1h30m") == 5400 * AMOUNT_S);
	OK(time_of("10d10h10m10s") == (10 * 86400 + 36610) * AMOUNT_S);
	OK(time_of("1s500ms") == 1500 * AMOUNT_MS);
	OK(time_of("1.0000005s") == AMOUNT_S);
	OK(time_of("0.000001s") == 1);
}

static void
bad_times_are_refused(void)
{
	static const char *const bad[] = { "", "s", "-1", "+1", " 1", "1 ",
		"1.", ".5", "1x", "1sx", "1m1h", "1s1s", "1h30", "1.5.5",
		"0x10", "1e3", "30S", "infinity", "1,5s", "1ss" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!OK(time_of(bad[i]) == -EINVAL))
			fprintf(stderr, "\t'%s'\n", bad[i]);
	OK(time_of("99999999999999999999") == -ERANGE);
	OK(time_of("999999999999d") == -ERANGE);
	OK(time_of("9223372036854775807us") == INT64_MAX);
	OK(time_of("9223372036854s999999999us") == -ERANGE);
}

static void
sizes_have_units_of_1024(void)
{
	OK(size_of("0") == 0);
	OK(size_of("8190") == 8190);
	OK(size_of("8k") == 8192 && size_of("8K") == 8192);
	OK(size_of("8kb") == 8192 && size_of("8KiB") == 8192);
	OK(size_of("1m") == 1 << 20 && size_of("1g") == 1 << 30);
	OK(size_of("12b") == 12);
	OK(size_of("") == -EINVAL && size_of("k") == -EINVAL);
	OK(size_of("1.5k") == -EINVAL && size_of("1kk") == -EINVAL);
	OK(size_of("-1") == -EINVAL && size_of("1 k") == -EINVAL);
	OK(size_of("9223372036854775807") == INT64_MAX);
	OK(size_of("9223372036854775808") == -ERANGE);
	OK(size_of("9000000000g") == -ERANGE);
}

static void
numbers_are_digits_only(void)
{
	OK(number_of("0") == 0 && number_of("007") == 7);
	OK(number_of("") == -EINVAL && number_of("1a") == -EINVAL);
	OK(number_of("-1") == -EINVAL && number_of("0x1") == -EINVAL);
	OK(number_of("9223372036854775808") == -ERANGE);
}

static void
printing_is_exact_and_short(void)
{
	char buf[AMOUNT_TEXT];

	amount_print_time(buf, 5400 * AMOUNT_S);
	OK_STR(buf, "90m");
	amount_print_time(buf, 250 * AMOUNT_MS);
	OK_STR(buf, "250ms");
	amount_print_time(buf, 0);
	OK_STR(buf, "0s");
	amount_print_time(buf, INT64_MAX);
	OK_STR(buf, "9223372036854775807us");
	amount_print_size(buf, 8192);
	OK_STR(buf, "8k");
	amount_print_size(buf, 8190);
	OK_STR(buf, "8190");
	amount_print_size(buf, INT64_C(1) << 40);
	OK_STR(buf, "1024g");
	amount_print_size(buf, 0);
	OK_STR(buf, "0");
}

static void
tests(void)
{
	T(a_bare_number_is_seconds_or_what_the_caller_says);
	T(times_have_units);
	T(bad_times_are_refused);
	T(sizes_have_units_of_1024);
	T(numbers_are_digits_only);
	T(printing_is_exact_and_short);
}

T_MAIN(tests)
