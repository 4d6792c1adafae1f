/* See LICENSE for the terms. */
/*
 * Deadlines of one shard: a timing wheel with lazy moving.
 *
 * A connection's deadline moves with every request and almost never fires.  So
 * a timer that is set later than it stands is only noted (one store); when its
 * slot comes up, the wheel finds that it is not due and links it anew.  Setting
 * is O(1), and a turn with nothing due costs one comparison.
 *
 * Resolution is TIMER_TICK (67 ms): right for timeouts of connections, not for
 * asyncio's timers, which the event loop hands to the poll as its own limit.
 *
 * Time: nanoseconds of CLOCK_MONOTONIC.  Thread: the shard's token holder.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"

#define TIMER_SHIFT 26			/* a tick is 2^26 ns */
#define TIMER_SLOTS 512			/* the wheel's horizon is 34 s */
#define TIMER_NEVER UINT64_MAX

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

struct timer;
typedef void (*timer_fn)(struct timer *);

struct timer {
	struct list node;
	uint64_t at;			/* due, ns; TIMER_NEVER: not set */
	uint64_t linked;		/* tick under which it is linked */
	timer_fn fn;			/* called once a setting */
};

struct wheel {
	struct list slot[TIMER_SLOTS];
	uint64_t used[TIMER_SLOTS / 64];	/* which slots have a timer */
	uint64_t tick;			/* all ticks before it are done */
};

void wheel_init(struct wheel *w, uint64_t now);

void timer_init(struct timer *t, timer_fn fn);
/* Due at <at>; replaces an earlier setting, sooner or later. */
void timer_set(struct wheel *w, struct timer *t, uint64_t at);
/* Never fires; leaves the wheel now, so that <t> may be freed. */
void timer_stop(struct wheel *w, struct timer *t);

static inline bool
timer_is_set(const struct timer *t)
{
	return t->at != TIMER_NEVER;
}

/* Calls what is due.  A callback may set and stop any timer. */
void wheel_run(struct wheel *w, uint64_t now);

/* When to look again, at the latest; TIMER_NEVER with no timer linked. */
uint64_t wheel_next(const struct wheel *w);

#endif
