/* See LICENSE for the terms. */
/*
 * Wake-up preemption, turned off while a busy shard's application has threads.
 *
 * A thread that is woken takes the CPU from the one that woke it.  With
 * Python's GIL that is for nothing: what it was woken for is still held by the
 * other, so it sleeps again at once, two switches for one.  Under SCHED_BATCH
 * (sched(7)) who runs runs on: a request that needs a thread takes up to an
 * eighth less CPU (tools/bench/results/preempt.md).
 *
 * But a shard that slept would then wait, some ms, for whoever else is on its
 * CPU.  So it is turned off only while there is much to save, and hardly any
 * sleep to wake from:
 *
 *   ON   -- <after> windows in a row that are busy --> OFF
 *   OFF  -- one that is not --> ON
 *
 * Busy is a window of time in which the application had threads, the shard's
 * was switched off its CPU far more often than it waited for events, and slept
 * less than a quarter.  Only a long wait is sleep: short ones are for its own
 * threads.
 * A wait that somebody else on the CPU makes long is one, too, so what hurts
 * ends by itself; and <after> doubles each time that it ended soon.
 *
 * Thread: the shard's.
 */
#ifndef CORE_PREEMPT_H
#define CORE_PREEMPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/timer.h"

#define PREEMPT_WINDOW_NS	(20 * NS_PER_MS)
/* Switches in a window, beside its waits, that are worth it. */
#define PREEMPT_SWITCHES	20
/* A wait from here on is sleep. */
#define PREEMPT_LONG_NS		(NS_PER_MS / 2)
/* Off for less, it ended soon. */
#define PREEMPT_HELD_NS		(10 * PREEMPT_WINDOW_NS)
#define PREEMPT_AFTER_MIN	2
#define PREEMPT_AFTER_MAX	512

struct preempt {
	uint64_t window;		/* ns, when this one began */
	uint64_t slept;			/* ns, in this window */
	uint64_t waits;			/* in this window */
	uint64_t switches;		/* before this window */
	uint64_t since;			/* ns, when it was turned off */
	uint32_t busy;			/* windows in a row until this one */
	uint32_t after;			/* as many turn it off */
	bool threads;			/* seen in this window */
	bool off;
	bool never;			/* the operator's, or refused */
};

/* By the shard's thread, whose policy says whether it may be turned off. */
void preempt_init(struct preempt *p);

/*
 * Once a turn, at <now>, after a wait of <slept> ns, 0: it did not wait.  True
 * when a window ends: then preempt_judge() is to be called.
 */
bool preempt_note(struct preempt *p, uint64_t now, uint64_t slept,
    bool threads);

/* <switches>: preempt_switches().  True when <off> changed: preempt_set(). */
bool preempt_judge(struct preempt *p, uint64_t now, uint64_t switches);

/* How often the calling thread was switched off its CPU so far. */
uint64_t preempt_switches(void);

/* Turned on at <now>, whatever was noted; false: it was on. */
bool preempt_end(struct preempt *p, uint64_t now);

/* Of thread <tid>; one that has a policy of its own is left as it is. */
void preempt_set(pid_t tid, bool off);

#endif
