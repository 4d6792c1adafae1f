/* See LICENSE for the terms. */
/* The executable's own environment functions: single steps, then a race. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/t.h"

enum { ROUNDS = 20000, READERS = 3, NAMES = 40 };

static atomic_bool over;

static unsigned
count_named(const char *name)
{
	size_t n = strlen(name);
	unsigned k = 0;

	for (char **e = environ; e && *e; e++)
		k += strncmp(*e, name, n) == 0 && (*e)[n] == '=';
	return k;
}

static void
set_adds_replaces_or_leaves(void)
{
	OK(setenv("E_ONE", "a", 0) == 0);
	OK_STR(getenv("E_ONE"), "a");
	OK(setenv("E_ONE", "b", 0) == 0);
	OK_STR(getenv("E_ONE"), "a");
	OK(setenv("E_ONE", "", 1) == 0);
	OK_STR(getenv("E_ONE"), "");
	OK(count_named("E_ONE") == 1);
}

static void
names_that_cannot_be_are_refused(void)
{
	errno = 0;
	OK(setenv("", "a", 1) == -1 && errno == EINVAL);
	errno = 0;
	OK(setenv("A=B", "a", 1) == -1 && errno == EINVAL);
	errno = 0;
	OK(unsetenv("") == -1 && errno == EINVAL);
	errno = 0;
	OK(unsetenv("A=B") == -1 && errno == EINVAL);
	errno = 0;
	OK(putenv((char[]){ "=x" }) == -1 && errno == EINVAL);
}

static void
unset_takes_every_entry_of_the_name(void)
{
	char twice_a[] = "E_TWICE=1", twice_b[] = "E_TWICE=2", *own[4];

	/* As an execve() by somebody else may have passed it on. */
	own[0] = twice_a;
	own[1] = (char[]){ "E_STAYS=1" };
	own[2] = twice_b;
	own[3] = NULL;
	environ = own;
	OK(unsetenv("E_TWICE") == 0);
	OK(count_named("E_TWICE") == 0);
	OK_STR(getenv("E_STAYS"), "1");
	OK(unsetenv("E_NEVER_WAS") == 0);
	/* A reader that is in the old array still finds all of it. */
	OK(own[0] == twice_a && own[2] == twice_b && !own[3]);
	OK(unsetenv("E_STAYS") == 0);
	OK(environ && !environ[0]);
}

static void
put_keeps_the_string_itself(void)
{
	static char text[] = "E_PUT=1";

	OK(putenv(text) == 0);
	OK_STR(getenv("E_PUT"), "1");
	text[6] = '2';
	OK_STR(getenv("E_PUT"), "2");
	OK(setenv("E_PUT", "3", 1) == 0);
	OK_STR(text, "E_PUT=2");
	OK(putenv((char[]){ "E_PUT" }) == 0);
	OK(!getenv("E_PUT"));
}

static void
clear_leaves_nothing_and_set_works_after_it(void)
{
	OK(setenv("E_BEFORE", "1", 1) == 0);
	OK(clearenv() == 0);
	OK(!getenv("E_BEFORE"));
	OK(unsetenv("E_BEFORE") == 0);
	OK(setenv("E_AFTER", "1", 1) == 0);
	OK_STR(getenv("E_AFTER"), "1");
	OK(count_named("E_BEFORE") == 0);
}

static void
equal_values_cost_no_memory_again(void)
{
	char *first;
	char **array;

	setenv("E_TOGGLE", "on", 1);
	first = getenv("E_TOGGLE");
	array = environ;
	for (int i = 0; i < 1000; i++) {
		unsetenv("E_TOGGLE");
		setenv("E_TOGGLE", "on", 1);
	}
	OK(getenv("E_TOGGLE") == first);
	OK(environ == array);
}

static void *
write_env(void *arg)
{
	char name[16], value[16];

	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "E_%s%u", (char *)arg, i % NAMES);
		snprintf(value, sizeof(value), "%u", i % 50);
		setenv("TZ", i & 1 ? "UTC" : "Europe/Vienna", 1);
		setenv(name, value, 1);
		if (i % 3 == 0)
			unsetenv(name);
	}
	return NULL;
}

/* The thread sanitizer knows nothing of the locks and loads inside libc. */
#ifdef __SANITIZE_THREAD__
static const char *
look(const char *name)
{
	char **e = __atomic_load_n(&environ, __ATOMIC_ACQUIRE), *s;
	size_t n = strlen(name);

	for (; e; e++) {
		s = __atomic_load_n(e, __ATOMIC_ACQUIRE);
		if (!s)
			break;
		if (strncmp(s, name, n) == 0 && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

static void
tell_time(void)
{
}
#else
static const char *
look(const char *name)
{
	return getenv(name);
}

/* localtime() reads TZ, and frees what it made of the last one. */
static void
tell_time(void)
{
	time_t now = time(NULL);
	struct tm tm;

	OK(localtime_r(&now, &tm));
	mktime(&tm);
}
#endif

static void *
read_env(void *arg)
{
	unsigned torn = 0;

	(void)arg;
	while (!atomic_load(&over)) {
		const char *s = look("E_FIXED");

		/* Never missing, though its neighbours come and go. */
		torn += !s || strcmp(s, "here") != 0;
		s = look("TZ");
		torn += s && strcmp(s, "UTC") && strcmp(s, "Europe/Vienna");
		tell_time();
	}
	OK(torn == 0);
	return NULL;
}

static void
readers_without_a_lock_see_whole_environments(void)
{
	static char a[] = "A", b[] = "B";
	pthread_t writer[2], reader[READERS];
	char name[16];

	/* Where libc's unsetenv() would shift it under a reader's eyes. */
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "E_A%u", i);
		setenv(name, "", 1);
	}
	setenv("E_FIXED", "here", 1);
	for (int i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_env, NULL);
	pthread_create(&writer[0], NULL, write_env, a);
	pthread_create(&writer[1], NULL, write_env, b);
	pthread_join(writer[0], NULL);
	pthread_join(writer[1], NULL);
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
}

static void
tests(void)
{
	T(set_adds_replaces_or_leaves);
	T(names_that_cannot_be_are_refused);
	T(unset_takes_every_entry_of_the_name);
	T(put_keeps_the_string_itself);
	T(clear_leaves_nothing_and_set_works_after_it);
	T(equal_values_cost_no_memory_again);
	T(readers_without_a_lock_see_whole_environments);
}

T_MAIN(tests)
