/* See LICENSE for the terms. */
/*
 * Immutable bytes with a count of references, and a log made of them.
 *
 * A shard appends every message that it delivers to its log: segments of
 * 64 KiB, each filled from its start.  Messages that follow each other lie
 * side by side, so what a socket has still to send is a place in a segment and
 * a length, and leaves by one send however many messages it is.  Bytes that
 * were handed out are never written again; a larger message has a segment of
 * its own.
 *
 * Thread: the log is the shard's.  The last to let go of a segment frees it,
 * whichever thread of the process that is.
 */
#ifndef CORE_SEG_H
#define CORE_SEG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SEG_SIZE (64u << 10)

struct seg {
	_Atomic uint32_t refs;
	uint32_t size;			/* of data */
	_Atomic uint64_t *held;		/* its log's; NULL: not counted */
	unsigned char data[];
};

/* NULL for want of memory.  One reference is the caller's. */
struct seg *seg_new(uint32_t size, _Atomic uint64_t *held);

static inline void
seg_ref(struct seg *g)
{
	atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
}

/* <g> may be NULL. */
void seg_unref(struct seg *g);

struct seglog {
	struct seg *seg;		/* the last one; NULL at first */
	uint32_t used;			/* of it */
	_Atomic uint64_t held;		/* bytes of segments not freed yet */
};

void seglog_init(struct seglog *l);
/* Segments that others hold live on; the memory of <l> must outlive them. */
void seglog_fini(struct seglog *l);

/*
 * Room for <n> bytes at the log's end, in l->seg at l->used; NULL for want of
 * memory.  Not part of the log until seglog_commit().
 */
unsigned char *seglog_reserve(struct seglog *l, uint32_t n);

static inline void
seglog_commit(struct seglog *l, uint32_t n)
{
	l->used += n;
}

#endif
