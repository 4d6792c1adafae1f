/* See LICENSE for the terms. */
/*
 * The one file that knows the allocator.  With SHOAL_JEMALLOC malloc itself is
 * jemalloc's (linked statically), so everything in the process, Python's large
 * objects too, comes from the arena of the calling thread.
 */
#include "core/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef SHOAL_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "core/bug.h"

void *
mem_alloc(size_t n)
{
	void *p = malloc(n);

	BUG_ON(!p);
	return p;
}

void *
mem_zero(size_t n)
{
	void *p = calloc(1, n);

	BUG_ON(!p);
	return p;
}

#ifdef SHOAL_MEM_FAULTS
/* Allocations until the first that fails, how many do, how many did. */
static _Atomic unsigned fault_first, fault_count, fault_met;

unsigned
mem_fail(unsigned first, unsigned count)
{
	fault_first = first;
	fault_count = count;
	return atomic_exchange(&fault_met, 0);
}

__attribute__((constructor)) static void
fail_from_start(void)
{
	const char *at = getenv("MEM_FAIL_AT");

	if (at)
		mem_fail((unsigned)strtoul(at, NULL, 10), 1);
}

/* One thread at a time allocates in what is tested. */
static bool
fails(void)
{
	if (fault_first > 1) {
		fault_first--;
		return false;
	}
	if (fault_first == 0 || fault_count == 0)
		return false;
	fault_count--;
	fault_met++;
	return true;
}
#else
static bool
fails(void)
{
	return false;
}
#endif

void *
mem_try(size_t n)
{
	return fails() ? NULL : malloc(n);
}

void *
mem_try_zero(size_t n)
{
	return fails() ? NULL : calloc(1, n);
}

void *
mem_try_grow(void *p, size_t n)
{
	return fails() ? NULL : realloc(p, n);
}

void
mem_free(void *p)
{
	free(p);
}

#ifdef SHOAL_JEMALLOC
/*
 * jemalloc's defaults for this program.  A thread has a cache of 200 objects
 * of each small size otherwise: over 16 KiB, which each new thread gets zeroed
 * from the kernel, by madvise() and a page fault a page.  Applications start a
 * thread a request (Django does).  Python's small objects do not come here.
 */
const char *malloc_conf = "tcache_nslots_small_max:40";

unsigned
mem_bind_arena(void)
{
	unsigned arena = 0;
	size_t n = sizeof(arena);

	if (mallctl("arenas.create", &arena, &n, NULL, 0) != 0)
		return 0;
	mem_join_arena(arena);
	return arena;
}

void
mem_join_arena(unsigned arena)
{
	/* Failing leaves the thread on a shared arena: slower, not wrong. */
	if (arena != 0)
		mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
}

const char *
mem_version(void)
{
	return "jemalloc " JEMALLOC_VERSION;
}
#else
unsigned
mem_bind_arena(void)
{
	return 0;
}

void
mem_join_arena(unsigned arena)
{
	(void)arena;
}

const char *
mem_version(void)
{
	return "libc malloc";
}
#endif
