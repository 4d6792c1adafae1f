/* See LICENSE for the terms. */
/*
 * The poller of one shard: epoll, deadlines, a wake-up, and the list of work
 * for the run step.
 *
 * A polled thing embeds a struct io and gets its events in io->fn.  Clients'
 * sockets are edge-triggered (conn.h keeps what is still readable); listeners
 * and whatever asyncio registers are level-triggered.
 *
 * Nothing is freed inside a callback of the same wait: owners mark, and free
 * in the turn's clean step (shard.h), so an event later in the batch never
 * meets freed memory.
 *
 * Thread: the shard's token holder, but for loop_wake(), which any thread may
 * call.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/timer.h"

struct io;
/* <events>: EPOLLIN... as epoll_wait() gave them. */
typedef void (*io_fn)(struct io *, uint32_t events);

struct io {
	io_fn fn;
	int fd;				/* -1: not polled */
};

/*
 * Something to be done in the run step, where Python may run.  Queued once
 * however often it is asked for; taken off the list before fn is called.
 */
struct work;
typedef void (*work_fn)(struct work *);

struct work {
	struct list node;
	work_fn fn;
};

struct loop {
	int epfd;
	uint64_t now;			/* ns, taken once a wait; loop_now() */
	uint64_t heard;			/* ns, all events before it are known */
	uint64_t full_at;		/* ns, before the first of full waits */
	unsigned fetched;		/* events of those */
	unsigned polled;		/* things that events may come from */
	struct wheel wheel;
	struct list work;		/* of struct work, in order */
	struct io wake;			/* the eventfd others write to */
	int wake_fd;			/* given: shared with the keeper */
	_Atomic bool sleeping;		/* Dekker pair with the inbox */
	bool interrupted;		/* the last wait was, by a signal */
};

/* <wake_fd>: an eventfd, not owned.  <on_wake> is called when it was written */
int loop_init(struct loop *l, int wake_fd, io_fn on_wake);
void loop_fini(struct loop *l);

/* <events>: EPOLLIN, EPOLLOUT, EPOLLET...  0 or -errno. */
int loop_add(struct loop *l, struct io *io, uint32_t events);
int loop_mod(struct loop *l, struct io *io, uint32_t events);
void loop_del(struct loop *l, struct io *io);

/* Any thread, any process that has the eventfd. */
void loop_wake(int wake_fd);

/*
 * One wait of at most <timeout_ns> (-1: as long as it takes; 0: none), then
 * the callbacks and what is due.  The number of events, or -errno.
 */
int loop_wait(struct loop *l, int64_t timeout_ns);

/*
 * l->now, brought up to a few ms: for deadlines that begin in the run step,
 * which may have lasted as long as a call of Python does.
 */
uint64_t loop_now(struct loop *l);

static inline void
work_init(struct work *w, work_fn fn)
{
	list_init(&w->node);
	w->fn = fn;
}

static inline void
work_queue(struct loop *l, struct work *w)
{
	if (list_empty(&w->node))
		list_add_tail(&l->work, &w->node);
}

uint64_t clock_ns(void);

#endif
