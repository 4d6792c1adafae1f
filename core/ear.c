/* See LICENSE for the terms. */
/*
 * Sleep and wake: see ear.h.
 */
#include "core/ear.h"

#include "core/loop.h"
#include "core/ring.h"
#include "core/util.h"

/* Does not know fences; what they order here is atomic without exception. */
#ifdef __SANITIZE_THREAD__
#pragma GCC diagnostic ignored "-Wtsan"
#endif

void
ear_reset(struct ear *e)
{
	atomic_store(&e->sleeping, 0);
	atomic_store(&e->wants_any, 0);
	for (unsigned i = 0; i < ARRAY_LEN(e->wants); i++)
		atomic_store(&e->wants[i], 0);
}

/* Relaxed: ordered by the fence of the ear_sleep() that follows. */
void
ear_want(struct ear *e, unsigned bit, bool wanted)
{
	uint64_t mask = UINT64_C(1) << bit % 64, any = 0;

	if (wanted)
		atomic_fetch_or_explicit(&e->wants[bit / 64], mask,
		    memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&e->wants[bit / 64], ~mask,
		    memory_order_relaxed);
	for (unsigned i = 0; i < ARRAY_LEN(e->wants) && !any; i++)
		any = atomic_load_explicit(&e->wants[i],
		    memory_order_relaxed);
	atomic_store_explicit(&e->wants_any, any != 0, memory_order_relaxed);
}

bool
ear_sleep(struct ear *e, const struct ring *r, const struct ring_cursor *c)
{
	atomic_store_explicit(&e->sleeping, 1, memory_order_relaxed);
	/* Dekker: with ear_wake()'s fence; what it wants is before it, too. */
	atomic_thread_fence(memory_order_seq_cst);
	return !ring_is_ready(r, c);
}

void
ear_rise(struct ear *e)
{
	/* Seldom set: others' caches keep the line otherwise. */
	if (atomic_load_explicit(&e->sleeping, memory_order_relaxed))
		atomic_store_explicit(&e->sleeping, 0, memory_order_relaxed);
}

static bool
wants(struct ear *e, unsigned bit, bool quarter)
{
	if (quarter && atomic_load_explicit(&e->wants_any,
	    memory_order_relaxed))
		return true;
	return atomic_load_explicit(&e->wants[bit / 64],
	    memory_order_relaxed) >> bit % 64 & 1;
}

unsigned
ear_wake(const struct ring *r, const struct ring_place *where, uint64_t hash,
    const int *fd)
{
	unsigned woken = 0;

	/* Dekker: the swap is before it, with ear_sleep()'s fence. */
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < r->n; i++) {
		struct ear *e = &r->ear[i];

		if (!atomic_load_explicit(&e->sleeping, memory_order_relaxed))
			continue;
		if (wants(e, ear_bit(hash), where->quarter) &&
		    atomic_exchange(&e->sleeping, 0)) {
			loop_wake(fd[i]);
			woken++;
		}
	}
	return woken;
}
