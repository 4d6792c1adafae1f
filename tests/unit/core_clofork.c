/* See LICENSE for the terms. */
/*
 * core/clofork.c
 */
#include "core/clofork.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/t.h"

/* Whose descriptors are marked. */
#define SHARD 3u

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* Runs <fn> in a forked child; what it returned. */
static int
in_child(int (*fn)(const int *), const int *fd)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(fd));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
which_are_open(const int *fd)
{
	return is_open(fd[0]) | is_open(fd[1]) << 1 | is_open(fd[2]) << 2;
}

/* Its own children have what it opened under the same number. */
static int
reopened_and_forked(const int *fd)
{
	int again = dup2(fd[1], fd[0]);

	return again == fd[0] ? in_child(which_are_open, fd) : -1;
}

static void
a_child_has_only_what_is_not_marked(void)
{
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = open("/dev/null", O_RDONLY);
	OK(in_child(which_are_open, fd) == 7);
	clofork_set(SHARD, fd[0]);
	clofork_set(SHARD + 1, fd[2]);
	OK(in_child(which_are_open, fd) == 2);
	OK(which_are_open(fd) == 7);
	OK(in_child(reopened_and_forked, fd) == 3);
	clofork_clear(SHARD + 1, fd[2]);
	OK(in_child(which_are_open, fd) == 6);
	clofork_clear(SHARD, fd[0]);
	OK(in_child(which_are_open, fd) == 7);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* Numbers at the ends of words and of the table, and beyond. */
static void
every_number_is_its_own(void)
{
	static const int at[] = { 63, 64, 127, 128, 1000 };
	int null = open("/dev/null", O_RDONLY), fd[3];

	for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
		fd[0] = dup2(null, at[i] - 1);
		fd[1] = dup2(null, at[i]);
		fd[2] = dup2(null, at[i] + 1);
		clofork_set(SHARD, at[i]);
		OK(in_child(which_are_open, fd) == 5);
		clofork_clear(SHARD, at[i]);
		for (int k = 0; k < 3; k++)
			close(fd[k]);
	}
	clofork_set(SHARD, -1);
	clofork_clear(SHARD, -1);
	clofork_set(SHARD, CLOFORK_MAX);
	clofork_clear(SHARD, CLOFORK_MAX);
	clofork_set(SHARD, CLOFORK_MAX - 1);
	fd[0] = fd[1] = fd[2] = null;
	OK(in_child(which_are_open, fd) == 7);
	clofork_clear(SHARD, CLOFORK_MAX - 1);
	close(null);
}

static void
tests(void)
{
	T(a_child_has_only_what_is_not_marked);
	T(every_number_is_its_own);
}

T_MAIN(tests)
