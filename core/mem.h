/* See LICENSE for the terms. */
/*
 * Allocation, by what may fail.
 *
 * mem_alloc() and mem_zero() are for what nobody could go on without: out of
 * memory is the end of the process (style: "bounded or try_").  mem_try(),
 * mem_try_zero() and mem_try_grow() are for all that a client or an application
 * causes, and for the start: NULL is an answer that the caller turns into 413,
 * 500, 503, a closed connection, or a message and an exit code.
 *
 * Any thread.  In builds with jemalloc the calling thread's arena serves it;
 * mem_bind_arena() gives a shard's thread an arena of its own.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_zero(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_try(size_t n) __attribute__((malloc));
void *mem_try_zero(size_t n) __attribute__((malloc));
/* As realloc(): <p> stays as it was when NULL is returned. */
void *mem_try_grow(void *p, size_t n);
void mem_free(void *p);

/*
 * Gives the calling thread an arena of its own, and returns its number.
 * mem_join_arena() puts another thread of the same shard on it.  Without
 * jemalloc both do nothing, and the number is 0.
 */
unsigned mem_bind_arena(void);
void mem_join_arena(unsigned arena);

#ifdef SHOAL_MEM_FAULTS
/*
 * For tests, in every build but the release: of the allocations that may fail,
 * the <first> from now on (1: the next) does, and <count> - 1 behind it.  With
 * 0, 0 none does any more.  The number that have failed since the last call.
 *
 * MEM_FAIL_AT=N in the environment does the same from the process's start on,
 * and in its children from their fork on.
 */
unsigned mem_fail(unsigned first, unsigned count);
#endif

/* "jemalloc 5.3.0-..." or "libc malloc". */
const char *mem_version(void);

#endif
