/* See LICENSE for the terms. */
/*
 * Allocation, by what may fail.
 *
 * mem_alloc() and mem_zero() are for sizes that we chose: out of memory is the
 * end of the process (style: "bounded or try_").  mem_try() and mem_try_grow()
 * are for sizes that a client or an application chose: NULL is an answer that
 * the caller turns into 413, 500 or a closed connection.
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

/* "jemalloc 5.3.0-..." or "libc malloc". */
const char *mem_version(void);

#endif
