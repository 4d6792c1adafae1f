/* See LICENSE for the terms. */
/*
 * One wait of a shard.  The wake-up is an eventfd of the keeper's: every
 * process of the server can wake every shard, and it outlives generations.
 */
#include "core/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clofork.h"
#include "core/util.h"

/* Events fetched at once; what is left comes with the next wait. */
#define BATCH 256

uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int
loop_init(struct loop *l, int wake_fd, io_fn on_wake)
{
	int err;

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd == -1)
		return -errno;
	l->now = clock_ns();
	l->heard = l->now;
	l->polled = 0;
	l->fetched = 0;
	wheel_init(&l->wheel, l->now);
	list_init(&l->work);
	atomic_init(&l->sleeping, false);
	l->interrupted = false;
	l->wake_fd = wake_fd;
	l->wake.fn = on_wake;
	l->wake.fd = wake_fd;
	/* Edge-triggered: the counter is never read, every write is an edge. */
	err = loop_add(l, &l->wake, EPOLLIN | EPOLLET);
	if (err) {
		close(l->epfd);
		l->epfd = -1;
		return err;
	}
	clofork_set(0, l->epfd);
	return 0;
}

void
loop_fini(struct loop *l)
{
	if (l->epfd != -1) {
		clofork_clear(0, l->epfd);
		close(l->epfd);
	}
	l->epfd = -1;
}

static int
control(struct loop *l, int op, struct io *io, uint32_t events)
{
	struct epoll_event e = { .events = events, .data = { .ptr = io } };

	if (epoll_ctl(l->epfd, op, io->fd, &e) == -1)
		return -errno;
	return 0;
}

int
loop_add(struct loop *l, struct io *io, uint32_t events)
{
	int err = control(l, EPOLL_CTL_ADD, io, events);

	if (!err)
		l->polled++;
	return err;
}

int
loop_mod(struct loop *l, struct io *io, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, io, events);
}

void
loop_del(struct loop *l, struct io *io)
{
	/* What was closed before is not polled any more; it counts on. */
	if (control(l, EPOLL_CTL_DEL, io, 0) == 0)
		l->polled--;
}

void
loop_wake(int wake_fd)
{
	uint64_t one = 1;
	ssize_t n;

	/*
	 * EAGAIN: the counter is full, 2^64-2 wake-ups that nobody read.  The
	 * fd is non-blocking and an edge was made long ago; nothing is lost.
	 */
	do
		n = write(wake_fd, &one, sizeof(one));
	while (n == -1 && errno == EINTR);
}

static struct timespec
timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S) };
}

/* How long this wait may take, given the caller's limit and the wheel's. */
static int64_t
limit(const struct loop *l, int64_t timeout_ns)
{
	uint64_t next, now;
	int64_t left;

	if (timeout_ns == 0)
		return 0;
	next = wheel_next(&l->wheel);
	if (next == TIMER_NEVER)
		return timeout_ns;
	now = clock_ns();
	left = next > now ? (int64_t)(next - now) : 0;
	return timeout_ns < 0 ? left : MIN(left, timeout_ns);
}

static int
wait_for(struct loop *l, struct epoll_event *ev, int64_t ns)
{
	struct timespec t;
	int n;

	if (ns == 0)
		return epoll_wait(l->epfd, ev, BATCH, 0);
	/* Microseconds matter to asyncio's timers: epoll_wait has only ms. */
	t = timespec_of(ns > 0 ? (uint64_t)ns : 0);
	n = epoll_pwait2(l->epfd, ev, BATCH, ns < 0 ? NULL : &t, NULL);
	if (n == -1 && errno == ENOSYS)	/* Linux before 5.11 */
		n = epoll_wait(l->epfd, ev, BATCH,
		    ns < 0 ? -1 : (int)(ns / (int64_t)NS_PER_MS) + 1);
	return n;
}

uint64_t
loop_now(struct loop *l)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	now = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	l->now = MAX(l->now, now);
	return l->now;
}

/*
 * Until when all that happened is known, after a wait that began at <began> or
 * later and gave <n> events.  Not until now: we may have been stopped behind
 * it.  One that was interrupted gave none of those there were.  One that was
 * full may have left some; they come in turn, so with as many fetched as there
 * are things polled, all are known that were there when the first were.
 */
static uint64_t
heard(struct loop *l, int n, uint64_t began)
{
	if (l->interrupted)
		return l->heard;
	if (n < BATCH) {
		l->fetched = 0;
		return began;
	}
	if (l->fetched == 0)
		l->full_at = began;
	l->fetched += BATCH;
	if (l->fetched < l->polled)
		return l->heard;
	l->fetched = 0;
	return l->full_at;
}

int
loop_wait(struct loop *l, int64_t timeout_ns)
{
	/* Zeroing it, as the build hardens, were a fifth of an empty turn. */
	struct epoll_event ev[BATCH] __attribute__((uninitialized));
	uint64_t began = l->now;
	int n;

	n = wait_for(l, ev, limit(l, timeout_ns));
	l->interrupted = n == -1 && errno == EINTR;
	if (n == -1)
		n = l->interrupted ? 0 : -errno;
	l->now = clock_ns();
	for (int i = 0; i < n; i++) {
		struct io *io = ev[i].data.ptr;

		io->fn(io, ev[i].events);
	}
	/*
	 * After a long stop (of the process, or in a call of Python) what came
	 * in time is heard before what is due.  What ends a wait is due in the
	 * next, which does not sleep.
	 */
	l->heard = heard(l, n, began);
	wheel_run(&l->wheel, l->heard);
	return n;
}
