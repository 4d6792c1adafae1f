/* See LICENSE for the terms. */
/*
 * The environment, safe to write from several interpreters.
 *
 * setenv(), unsetenv(), putenv() and clearenv() of the executable take the
 * place of libc's for everything in the process (libpython's os.environ, C
 * extensions): they must be exported, see the linker's list.  libc's lock its
 * writers only against each other; its getenv(), localtime() and getaddrinfo()
 * read without a lock and crash when a writer frees or moves under them.
 *
 * Here nothing that was ever visible is freed or shifted.  A writer changes
 * one pointer of the array, or publishes a copy of it, so a reader without a
 * lock sees the whole old or the whole new environment.  The price is memory:
 * a string for every different "name=value" ever set (equal ones are shared),
 * and an array when it grows or when a variable goes that is not the last.
 *
 * Thread: any.  Owner: the process, as the environment itself; that is why
 * the statics here are allowed.
 */
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

#define EXPORT __attribute__((visibility("default")))

/* Room for new variables whenever the array is copied. */
#define SLACK 16

struct array {
	struct array *prev;		/* older: readers may be in it */
	size_t cap;			/* entries, with the NULL */
	char *v[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct array *arrays;		/* newest first */
static void *strings;			/* tsearch() tree of those we made */

static void
take(void)
{
	pthread_mutex_lock(&lock);
}

static void
give(void)
{
	pthread_mutex_unlock(&lock);
}

/* A child forked while another thread holds the lock would wait for ever. */
__attribute__((constructor)) static void
keep_over_fork(void)
{
	pthread_atfork(take, give, give);
}

/* Pairs with the readers' address dependency: they use what they load. */
static void
put(char **at, char *s)
{
	__atomic_store_n(at, s, __ATOMIC_RELEASE);
}

static size_t
count(void)
{
	size_t n = 0;

	while (environ && environ[n])
		n++;
	return n;
}

static bool
is_named(const char *entry, const char *name, size_t n)
{
	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static char **
find(const char *name, size_t n)
{
	for (char **e = environ; e && *e; e++)
		if (is_named(*e, name, n))
			return e;
	return NULL;
}

/* The length of a name that may be set; 0 if it is none. */
static size_t
name_len(const char *name)
{
	return name && !strchr(name, '=') ? strlen(name) : 0;
}

/* Makes an array of ours with room for <room> more, and keeps the old one. */
static struct array *
copy_array(size_t n, size_t room)
{
	struct array *a;

	a = mem_try_zero(sizeof(*a) + (n + room + 1) * sizeof(*a->v));
	if (!a)
		return NULL;
	a->cap = n + room + 1;
	if (n)
		memcpy(a->v, environ, n * sizeof(*a->v));
	a->prev = arrays;
	arrays = a;
	return a;
}

static void
publish(struct array *a)
{
	__atomic_store_n(&environ, a->v, __ATOMIC_RELEASE);
}

static int
append(char *s)
{
	struct array *a = arrays;
	size_t n = count();

	/* Another array is somebody's who assigned to environ itself. */
	if (a && environ == a->v && n + 2 <= a->cap) {
		put(&a->v[n], s);
		return 0;
	}
	a = copy_array(n, n / 2 + SLACK);
	if (!a)
		return -1;
	a->v[n] = s;
	publish(a);
	return 0;
}

static int
place(char **at, char *s)
{
	if (!at)
		return append(s);
	put(at, s);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/*
 * "name=value", the same string whenever it is asked for again: a variable
 * that is set in every request must not cost memory in every request.
 */
static char *
make(const char *name, size_t n, const char *value)
{
	size_t len = strlen(value);
	char *s = mem_try(n + len + 2);
	char **node;

	if (!s)
		return NULL;
	memcpy(s, name, n);
	s[n] = '=';
	memcpy(s + n + 1, value, len + 1);
	node = tsearch(s, &strings, compare);
	if (!node || *node != s)
		mem_free(s);
	return node ? *node : NULL;
}

/* Removes every entry of that name, in one step for a reader. */
static int
drop(const char *name, size_t n)
{
	char **first = find(name, n);
	struct array *a = arrays;
	size_t k = 0;

	if (!first)
		return 0;
	/* The last goes in place: set and unset in turn cost nothing. */
	if (a && environ == a->v && !first[1]) {
		put(first, NULL);
		return 0;
	}
	a = copy_array(count(), SLACK);
	if (!a)
		return -1;
	for (char **e = a->v; *e; e++)
		if (!is_named(*e, name, n))
			a->v[k++] = *e;
	memset(&a->v[k], 0, (a->cap - k) * sizeof(*a->v));
	publish(a);
	return 0;
}

EXPORT int
setenv(const char *name, const char *value, int overwrite)
{
	size_t n = name_len(name);
	char **at, *s;
	int err = 0;

	if (!n) {
		errno = EINVAL;
		return -1;
	}
	take();
	at = find(name, n);
	if (!at || overwrite) {
		s = make(name, n, value);
		err = s ? place(at, s) : -1;
	}
	give();
	if (err)
		errno = ENOMEM;
	return err;
}

EXPORT int
unsetenv(const char *name)
{
	size_t n = name_len(name);
	int err;

	if (!n) {
		errno = EINVAL;
		return -1;
	}
	take();
	err = drop(name, n);
	give();
	if (err)
		errno = ENOMEM;
	return err;
}

/* The string itself becomes part of the environment; the caller keeps it. */
EXPORT int
putenv(char *string)
{
	const char *eq = strchr(string, '=');
	int err;

	if (!eq)
		return unsetenv(string);	/* as libc's does */
	if (eq == string) {
		errno = EINVAL;
		return -1;
	}
	take();
	err = place(find(string, (size_t)(eq - string)), string);
	give();
	if (err)
		errno = ENOMEM;
	return err;
}

EXPORT int
clearenv(void)
{
	take();
	__atomic_store_n(&environ, NULL, __ATOMIC_RELEASE);
	give();
	return 0;
}
