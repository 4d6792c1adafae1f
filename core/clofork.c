/* See LICENSE for the terms. */
/*
 * A bit a descriptor: the one structure that another thread cannot have left
 * half-written when this one forks.  Untouched pages of it take no memory.
 */
#include "core/clofork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "core/util.h"

/* Of the process: the handlers of pthread_atfork() are given nothing. */
static _Atomic uint64_t marked[CLOFORK_MAX / 64];

static uint64_t
bit(int fd)
{
	return (uint64_t)1 << ((unsigned)fd % 64);
}

void
clofork_set(int fd)
{
	if (fd >= 0 && (unsigned)fd < CLOFORK_MAX)
		atomic_fetch_or_explicit(&marked[(unsigned)fd / 64], bit(fd),
		    memory_order_relaxed);
}

void
clofork_clear(int fd)
{
	if (fd >= 0 && (unsigned)fd < CLOFORK_MAX)
		atomic_fetch_and_explicit(&marked[(unsigned)fd / 64],
		    ~bit(fd), memory_order_relaxed);
}

/* In the child, where there is no other thread; nothing here may allocate. */
static void
close_marked(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(marked); i++) {
		uint64_t left = atomic_load_explicit(&marked[i],
		    memory_order_relaxed);

		for (; left; left &= left - 1)
			close((int)(i * 64) + __builtin_ctzll(left));
		/* Written only where it was: the pages stay the parent's. */
		if (atomic_load_explicit(&marked[i], memory_order_relaxed))
			atomic_store_explicit(&marked[i], 0,
			    memory_order_relaxed);
	}
}

__attribute__((constructor)) static void
close_over_fork(void)
{
	pthread_atfork(NULL, NULL, close_marked);
}
