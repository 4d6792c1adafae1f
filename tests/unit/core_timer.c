/* See LICENSE for the terms. */
/*
 * The timing wheel, on a clock that the test moves.
 */
#include "core/timer.h"

#include "core/util.h"
#include "tests/unit/t.h"

#define TICK (1ull << TIMER_SHIFT)
#define HORIZON (TIMER_SLOTS * TICK)

struct alarm {
	struct timer timer;
	unsigned fired;
	uint64_t when;			/* the clock at the last firing */
	struct alarm *stops;		/* at firing */
	struct alarm *sets;		/* at firing */
	uint64_t to;			/* where <sets> goes */
};

static struct wheel w;
static uint64_t now;

static void
on_alarm(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	OK(!timer_is_set(t));
	a->fired++;
	a->when = now;
	if (a->stops)
		timer_stop(&w, &a->stops->timer);
	if (a->sets)
		timer_set(&w, &a->sets->timer, a->to);
}

static void
begin(uint64_t at)
{
	now = at;
	wheel_init(&w, now);
}

static void
alarm_init(struct alarm *a)
{
	memset(a, 0, sizeof(*a));
	timer_init(&a->timer, on_alarm);
}

static void
to(uint64_t at)
{
	now = at;
	wheel_run(&w, now);
}

/* As the loop does it: sleeps as long as the wheel says, up to <end>. */
static unsigned
sleep_to(uint64_t end)
{
	unsigned wakes = 0;

	while (now < end) {
		uint64_t next = wheel_next(&w);

		to(MIN(next, end));
		wakes++;
	}
	return wakes;
}

static void
it_fires_once_never_early_and_within_two_ticks(void)
{
	struct alarm a;

	for (uint64_t start = 0; start < 3 * TICK; start += TICK / 3 + 7)
		for (uint64_t in = 1; in < 3 * HORIZON; in = in * 3 + 11) {
			begin(start);
			alarm_init(&a);
			timer_set(&w, &a.timer, start + in);
			sleep_to(start + in - 1);
			OK(a.fired == 0);
			sleep_to(start + in + 2 * TICK);
			OK(a.fired == 1);
			OK(a.when >= start + in);
			sleep_to(start + 5 * HORIZON);
			OK(a.fired == 1);
			OK(wheel_next(&w) == TIMER_NEVER);
		}
}

static void
a_far_deadline_outlasts_the_wheel(void)
{
	const uint64_t day = 86400 * NS_PER_S;
	struct alarm a;
	unsigned wakes;

	begin(12345678901234);
	alarm_init(&a);
	timer_set(&w, &a.timer, now + day);
	wakes = sleep_to(now + day + 2 * TICK);
	OK(a.fired == 1);
	/* Looked at once a turn of the wheel, not once a tick. */
	OK(wakes < day / HORIZON + 10);
}

static void
a_timer_that_moves_on_is_linked_anew_when_its_slot_comes(void)
{
	struct alarm a;
	uint64_t start, linked;

	begin(5 * NS_PER_S);
	start = now;
	alarm_init(&a);
	timer_set(&w, &a.timer, start + NS_PER_S);
	linked = a.timer.linked;
	/* Set later: one store. */
	for (int i = 2; i < 100; i++)
		timer_set(&w, &a.timer, start + (uint64_t)i * NS_PER_S / 10);
	OK(a.timer.linked == linked || a.timer.linked < linked);
	timer_set(&w, &a.timer, start + 9 * NS_PER_S);
	sleep_to(start + 9 * NS_PER_S - 1);
	OK(a.fired == 0);
	OK(a.timer.linked > linked);
	sleep_to(start + 9 * NS_PER_S + 2 * TICK);
	OK(a.fired == 1);
}

static void
setting_it_sooner_works_at_once(void)
{
	struct alarm a;

	begin(0);
	alarm_init(&a);
	timer_set(&w, &a.timer, 100 * HORIZON);
	timer_set(&w, &a.timer, 10 * TICK);
	timer_set(&w, &a.timer, 2 * TICK);
	OK(wheel_next(&w) <= 3 * TICK);
	to(4 * TICK);
	OK(a.fired == 1);
}

static void
a_deadline_in_the_past_fires_at_the_next_tick(void)
{
	struct alarm a;

	begin(1000 * TICK);
	alarm_init(&a);
	timer_set(&w, &a.timer, 3 * TICK);
	to(now + TICK);
	OK(a.fired == 1);
	timer_set(&w, &a.timer, 0);
	to(now + 2 * TICK);
	OK(a.fired == 2);
}

static void
a_stopped_timer_is_in_no_list(void)
{
	struct alarm a;

	begin(0);
	alarm_init(&a);
	timer_stop(&w, &a.timer);	/* never set: harmless */
	timer_set(&w, &a.timer, TICK);
	OK(timer_is_set(&a.timer));
	timer_stop(&w, &a.timer);
	OK(!timer_is_set(&a.timer));
	OK(list_empty(&a.timer.node));
	to(10 * TICK);
	OK(a.fired == 0);
	/* Also the quick way, which leaves it linked. */
	timer_set(&w, &a.timer, 20 * TICK);
	a.timer.at = TIMER_NEVER;
	to(30 * TICK);
	OK(a.fired == 0 && list_empty(&a.timer.node));
	/* And on from there. */
	timer_set(&w, &a.timer, 40 * TICK);
	a.timer.at = TIMER_NEVER;
	timer_set(&w, &a.timer, 50 * TICK);
	to(52 * TICK);
	OK(a.fired == 1);
}

static void
a_callback_stops_another_that_is_due_too(void)
{
	struct alarm a, b, c;

	begin(0);
	alarm_init(&a);
	alarm_init(&b);
	alarm_init(&c);
	a.stops = &b;
	timer_set(&w, &a.timer, TICK);
	timer_set(&w, &b.timer, TICK);
	timer_set(&w, &c.timer, TICK);
	to(5 * TICK);
	OK(a.fired == 1 && b.fired == 0 && c.fired == 1);
	OK(list_empty(&b.timer.node));
}

static void
a_callback_sets_itself_and_others(void)
{
	struct alarm a, b;

	begin(0);
	alarm_init(&a);
	alarm_init(&b);
	/* Itself, in the past: not for ever in one run. */
	a.sets = &a;
	a.to = 0;
	timer_set(&w, &a.timer, TICK);
	for (unsigned i = 1; i < 10; i++) {
		to((10 + i) * TICK);
		OK(a.fired >= i && a.fired <= TIMER_SLOTS);
	}
	timer_stop(&w, &a.timer);
	/* Another that is due in the same slot: it is put off. */
	begin(0);
	alarm_init(&a);
	a.sets = &b;
	a.to = 50 * TICK;
	timer_set(&w, &a.timer, TICK);
	timer_set(&w, &b.timer, TICK);
	to(10 * TICK);
	OK(a.fired == 1 && b.fired == 0);
	to(52 * TICK);
	OK(b.fired == 1);
}

static void
after_a_long_sleep_all_that_is_due_fires_and_nothing_else(void)
{
	struct alarm a[700];
	unsigned fired = 0;

	begin(77 * TICK);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		alarm_init(&a[i]);
		timer_set(&w, &a[i].timer, now + (i + 1) * NS_PER_S);
	}
	/* A suspended machine: ten wheels at once. */
	to(now + 350 * NS_PER_S + 2 * TICK);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		OK(a[i].fired == (i < 350));
		fired += a[i].fired;
	}
	OK(fired == 350);
	sleep_to(now + 360 * NS_PER_S);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		OK(a[i].fired == 1);
}

static void
the_wheel_wraps(void)
{
	struct alarm a;

	alarm_init(&a);
	/* Around every slot, from the one before to the one behind it. */
	for (uint64_t at = TIMER_SLOTS - 3; at < 3 * TIMER_SLOTS; at++) {
		begin(at * TICK);
		a.fired = 0;
		timer_set(&w, &a.timer, (at + TIMER_SLOTS - 2) * TICK);
		OK(wheel_next(&w) == (at + TIMER_SLOTS - 1) * TICK);
		to((at + TIMER_SLOTS - 1) * TICK - 1);
		OK(a.fired == 0);
		to((at + TIMER_SLOTS - 1) * TICK);
		OK(a.fired == 1);
	}
}

static void
the_next_look_is_the_earliest(void)
{
	struct alarm a, b;

	alarm_init(&a);
	alarm_init(&b);
	for (uint64_t first = 1; first < TIMER_SLOTS - 1; first += 13)
		for (uint64_t more = 0; first + more < TIMER_SLOTS - 1;
		    more += 29) {
			begin(300 * TICK);
			timer_set(&w, &a.timer, (299 + first + more) * TICK);
			timer_set(&w, &b.timer, (299 + first) * TICK);
			OK(wheel_next(&w) == (300 + first) * TICK);
			timer_stop(&w, &a.timer);
			timer_stop(&w, &b.timer);
		}
	begin(300 * TICK);
	OK(wheel_next(&w) == TIMER_NEVER);
}

/* Against a list, with a clock that jumps. */
static void
many_timers_at_random_keep_their_promises(void)
{
	struct alarm a[64];
	uint64_t due[64], x = 88172645463325252u;

	begin(NS_PER_S);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		alarm_init(&a[i]);
		due[i] = TIMER_NEVER;
	}
	for (int round = 0; round < 20000; round++) {
		size_t i;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		i = x % ARRAY_LEN(a);
		if (x >> 32 & 7) {
			due[i] = now + (x >> 16) % (2 * HORIZON);
			timer_set(&w, &a[i].timer, due[i]);
		} else {
			due[i] = TIMER_NEVER;
			timer_stop(&w, &a[i].timer);
		}
		to(now + (x >> 20) % (round % 100 ? TICK : HORIZON));
		for (size_t k = 0; k < ARRAY_LEN(a); k++) {
			bool late = due[k] != TIMER_NEVER &&
			    due[k] + TICK < now;

			OK(!(late && a[k].fired == 0));
			OK(a[k].fired <= 1);
			if (a[k].fired) {
				OK(due[k] <= now);
				due[k] = TIMER_NEVER;
				a[k].fired = 0;
			}
		}
	}
}

static void
tests(void)
{
	T(it_fires_once_never_early_and_within_two_ticks);
	T(a_far_deadline_outlasts_the_wheel);
	T(a_timer_that_moves_on_is_linked_anew_when_its_slot_comes);
	T(setting_it_sooner_works_at_once);
	T(a_deadline_in_the_past_fires_at_the_next_tick);
	T(a_stopped_timer_is_in_no_list);
	T(a_callback_stops_another_that_is_due_too);
	T(a_callback_sets_itself_and_others);
	T(after_a_long_sleep_all_that_is_due_fires_and_nothing_else);
	T(the_wheel_wraps);
	T(the_next_look_is_the_earliest);
	T(many_timers_at_random_keep_their_promises);
}

T_MAIN(tests)
