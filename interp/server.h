/* See LICENSE for the terms. */
/*
 * A server process: what the keeper forks.
 *
 * Placement interp: the main thread makes the main interpreter, imports there
 * what must be imported there first, lets its GIL go, and listens to the
 * keeper; each shard has a thread with an interpreter of its own.
 * Placement process: one shard, on the main thread in the main interpreter
 * (signals and forks work there as in any Python program); a native thread
 * listens to the keeper.
 *
 * Whoever listens needs no GIL: it can drain, stop and report a shard that is
 * stuck in Python.
 *
 * The process ends by _exit() after every shard has ended in order: CPython
 * before 3.14 aborts or leaks when interpreters are destroyed.
 */
#ifndef INTERP_SERVER_H
#define INTERP_SERVER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/inbox.h"
#include "core/keeper.h"
#include "core/shard.h"

struct server;

/* A shard and what its threads need beside it. */
struct berth {
	struct server *server;
	struct shard *shard;		/* on the heap: it is large */
	pthread_t thread;
	struct letter drain;		/* posted once, at CTL_DRAIN */
	unsigned arena;			/* mem.h */
	int code;			/* exit code of the shard */
};

struct server {
	const struct child_start *start;
	struct berth *berths;		/* start->count of them */
	/* One creation and one import of the application at a time. */
	pthread_mutex_t load;
	pthread_mutex_t lock;		/* of <ended>, with <end> */
	pthread_cond_t end;
	unsigned ended;
	atomic_bool failed;		/* a shard could not start */
	atomic_bool draining;
	int stack_pipe[2];		/* faulthandler writes, we read */
};

/* The child_fn of keeper_run(). */
int server_run(const struct child_start *start);

/* Takes <load>; the wait for another shard's is none in Python. */
void server_load_lock(struct berth *b);

/* Sent to a stuck shard's thread; faulthandler answers it. */
#define STACK_SIGNAL (SIGRTMAX - 3)

/* A refusal makes the keeper start again as processes. */
bool server_may_switch(const struct server *sv);

/*
 * Tells the keeper that <what>, a module or a call, refuses interpreters of
 * their own; <late>: after this shard was ready.  Any thread of the process.
 */
void server_refused(struct server *sv, const char *what, bool late);

/*
 * The start failed.  True for the first shard of the generation that says so:
 * it logs why, and then calls server_failed(); the others would say the same,
 * and wait for the end that the keeper makes of it.
 */
bool server_claim_failure(struct server *sv);
/* Tells the keeper what to do about it.  The shard then ends with 3. */
void server_failed(struct server *sv, const char *what);

#endif
