/* See LICENSE for the terms. */
/*
 * Blocks beyond the first are sized for what is asked, at least doubling
 * nothing: a request that needs one is rare, and its limit is small.
 */
#include "core/arena.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/bug.h"
#include "core/mem.h"
#include "core/util.h"

struct arena_block {
	struct arena_block *next;
	size_t size;			/* of data */
	_Alignas(8) char data[];
};

int
arena_init(struct arena *a, size_t limit)
{
	a->first = mem_try(ARENA_FIRST);
	if (!a->first)
		return -ENOMEM;
	a->more = NULL;
	a->limit = limit;
	a->used = 0;
	a->at = a->first;
	a->end = a->first + ARENA_FIRST;
	return 0;
}

void
arena_fini(struct arena *a)
{
	arena_reset(a);
	mem_free(a->first);
	a->first = NULL;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b;

	while ((b = a->more)) {
		a->more = b->next;
		mem_free(b);
	}
	a->used = 0;
	a->at = a->first;
	a->end = a->first + ARENA_FIRST;
}

/* A new current block with room for <n>; false beyond the limit. */
static int
more(struct arena *a, size_t n)
{
	size_t size = MAX(n, (size_t)ARENA_FIRST);
	struct arena_block *b;

	if (size > a->limit - MIN(a->limit, a->used))
		return 0;
	b = mem_try(sizeof(*b) + size);
	if (!b)
		return 0;
	b->next = a->more;
	b->size = size;
	a->more = b;
	a->used += size;
	a->at = b->data;
	a->end = b->data + size;
	return 1;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	char *p = (char *)(((uintptr_t)a->at + 7) & ~(uintptr_t)7);

	if (p > a->end || (size_t)(a->end - p) < n) {
		if (!more(a, n))
			return NULL;
		p = a->at;
	}
	a->at = p + n;
	return p;
}

void *
arena_grow(struct arena *a, void *p, size_t have, size_t want)
{
	char *old = p ? p : a->at;

	BUG_ON_HOT(p && old + have != a->at);
	if ((size_t)(a->end - old) >= want) {
		a->at = old + want;
		return old;
	}
	/* Room to grow on, or text that comes bytewise moves every time. */
	if (!more(a, want + want / 2) && !more(a, want))
		return NULL;
	if (have > 0)
		memcpy(a->at, old, have);
	old = a->at;
	a->at = old + want;
	return old;
}
