/* See LICENSE for the terms. */
/*
 * The threads of a WSGI shard, and the shard's token.
 *
 * Exactly one thread holds the token and touches the shard: it runs the turns.
 * To call the application it offers the token, takes the GIL, and calls.  Back
 * within about a millisecond it takes the token again: two atomic operations a
 * request, no thread was switched.  If it is not, a follower has taken the
 * token and with it the turns; the caller hands its response over by the
 * shard's inbox and becomes a follower itself.
 *
 *   token    HELD     its thread is in the turn, or between two calls
 *            OFFERED  its thread is in Python; anyone may take it
 *
 *   thread   holder   has the token
 *            caller   in the application
 *            watcher  one of the idle ones: looks every millisecond whether
 *                     the token is offered for too long, as long as there is
 *                     traffic; asleep without
 *            idle     asleep, woken last-in first-out, so that thread-local
 *                     connections of the application stay few
 *
 * Where calls have been slow of late (they wait for a database, say), the
 * token is handed to the watcher at once: then a call costs a switch, as in any
 * pool, but none waits for another's millisecond.
 *
 * Threads are made when needed, up to --blocking-threads and one: the one
 * keeps the turns going when all others are in the application.  Each has one
 * Python thread state for life.
 */
#ifndef INTERP_WPOOL_H
#define INTERP_WPOOL_H

#include <stdbool.h>

struct pystate;
struct wpool;
struct wthread;

/*
 * <calls>: at once in the application, 1 or more.  NULL without memory, or
 * when no second thread can be had.
 */
struct wpool *wpool_new(struct pystate *st, unsigned calls);

/*
 * Serves on the calling thread, which has the GIL, and those it makes; returns
 * with the GIL when the shard has drained.
 */
void wpool_serve(struct wpool *p);

/* Takes the token if it is offered.  Any thread of the pool. */
bool wpool_take(struct wpool *p);
/*
 * Offers the token, which the caller holds.  <now>: the caller will wait for
 * another thread's work, so somebody takes it at once.
 */
void wpool_offer(struct wpool *p, bool now);

/* Every thread that may call is in the application, or no longer.  Holder. */
void wpool_set_full(struct wpool *p, bool full);

/*
 * Waits, without GIL and token, until wpool_signal().  Each signal ends one
 * wait, also one that begins later.
 */
void wpool_wait(struct wthread *w);
void wpool_signal(struct wthread *w);

#endif
