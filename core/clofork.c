/* See LICENSE for the terms. */
/*
 * A bit a descriptor: the one structure that another thread cannot have left
 * half-written when this one forks.  Untouched pages of it take no memory.
 */
#include "core/clofork.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "core/util.h"

/* Shards beyond share with others: slower, not wrong. */
#define SETS 64u

/* Of a shard: the kernel gives two shards numbers that are neighbours. */
struct marks {
	alignas(128) _Atomic uint32_t end;	/* words used so far */
	alignas(128) _Atomic uint64_t word[CLOFORK_MAX / 64];
};

/* Of the process: the handlers of pthread_atfork() are given nothing. */
static struct marks marked[SETS];

static uint64_t
bit(int fd)
{
	return (uint64_t)1 << ((unsigned)fd % 64);
}

void
clofork_set(unsigned shard, int fd)
{
	struct marks *m = &marked[shard % SETS];
	uint32_t w = (uint32_t)fd / 64, end;

	if (fd < 0 || (unsigned)fd >= CLOFORK_MAX)
		return;
	end = atomic_load_explicit(&m->end, memory_order_relaxed);
	while (end <= w && !atomic_compare_exchange_weak_explicit(&m->end,
	    &end, w + 1, memory_order_relaxed, memory_order_relaxed))
		;
	atomic_fetch_or_explicit(&m->word[w], bit(fd), memory_order_relaxed);
}

void
clofork_clear(unsigned shard, int fd)
{
	struct marks *m = &marked[shard % SETS];

	if (fd >= 0 && (unsigned)fd < CLOFORK_MAX)
		atomic_fetch_and_explicit(&m->word[fd / 64], ~bit(fd),
		    memory_order_relaxed);
}

static void
close_word(_Atomic uint64_t *word, int first)
{
	uint64_t left = atomic_load_explicit(word, memory_order_relaxed);

	/* Written only where it was: the pages stay the parent's. */
	if (!left)
		return;
	for (; left; left &= left - 1)
		close(first + __builtin_ctzll(left));
	atomic_store_explicit(word, 0, memory_order_relaxed);
}

/* In the child, where there is no other thread; nothing here may allocate. */
static void
close_marked(void)
{
	for (unsigned i = 0; i < SETS; i++) {
		struct marks *m = &marked[i];
		uint32_t end = atomic_load_explicit(&m->end,
		    memory_order_relaxed);

		for (uint32_t w = 0; w < end; w++)
			close_word(&m->word[w], (int)(w * 64));
	}
}

__attribute__((constructor)) static void
close_over_fork(void)
{
	pthread_atfork(NULL, NULL, close_marked);
}
