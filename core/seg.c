/* See LICENSE for the terms. */
/*
 * Reference counts, and the log's next segment: see seg.h.
 */
#include "core/seg.h"

#include "core/mem.h"
#include "core/util.h"

struct seg *
seg_new(uint32_t size, _Atomic uint64_t *held)
{
	struct seg *g = mem_try(sizeof(*g) + size);

	if (!g)
		return NULL;
	atomic_init(&g->refs, 1);
	g->size = size;
	g->held = held;
	if (held)
		atomic_fetch_add_explicit(held, size, memory_order_relaxed);
	return g;
}

void
seg_unref(struct seg *g)
{
	/* Release and acquire: whoever frees it comes after all who read it. */
	if (!g || atomic_fetch_sub_explicit(&g->refs, 1,
	    memory_order_acq_rel) > 1)
		return;
	if (g->held)
		atomic_fetch_sub_explicit(g->held, g->size,
		    memory_order_relaxed);
	mem_free(g);
}

void
seglog_init(struct seglog *l)
{
	l->seg = NULL;
	l->used = 0;
	atomic_init(&l->held, 0);
}

void
seglog_fini(struct seglog *l)
{
	seg_unref(l->seg);
	l->seg = NULL;
}

unsigned char *
seglog_reserve(struct seglog *l, uint32_t n)
{
	struct seg *next;

	if (!l->seg || l->seg->size - l->used < n) {
		next = seg_new(MAX(n, SEG_SIZE), &l->held);
		if (!next)
			return NULL;
		seg_unref(l->seg);
		l->seg = next;
		l->used = 0;
	}
	return l->seg->data + l->used;
}
