/* See LICENSE for the terms. */
/*
 * The poller: events, limits of a wait, waking, deadlines.
 */
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/util.h"
#include "tests/unit/t.h"

struct probe {
	struct io io;
	unsigned calls;
	uint32_t events;
	struct loop *leave;		/* at the first call */
};

static unsigned wakes;

/* So many waits end with EINTR; each that begins with a deadline over. */
static unsigned interrupts;

/* We are stopped behind one, and meanwhile this is written to; -1: not. */
static int stopped_at = -1;

int
epoll_wait(int fd, struct epoll_event *ev, int n, int ms)
{
	int got;

	if (interrupts > 0) {
		interrupts--;
		errno = EINTR;
		return -1;
	}
	got = epoll_pwait(fd, ev, n, ms, NULL);
	if (stopped_at != -1) {
		usleep(200000);
		OK(write(stopped_at, "x", 1) == 1);
		stopped_at = -1;
	}
	return got;
}

static void
on_wake(struct io *io, uint32_t events)
{
	(void)io;
	OK(events & EPOLLIN);
	wakes++;
}

static void
on_probe(struct io *io, uint32_t events)
{
	struct probe *p = container_of(io, struct probe, io);

	p->calls++;
	p->events = events;
	if (p->leave)
		loop_del(p->leave, io);
}

struct bench {
	struct loop loop;
	int wake;
	int pipe[2];
	struct probe probe;
	struct timer timer;
};

static void
bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	wakes = 0;
	b->wake = eventfd(0, EFD_NONBLOCK);
	OK(loop_init(&b->loop, b->wake, on_wake) == 0);
	OK(pipe(b->pipe) == 0);
	b->probe.io = (struct io){ on_probe, b->pipe[0] };
}

static void
bench_close(struct bench *b)
{
	loop_fini(&b->loop);
	loop_fini(&b->loop);		/* twice is harmless */
	close(b->wake);
	close(b->pipe[0]);
	close(b->pipe[1]);
}

static uint64_t
wait_ns(struct loop *l, int64_t timeout)
{
	uint64_t start = clock_ns();

	OK(loop_wait(l, timeout) >= 0);
	return clock_ns() - start;
}

static void
a_level_is_told_until_it_is_gone(void)
{
	struct bench b;
	char byte;

	bench_open(&b);
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN) == 0);
	OK(loop_wait(&b.loop, 0) == 0);
	OK(write(b.pipe[1], "x", 1) == 1);
	OK(loop_wait(&b.loop, -1) == 1);
	OK(loop_wait(&b.loop, -1) == 1);
	OK(b.probe.calls == 2 && b.probe.events == EPOLLIN);
	OK(read(b.pipe[0], &byte, 1) == 1);
	OK(loop_wait(&b.loop, 0) == 0);
	bench_close(&b);
}

static void
an_edge_is_told_once(void)
{
	struct bench b;

	bench_open(&b);
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN | EPOLLET) == 0);
	OK(write(b.pipe[1], "x", 1) == 1);
	OK(loop_wait(&b.loop, 0) == 1);
	OK(loop_wait(&b.loop, 0) == 0);
	OK(write(b.pipe[1], "x", 1) == 1);
	OK(loop_wait(&b.loop, 0) == 1);
	bench_close(&b);
}

static void
what_is_asked_for_can_be_changed_and_ended(void)
{
	struct bench b;

	bench_open(&b);
	OK(loop_add(&b.loop, &b.probe.io, 0) == 0);
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN) == -EEXIST);
	OK(write(b.pipe[1], "x", 1) == 1);
	OK(loop_wait(&b.loop, 0) == 0);
	OK(loop_mod(&b.loop, &b.probe.io, EPOLLIN) == 0);
	OK(loop_wait(&b.loop, 0) == 1);
	loop_del(&b.loop, &b.probe.io);
	OK(loop_wait(&b.loop, 0) == 0);
	loop_del(&b.loop, &b.probe.io);
	OK(loop_mod(&b.loop, &b.probe.io, EPOLLIN) == -ENOENT);
	b.probe.io.fd = -1;
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN) == -EBADF);
	bench_close(&b);
}

static void
a_callback_may_leave(void)
{
	struct bench b;

	bench_open(&b);
	b.probe.leave = &b.loop;
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN) == 0);
	OK(write(b.pipe[1], "x", 1) == 1);
	OK(loop_wait(&b.loop, 0) == 1);
	OK(loop_wait(&b.loop, 0) == 0);
	OK(b.probe.calls == 1);
	bench_close(&b);
}

static void
every_wake_up_wakes_though_nobody_reads_the_counter(void)
{
	struct bench b;

	bench_open(&b);
	for (unsigned i = 1; i <= 100; i++) {
		loop_wake(b.wake);
		OK(loop_wait(&b.loop, -1) == 1);
		OK(wakes == i);
		OK(loop_wait(&b.loop, 0) == 0);
	}
	/* The counter is full. */
	OK(write(b.wake, &(uint64_t){ UINT64_MAX - 1 - 100 }, 8) == 8);
	OK(loop_wait(&b.loop, 0) == 1);
	loop_wake(b.wake);
	OK(loop_wait(&b.loop, 0) == 0);
	bench_close(&b);
}

static void *
wake_later(void *fd)
{
	usleep(20000);
	loop_wake(*(int *)fd);
	return NULL;
}

static void
another_thread_ends_a_wait_without_limit(void)
{
	struct bench b;
	pthread_t t;

	bench_open(&b);
	OK(pthread_create(&t, NULL, wake_later, &b.wake) == 0);
	OK(loop_wait(&b.loop, -1) == 1);
	OK(wakes == 1);
	OK(pthread_join(t, NULL) == 0);
	bench_close(&b);
}

static void
a_wait_is_as_long_as_asked_to_the_microsecond(void)
{
	struct bench b;
	uint64_t best = UINT64_MAX;

	bench_open(&b);
	for (int i = 0; i < 20; i++) {
		uint64_t took = wait_ns(&b.loop, 300000);

		OK(took >= 300000);
		best = MIN(best, took);
	}
	/* The slack is 50 us; a millisecond would be poll's resolution. */
	OK(best < 900000);
	OK(wait_ns(&b.loop, 3000000) >= 3000000);
	bench_close(&b);
}

static unsigned fired;

static void
on_timer(struct timer *t)
{
	(void)t;
	fired++;
}

static void
a_deadline_ends_a_wait_and_fires(void)
{
	struct bench b;
	struct timer t;
	uint64_t start, took;

	bench_open(&b);
	fired = 0;
	timer_init(&t, on_timer);
	start = clock_ns();
	timer_set(&b.loop.wheel, &t, start + 30 * NS_PER_MS);
	/* A shorter limit of the caller's comes first. */
	OK(wait_ns(&b.loop, 1000) < 30 * NS_PER_MS);
	/* A longer one does not. */
	OK(loop_wait(&b.loop, 10 * (int64_t)NS_PER_S) == 0);
	while (fired == 0)
		OK(loop_wait(&b.loop, -1) >= 0);
	took = clock_ns() - start;
	OK(took >= 30 * NS_PER_MS);
	OK(took < 2000 * NS_PER_MS);
	OK(b.loop.now >= start + 30 * NS_PER_MS);
	bench_close(&b);
}

static void
more_events_than_one_wait_takes_come_with_the_next(void)
{
	enum { N = 400 };
	static struct probe probes[N];
	static int fds[N];
	struct bench b;
	unsigned all = 0;

	bench_open(&b);
	memset(probes, 0, sizeof(probes));
	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(1, EFD_NONBLOCK);
		probes[i].io = (struct io){ on_probe, fds[i] };
		OK(loop_add(&b.loop, &probes[i].io, EPOLLIN | EPOLLET) == 0);
	}
	for (int n; (n = loop_wait(&b.loop, 0)) > 0;)
		all += (unsigned)n;
	OK(all == N);
	for (int i = 0; i < N; i++) {
		OK(probes[i].calls == 1);
		close(fds[i]);
	}
	bench_close(&b);
}

/* ---- what came before a deadline ---------------------------------------- */

enum { MANY = 700 };

static struct probe many[MANY];

static unsigned
calls_of_many(void)
{
	unsigned n = 0;

	for (int i = 0; i < MANY; i++)
		n += many[i].calls > 0;
	return n;
}

/* All of them ready, and more than one wait takes. */
static void
open_many(struct loop *l, uint32_t events)
{
	memset(many, 0, sizeof(many));
	for (int i = 0; i < MANY; i++) {
		many[i].io = (struct io){ on_probe, eventfd(1, EFD_NONBLOCK) };
		OK(loop_add(l, &many[i].io, events) == 0);
	}
	OK(l->polled == MANY + 1);
}

static void
close_many(struct loop *l)
{
	for (int i = 0; i < MANY; i++) {
		loop_del(l, &many[i].io);
		close(many[i].io.fd);
	}
	OK(l->polled == 1);
}

static unsigned before;

static void
on_late(struct timer *t)
{
	(void)t;
	fired++;
	before = calls_of_many();
}

/* A deadline that passed while nobody waited; waits until it fired. */
static unsigned
late_after(struct loop *l)
{
	struct timer t;
	unsigned waits = 0;

	fired = 0;
	timer_init(&t, on_late);
	timer_set(&l->wheel, &t, clock_ns());
	usleep(150000);			/* two ticks of the wheel */
	while (fired == 0 && waits < 100) {
		OK(loop_wait(l, -1) >= 0);
		waits++;
	}
	timer_stop(&l->wheel, &t);
	OK(fired == 1);
	return waits;
}

static void
what_came_is_heard_before_what_is_due(void)
{
	struct bench b;

	bench_open(&b);
	open_many(&b.loop, EPOLLIN | EPOLLET);
	OK(late_after(&b.loop) == 3);
	OK(before == MANY);
	close_many(&b.loop);
	bench_close(&b);
}

/* A level is told in every wait: all are full, and yet time goes on. */
static void
full_waits_do_not_hold_up_what_is_due(void)
{
	struct bench b;

	bench_open(&b);
	open_many(&b.loop, EPOLLIN);
	OK(late_after(&b.loop) <= 6);
	OK(before == MANY);
	OK(late_after(&b.loop) <= 6);
	close_many(&b.loop);
	bench_close(&b);
}

static void
on_due(struct timer *t)
{
	struct bench *b = container_of(t, struct bench, timer);

	fired++;
	before = b->probe.calls;
}

/* A stopped process that goes on finds its wait interrupted, and late. */
static void
a_stop_in_a_wait_is_no_reason_to_be_late(void)
{
	struct bench b;

	bench_open(&b);
	fired = 0;
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN | EPOLLET) == 0);
	timer_init(&b.timer, on_due);
	timer_set(&b.loop.wheel, &b.timer, clock_ns());
	usleep(150000);
	OK(write(b.pipe[1], "x", 1) == 1);
	interrupts = 1;
	OK(loop_wait(&b.loop, -1) == 0);
	OK(b.loop.interrupted && fired == 0 && b.probe.calls == 0);
	OK(loop_wait(&b.loop, -1) == 1);
	OK(!b.loop.interrupted && fired == 1 && before == 1);
	bench_close(&b);
}

static void
a_stop_behind_a_wait_is_none_either(void)
{
	struct bench b;

	bench_open(&b);
	fired = 0;
	OK(loop_add(&b.loop, &b.probe.io, EPOLLIN | EPOLLET) == 0);
	timer_init(&b.timer, on_due);
	timer_set(&b.loop.wheel, &b.timer, clock_ns());
	stopped_at = b.pipe[1];
	OK(loop_wait(&b.loop, 0) == 0);
	OK(fired == 0);
	OK(loop_wait(&b.loop, 0) == 1);
	OK(fired == 1 && before == 1);
	bench_close(&b);
}

static void
deadlines_of_the_run_step_begin_in_it(void)
{
	struct bench b;
	uint64_t was;

	bench_open(&b);
	/* As if the step had lasted since the boot. */
	b.loop.now = 1;
	was = clock_ns();
	OK(loop_now(&b.loop) > was - NS_PER_S);
	OK(b.loop.now > was - NS_PER_S);
	/* It never goes back. */
	b.loop.now = was + 100 * NS_PER_S;
	OK(loop_now(&b.loop) == was + 100 * NS_PER_S);
	bench_close(&b);
}

static void
do_nothing(struct work *w)
{
	(void)w;
}

static void
work_is_queued_once_and_in_order(void)
{
	struct bench b;
	struct work x, y;

	bench_open(&b);
	work_init(&x, do_nothing);
	work_init(&y, do_nothing);
	work_queue(&b.loop, &x);
	work_queue(&b.loop, &y);
	work_queue(&b.loop, &x);
	OK(list_pop(&b.loop.work) == &x.node);
	work_queue(&b.loop, &x);
	OK(list_pop(&b.loop.work) == &y.node);
	OK(list_pop(&b.loop.work) == &x.node);
	OK(list_empty(&b.loop.work));
	bench_close(&b);
}

static void
tests(void)
{
	T(a_level_is_told_until_it_is_gone);
	T(an_edge_is_told_once);
	T(what_is_asked_for_can_be_changed_and_ended);
	T(a_callback_may_leave);
	T(every_wake_up_wakes_though_nobody_reads_the_counter);
	T(another_thread_ends_a_wait_without_limit);
	T(a_wait_is_as_long_as_asked_to_the_microsecond);
	T(a_deadline_ends_a_wait_and_fires);
	T(more_events_than_one_wait_takes_come_with_the_next);
	T(what_came_is_heard_before_what_is_due);
	T(full_waits_do_not_hold_up_what_is_due);
	T(a_stop_in_a_wait_is_no_reason_to_be_late);
	T(a_stop_behind_a_wait_is_none_either);
	T(deadlines_of_the_run_step_begin_in_it);
	T(work_is_queued_once_and_in_order);
}

T_MAIN(tests)
