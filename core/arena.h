/* See LICENSE for the terms. */
/*
 * Memory of one request, freed whole.
 *
 * A bump allocator: a first block that lives as long as its owner's slot (so
 * the usual request allocates nothing), and further blocks that are freed by
 * arena_reset().  Bounded: the limit is an argument of arena_init(), and NULL
 * is the answer beyond it.
 *
 * Thread: the one that holds the shard's token.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	char *at;			/* next free byte */
	char *end;			/* of the current block */
	char *first;			/* the block that stays */
	struct arena_block *more;	/* newest first */
	size_t used;			/* bytes of the blocks in <more> */
	size_t limit;			/* of <used> */
};

#define ARENA_FIRST 4096

/* <limit>: bytes beyond the first block.  0 or -ENOMEM. */
int arena_init(struct arena *a, size_t limit);
void arena_fini(struct arena *a);
/* Forgets everything allocated; the first block stays. */
void arena_reset(struct arena *a);

/* Aligned to 8; NULL beyond the limit or without memory. */
void *arena_alloc(struct arena *a, size_t n);

/*
 * Makes the newest allocation longer, from <have> to <want> bytes, in place or
 * moved.  <p> must be the newest allocation, or NULL with have == 0 (then
 * unaligned: for text).  NULL beyond the limit; <p> is untouched then.
 */
void *arena_grow(struct arena *a, void *p, size_t have, size_t want);

#endif
