/* See LICENSE for the terms. */
/*
 * core/title.c, as the kernel sees it.
 */
#include "core/title.h"

#include <sys/prctl.h>

#include "tests/unit/t.h"

static const char *
thread_name(void)
{
	static char name[16];

	prctl(PR_GET_NAME, name);
	return name;
}

static void
a_threads_name_keeps_its_suffix(void)
{
	title_thread(NULL, "7");
	OK_STR(thread_name(), "shoal-7");
	title_thread("", "7");
	OK_STR(thread_name(), "shoal-7");
	title_thread("a-long-name-for-a-shop", "12-345");
	OK_STR(thread_name(), "a-long-n-12-345");
	title_thread("shop", "12345678901234567");
	OK_STR(thread_name(), "s-1234567890123");
}

static void
a_title_stays_within_the_arguments(void)
{
	char args[] = "shoal\0--port\0" "1\0SECRET=environment";
	char *argv[] = { args, args + 6, args + 13, NULL };
	struct title t;

	title_init(&t, 3, argv);
	OK(t.at == args && t.size == 15);
	title_set(&t, "shop");
	OK_STR(args, "shop");
	OK(args[14] == '.');
	OK(memcmp(args + 4, "\0\0\0\0\0\0\0\0\0\0", 10) == 0);
	OK_STR(thread_name(), "shop");
	title_set(&t, "a longer name than that");
	OK_STR(args, "a longer name");
	OK_STR(args + 15, "SECRET=environment");
	OK_STR(thread_name(), "a longer name t");
}

static void
arguments_that_lie_elsewhere_are_left_alone(void)
{
	char one[] = "shoal", two[] = "two";
	char *argv[] = { one, two, NULL };
	struct title t;

	title_init(&t, 2, argv);
	if (two != one + sizeof(one))
		OK(t.size == sizeof(one));
	title_init(&t, 0, argv + 2);
	title_set(&t, "x");
	OK_STR(thread_name(), "x");
}

static void
tests(void)
{
	T(a_threads_name_keeps_its_suffix);
	T(a_title_stays_within_the_arguments);
	T(arguments_that_lie_elsewhere_are_left_alone);
}

T_MAIN(tests)
