/* See LICENSE for the terms. */
/*
 * Allocation by what may fail.
 */
#include "core/mem.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/t.h"

/* Not a constant that the compiler could refuse. */
static volatile size_t impossible = SIZE_MAX / 4;

static void
zeroed_memory_is_zero(void)
{
	for (size_t n = 1; n < 100000; n *= 7) {
		unsigned char *p = mem_alloc(n);

		memset(p, 0xaa, n);
		mem_free(p);
		p = mem_zero(n);
		for (size_t i = 0; i < n; i++)
			if (p[i])
				OK(!"not zero");
		mem_free(p);
	}
	OK(true);
}

static void
trying_for_too_much_says_NULL(void)
{
	char *p = mem_try(8);

	memcpy(p, "as it is", 8);
	OK(!mem_try(impossible));
	OK(!mem_try_grow(p, impossible));
	OK(memcmp(p, "as it is", 8) == 0);
	p = mem_try_grow(p, 1 << 20);
	OK(p && memcmp(p, "as it is", 8) == 0);
	mem_free(p);
	p = mem_try_grow(NULL, 10);
	OK(p != NULL);
	mem_free(p);
	mem_free(NULL);
}

/* Ends the process with a message, not with NULL. */
static void
what_may_not_fail_aborts(void)
{
	for (int zero = 0; zero < 2; zero++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			close(2);
			if (zero)
				mem_zero(impossible);
			else
				mem_alloc(impossible);
			_exit(0);
		}
		OK(waitpid(pid, &status, 0) == pid);
		OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void *
bind_arena(void *to)
{
	void *p;

	*(unsigned *)to = mem_bind_arena();
	p = mem_alloc(1000);
	mem_free(p);
	return NULL;
}

static void
each_thread_may_have_an_arena_of_its_own(void)
{
	unsigned arena[2] = { 0, 0 };
	pthread_t t[2];

	for (int i = 0; i < 2; i++) {
		OK(pthread_create(&t[i], NULL, bind_arena, &arena[i]) == 0);
		OK(pthread_join(t[i], NULL) == 0);
	}
	if (strncmp(mem_version(), "jemalloc ", 9) == 0) {
		OK(arena[0] > 0 && arena[1] > 0 && arena[0] != arena[1]);
	} else {
		OK_STR(mem_version(), "libc malloc");
		OK(arena[0] == 0 && arena[1] == 0);
	}
	mem_join_arena(arena[0]);
	mem_free(mem_alloc(1000));
}

/* jemalloc's, where it is. */
int mallctl(const char *, void *, size_t *, void *, size_t)
    __attribute__((weak));

/* From 16 KiB on the kernel makes what is to be zero, page by page. */
static void
the_cache_of_a_new_thread_is_small(void)
{
	unsigned small = 0, large = 0, bins = 0;
	size_t n = sizeof(small);

	if (!mallctl)
		return;
	OK(mallctl("opt.tcache_nslots_small_max", &small, &n, NULL, 0) == 0);
	OK(mallctl("opt.tcache_nslots_large", &large, &n, NULL, 0) == 0);
	OK(mallctl("arenas.nbins", &bins, &n, NULL, 0) == 0);
	/* and eight large sizes at most, up to 32 KiB */
	OK((bins * small + 8 * large) * sizeof(void *) < 16384);
}

/* Of six, in turn by each function that may. */
static unsigned
failures_of_six(void)
{
	unsigned failed = 0;

	for (int i = 0; i < 6; i++) {
		void *p = i % 3 == 0 ? mem_try(8) : i % 3 == 1 ?
		    mem_try_zero(8) : mem_try_grow(NULL, 8);

		failed |= (unsigned)!p << i;
		mem_free(p);
	}
	return failed;
}

static void
tests_choose_what_fails(void)
{
#ifdef SHOAL_MEM_FAULTS
	OK(failures_of_six() == 0);
	mem_fail(1, 1);
	OK(failures_of_six() == 1);
	OK(mem_fail(3, 2) == 1);
	OK(failures_of_six() == 4 + 8);
	OK(mem_fail(5, 100) == 2);
	OK(failures_of_six() == 16 + 32);
	OK(failures_of_six() == 63);
	OK(mem_fail(0, 0) == 8);
#endif
	OK(failures_of_six() == 0);
}

static void
tests(void)
{
	T(zeroed_memory_is_zero);
	T(trying_for_too_much_says_NULL);
	T(what_may_not_fail_aborts);
	T(tests_choose_what_fails);
	T(each_thread_may_have_an_arena_of_its_own);
	T(the_cache_of_a_new_thread_is_small);
}

T_MAIN(tests)
