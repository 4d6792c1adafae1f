/* See LICENSE for the terms. */
#include <sched.h>
#include <unistd.h>

#include "core/preempt.h"
#include "core/util.h"
#include "tests/unit/t.h"

#define WINDOW	PREEMPT_WINDOW_NS
#define MANY	(PREEMPT_SWITCHES + 1)

/* A shard's thread, at a time and with so many switches so far. */
struct shard_thread {
	struct preempt p;
	uint64_t now;
	uint64_t switches;
};

static void
begin(struct shard_thread *t)
{
	*t = (struct shard_thread){ .now = 100 * WINDOW };
	preempt_init(&t->p);
	OK(!t->p.never && !t->p.off);
	t->p.window = t->now;
}

/* A turn that ends a window; whether preempt_judge() wants a change. */
static bool
window(struct shard_thread *t, uint64_t slept, uint64_t switches, bool threads)
{
	t->now += WINDOW;
	t->switches += switches;
	OK(preempt_note(&t->p, t->now, slept, threads));
	return preempt_judge(&t->p, t->now, t->switches);
}

static void
it_is_off_while_threads_hand_over(void)
{
	struct shard_thread t;

	begin(&t);
	OK(!window(&t, 0, MANY, true));
	OK(window(&t, 0, MANY, true) && t.p.off);
	/* With hardly any switches: that is what it is for. */
	for (int i = 0; i < 100; i++)
		OK(!window(&t, 0, 1, true) && t.p.off);
	OK(window(&t, 0, MANY, false) && !t.p.off);
	OK(t.p.after == PREEMPT_AFTER_MIN);
}

static void
one_busy_window_is_not_enough(void)
{
	struct shard_thread t;

	begin(&t);
	for (int i = 0; i < 10; i++) {
		OK(!window(&t, 0, MANY, true));
		OK(!window(&t, 0, MANY, false));
	}
	OK(!t.p.off);
}

static void
it_stays_on_without_threads_switches_or_load(void)
{
	struct shard_thread t;

	begin(&t);
	for (int i = 0; i < 10; i++) {
		OK(!window(&t, 0, MANY, false));
		OK(!window(&t, 0, PREEMPT_SWITCHES - 1, true));
		OK(!window(&t, WINDOW / 4, MANY, true));
	}
	/* Waits are no switches by others. */
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 30; k++)
			OK(!preempt_note(&t.p, t.now, 1000, true));
		OK(!window(&t, 0, 30 + PREEMPT_SWITCHES - 1, true));
	}
	OK(!t.p.off);
}

static void
short_waits_are_no_sleep(void)
{
	struct shard_thread t;

	begin(&t);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 10; k++)
			OK(!preempt_note(&t.p, t.now, PREEMPT_LONG_NS - 1,
			    true));
		window(&t, 0, 10 + MANY, true);
	}
	OK(t.p.off);
	OK(!preempt_note(&t.p, t.now, PREEMPT_LONG_NS, true));
	OK(!window(&t, 0, 0, true) && t.p.off);
	for (int k = 0; k < 10; k++)
		OK(!preempt_note(&t.p, t.now, PREEMPT_LONG_NS, true));
	OK(window(&t, 0, 0, true) && !t.p.off);
}

/* Windows until it is off. */
static unsigned
until_off(struct shard_thread *t)
{
	unsigned n = 1;

	while (!window(t, 0, MANY, true))
		n++;
	OK(t->p.off);
	return n;
}

static void
what_ends_soon_is_tried_less_often(void)
{
	struct shard_thread t;
	unsigned n = PREEMPT_AFTER_MIN;

	begin(&t);
	for (int i = 0; i < 12; i++) {
		OK(until_off(&t) == n);
		OK(window(&t, WINDOW, 1, true) && !t.p.off);
		n = MIN(2 * n, (unsigned)PREEMPT_AFTER_MAX);
	}
	OK(n == PREEMPT_AFTER_MAX && until_off(&t) == n);
	t.now += PREEMPT_HELD_NS;
	OK(window(&t, PREEMPT_HELD_NS, 1, true) && !t.p.off);
	OK(until_off(&t) == PREEMPT_AFTER_MIN);
}

static void
it_can_be_ended_at_any_time(void)
{
	struct shard_thread t;

	begin(&t);
	OK(!preempt_end(&t.p, t.now));
	until_off(&t);
	OK(preempt_end(&t.p, t.now) && !t.p.off);
	OK(!preempt_end(&t.p, t.now));
	OK(until_off(&t) == 2 * PREEMPT_AFTER_MIN);
}

static void
policies_of_others_are_left(void)
{
	const struct sched_param none = { 0 };
	pid_t own = gettid();
	struct preempt p;

	preempt_set(own, true);
	OK(sched_getscheduler(0) == SCHED_BATCH);
	preempt_init(&p);
	OK(p.never && !preempt_note(&p, 100 * WINDOW, 0, true));
	preempt_set(own, false);
	OK(sched_getscheduler(0) == SCHED_OTHER);
	preempt_set(own, false);
	OK(sched_getscheduler(0) == SCHED_OTHER);
	/* The last: no way leads back from it. */
	OK(sched_setscheduler(0, SCHED_IDLE, &none) == 0);
	preempt_set(own, true);
	preempt_set(own, false);
	OK(sched_getscheduler(0) == SCHED_IDLE);
}

static void
switches_are_counted(void)
{
	uint64_t before = preempt_switches();

	for (int i = 0; i < 10; i++)
		usleep(1000);
	OK(preempt_switches() >= before + 10);
}

static void
tests(void)
{
	T(it_is_off_while_threads_hand_over);
	T(one_busy_window_is_not_enough);
	T(it_stays_on_without_threads_switches_or_load);
	T(short_waits_are_no_sleep);
	T(what_ends_soon_is_tried_less_often);
	T(it_can_be_ended_at_any_time);
	T(switches_are_counted);
	T(policies_of_others_are_left);
}

T_MAIN(tests)
