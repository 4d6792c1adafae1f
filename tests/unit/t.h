/* See LICENSE for the terms. */
/*
 * All the framework the unit programs have.  A program is static test
 * functions named for behaviours, and
 *
 *	static void
 *	tests(void)
 *	{
 *		T(a_late_reader_learns_how_many_it_missed);
 *	}
 *
 *	T_MAIN(tests)
 *
 * OK() never stops a test and is never compiled out.  The program's exit
 * status is 1 when any OK() failed.  Checks may run in any thread.
 */
#ifndef TESTS_UNIT_T_H
#define TESTS_UNIT_T_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint t_checks;
static atomic_uint t_failures;

#define OK(cond) t_ok(!!(cond), #cond, __FILE__, __LINE__)

/* Two strings that should be the same; prints both when they are not. */
#define OK_STR(got, want) t_ok_str(got, want, __FILE__, __LINE__)

#define T(fn) t_run(fn, #fn)

#define T_MAIN(fn) \
int \
main(void) \
{ \
	fn(); \
	return t_report(__FILE__); \
}

/* Returns the truth of the check, for those that cannot go on without. */
static inline bool
t_ok(bool ok, const char *what, const char *file, int line)
{
	atomic_fetch_add(&t_checks, 1);
	if (!ok) {
		atomic_fetch_add(&t_failures, 1);
		fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	}
	return ok;
}

static inline bool
t_ok_str(const char *got, const char *want, const char *file, int line)
{
	bool ok = got && want && strcmp(got, want) == 0;

	t_ok(ok, "the strings are equal", file, line);
	if (!ok)
		fprintf(stderr, "\tgot:  %s\n\twant: %s\n",
		        got ? got : "(null)", want ? want : "(null)");
	return ok;
}

static inline void
t_run(void (*fn)(void), const char *name)
{
	unsigned before = atomic_load(&t_failures);

	fn();
	if (atomic_load(&t_failures) != before)
		fprintf(stderr, "FAILED: %s\n", name);
}

static inline int
t_report(const char *file)
{
	unsigned failures = atomic_load(&t_failures);
	unsigned checks = atomic_load(&t_checks);

	if (failures)
		fprintf(stderr, "%s: %u of %u checks failed\n", file,
		        failures, checks);
	else
		printf("%s: %u checks\n", file, checks);
	/* A program that checks nothing has been broken, too. */
	return failures || !checks;
}

#endif
