/* See LICENSE for the terms. */
/*
 * A shard's part in the broadcast: it publishes into the ring, and brings what
 * it reads there to its members (core/topic.h).
 *
 * relay_publish() may be called by any thread of the process: the shard's
 * lane is shared by its threads, under a mutex of the process.  All the rest
 * is for the shard's token holder; join and leave from another thread go by
 * the inbox.
 *
 * A message is copied once, into the shard's log (core/seg.h), and only if a
 * member is in its channel; then every member's fn is called with it.  What
 * else has come to the same channel meanwhile, with nothing for another one of
 * ours between, is a run: one call a member for all of it.  No Python runs.
 *
 * A member that keeps bytes takes a reference to the segment, as long as
 * relay_may_hold(); beyond that it copies them.  One byte keeps a segment, so
 * slow members would otherwise hold many times what waits for them.
 *
 * join takes effect at the ring's tail: what is published later is delivered,
 * what was published before is not.
 *
 * A process that the application forks has none of it: what it wrote into the
 * lane or the ear would be its parent's.
 *
 * How much is delivered in a step is bounded; relay_is_ready() says that there
 * is more.
 */
#ifndef CORE_RELAY_H
#define CORE_RELAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/seg.h"
#include "core/ring.h"
#include "core/str.h"
#include "core/topic.h"

struct shm;
struct slot;

/* What calls of members may cost in a deliver step: below a millisecond. */
#define RELAY_BUDGET 2048
/* Messages of a run. */
#define RELAY_RUN 64
/* Bytes of the log that members may hold: what waits for slow ones. */
#define RELAY_HELD (16u << 20)
/* Records that nobody here wants, looked at in one step. */
#define RELAY_LOOKS 16384

/* A message, as a member gets it.  The bytes lie in <seg>. */
struct post {
	struct seg *seg;
	struct str wire;		/* head and data, in one piece */
	struct str data;
	struct str channel;
	uint64_t offset;		/* with the keeper's epoch: unique */
	uint64_t origin;
	enum ring_kind kind;
};

struct relay {
	const struct ring *ring;
	const int *wake;		/* an eventfd an ear */
	struct slot *slot;		/* for the counters */
	struct ear *ear;
	unsigned lane;
	_Atomic uint32_t *alive;	/* 0: it is over, or we were forked */
	pthread_mutex_t lock;		/* of the lane */
	struct ring_cursor cursor;
	struct topics topics;
	struct seglog log;
	struct walk walk;		/* of the run, when it is not over */
	struct post post[RELAY_RUN];	/* the run; side by side in a segment */
	unsigned n_posts;
	uint64_t lost;			/* as the cursor was at its start */
	char name[RING_NAME_MAX];	/* of its channel */
};

/* <index>: of the shard's slot.  0 or -errno. */
int relay_init(struct relay *r, const struct shm *m, unsigned index,
    const int *wake);
/* All members must have left.  relay_publish() may still be called. */
void relay_fini(struct relay *r);

/*
 * Any thread.  Fills in m->hash.  0 and the message's offset (which may be
 * NULL); -EMSGSIZE: the data is larger than ring_data_max(); -EINVAL: the
 * channel's name is not 1..RING_NAME_MAX bytes, or the head too long; -ECHILD:
 * this is a process forked by the application, which has no lane, or the shard
 * is over.
 */
int relay_publish(struct relay *r, struct ring_msg *m, uint64_t *offset);

/* 0, also if it is in already; -EINVAL, -ECHILD: as above; -ENOMEM. */
int relay_join(struct relay *r, struct member *m, struct str channel);
/* False: it was not in. */
bool relay_leave(struct relay *r, struct member *m, struct str channel);
/*
 * Before a member's memory goes; also from within its fn.  In a process forked
 * by the application nobody joins or leaves: the ear is the parent's.
 */
void relay_leave_all(struct relay *r, struct member *m);

/* False: it is over, or this process was forked by the application. */
static inline bool
relay_is_alive(const struct relay *r)
{
	return atomic_load_explicit(r->alive, memory_order_acquire);
}

/* Whether a member may keep a reference to a message's segment. */
static inline bool
relay_may_hold(const struct relay *r)
{
	return atomic_load_explicit(&r->log.held, memory_order_relaxed) <=
	    RELAY_HELD;
}

/*
 * For a member that keeps the data of <p>: a reference to where it lies, in
 * its segment or, beyond that bound, in one of its own; <data> says where.
 * NULL for want of memory.
 */
struct seg *relay_keep(const struct relay *r, const struct post *p,
    struct str *data);

/*
 * Whether a message of <n> bytes may wait for a subscriber for whom <waiting>
 * do, with the bound <most>.  One for whom next to nothing waits is not slow,
 * however large a message is.
 */
static inline bool
relay_may_wait(uint64_t waiting, uint64_t n, uint64_t most)
{
	return waiting + n <= most || waiting <= most / 16;
}

/* By a member that could not take a message, or skips it: it is counted. */
void relay_drop(struct relay *r);

/* The deliver step; what its calls of members cost. */
unsigned relay_deliver(struct relay *r);
/* There is something to deliver now. */
bool relay_is_ready(const struct relay *r);

/*
 * About to wait; false: do not, there is something to deliver.  In either case
 * relay_rise() behind it.
 */
bool relay_sleep(struct relay *r);
void relay_rise(struct relay *r);

#endif
