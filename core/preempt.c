/* See LICENSE for the terms. */
#include "core/preempt.h"

#include <sched.h>
#include <sys/resource.h>

#include "core/util.h"

void
preempt_init(struct preempt *p)
{
	const struct sched_param param = { 0 };

	*p = (struct preempt){ .after = PREEMPT_AFTER_MIN };
	/* Asked now: a filter of system calls should end us at the start. */
	p->never = sched_getscheduler(0) != SCHED_OTHER ||
	    sched_setscheduler(0, SCHED_OTHER, &param) == -1;
}

/* Whether the window that ends <now> was a busy one; the next begins. */
static bool
was_busy(struct preempt *p, uint64_t now, uint64_t switches)
{
	/* Once it is off, there are hardly any switches to be counted. */
	bool worth = p->off || switches - p->switches >=
	    p->waits + PREEMPT_SWITCHES;
	bool busy = worth && p->threads && p->slept < (now - p->window) / 4;

	p->window = now;
	p->switches = switches;
	p->slept = 0;
	p->waits = 0;
	p->threads = false;
	return busy;
}

bool
preempt_end(struct preempt *p, uint64_t now)
{
	bool soon = now - p->since < PREEMPT_HELD_NS;

	if (!p->off)
		return false;
	p->off = false;
	p->busy = 0;
	p->after = soon ? MIN(2 * p->after, PREEMPT_AFTER_MAX) :
	    PREEMPT_AFTER_MIN;
	return true;
}

bool
preempt_note(struct preempt *p, uint64_t now, uint64_t slept, bool threads)
{
	if (slept >= PREEMPT_LONG_NS)
		p->slept += slept;
	p->waits += slept > 0;
	p->threads |= threads;
	return now - p->window >= PREEMPT_WINDOW_NS && !p->never;
}

bool
preempt_judge(struct preempt *p, uint64_t now, uint64_t switches)
{
	if (!was_busy(p, now, switches)) {
		p->busy = 0;
		return preempt_end(p, now);
	}
	if (p->off || ++p->busy < p->after)
		return false;
	p->off = true;
	p->since = now;
	return true;
}

uint64_t
preempt_switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (uint64_t)u.ru_nvcsw + (uint64_t)u.ru_nivcsw;
}

void
preempt_set(pid_t tid, bool off)
{
	const struct sched_param param = { 0 };

	/* What fails is a thread that has ended meanwhile. */
	if (sched_getscheduler(tid) == (off ? SCHED_OTHER : SCHED_BATCH))
		sched_setscheduler(tid, off ? SCHED_BATCH : SCHED_OTHER,
		    &param);
}
