/* See LICENSE for the terms. */
/*
 * The wheel.  A timer is linked under the tick at which it is looked at next:
 * its own, or the horizon's end when it is further away, or an earlier one
 * when it was set later after it had been linked (the lazy case).
 */
#include "core/timer.h"

#include <stddef.h>

#include "core/util.h"

#define MASK (TIMER_SLOTS - 1)

static uint64_t
tick_of(uint64_t ns)
{
	return ns >> TIMER_SHIFT;
}

void
wheel_init(struct wheel *w, uint64_t now)
{
	for (size_t i = 0; i < TIMER_SLOTS; i++)
		list_init(&w->slot[i]);
	for (size_t i = 0; i < ARRAY_LEN(w->used); i++)
		w->used[i] = 0;
	w->tick = tick_of(now);
}

void
timer_init(struct timer *t, timer_fn fn)
{
	list_init(&t->node);
	t->at = TIMER_NEVER;
	t->linked = 0;
	t->fn = fn;
}

static void
link_at(struct wheel *w, struct timer *t)
{
	/* Rounded up: never early. */
	uint64_t tick = tick_of(t->at) + 1;

	tick = MAX(tick, w->tick);
	tick = MIN(tick, w->tick + TIMER_SLOTS - 1);
	t->linked = tick;
	list_add_tail(&w->slot[tick & MASK], &t->node);
	w->used[(tick & MASK) / 64] |= 1ull << (tick & 63);
}

void
timer_set(struct wheel *w, struct timer *t, uint64_t at)
{
	t->at = at;
	if (!list_empty(&t->node)) {
		if (tick_of(at) + 1 >= t->linked)
			return;
		list_del(&t->node);
	}
	link_at(w, t);
}

void
timer_stop(struct wheel *w, struct timer *t)
{
	(void)w;
	t->at = TIMER_NEVER;
	list_del(&t->node);
}

void
wheel_run(struct wheel *w, uint64_t now)
{
	uint64_t last = tick_of(now);

	/* After a long stop every slot is looked at once, not every tick. */
	if (last >= w->tick + TIMER_SLOTS)
		w->tick = last - TIMER_SLOTS + 1;
	while (w->tick <= last) {
		unsigned i = (unsigned)(w->tick & MASK);
		struct list due, *n;

		w->tick++;
		if (!(w->used[i / 64] & 1ull << (i % 64)))
			continue;
		w->used[i / 64] &= ~(1ull << (i % 64));
		list_init(&due);
		list_splice(&due, &w->slot[i]);
		while ((n = list_pop(&due))) {
			struct timer *t = container_of(n, struct timer, node);

			if (t->at == TIMER_NEVER)
				continue;
			if (t->at > now) {
				link_at(w, t);
				continue;
			}
			t->at = TIMER_NEVER;
			t->fn(t);
		}
	}
}

uint64_t
wheel_next(const struct wheel *w)
{
	for (unsigned k = 0; k < TIMER_SLOTS; k++) {
		uint64_t tick = w->tick + k;
		unsigned i = (unsigned)(tick & MASK);

		if (w->used[i / 64] == 0) {
			/* Skip to the last slot of this word. */
			k += 63 - i % 64;
			continue;
		}
		if (w->used[i / 64] & 1ull << (i % 64))
			return tick << TIMER_SHIFT;
	}
	return TIMER_NEVER;
}
