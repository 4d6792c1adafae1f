/* See LICENSE for the terms. */
/*
 * The keeper's server processes: children, grouped in generations.
 *
 * A child is the place of one server process: when it dies, the next one is
 * forked into the same place.  A generation is the children that were started
 * together; generation g lives in family.gen[g & 1] and in the slots of that
 * parity (core/shm.h).
 *
 *   child    WAITING   no process; forked when restart_at has come
 *            STARTING  forked; not all its shards have said READY
 *            READY     all have
 *            LEAVING   told to go, or lost: not started again
 *            GONE      reaped, and not started again
 *
 *   generation  NONE      nothing of it is left; may be started
 *               STARTING  it has not been ready yet
 *               SERVING   it was ready; its children are started again
 *               LEAVING   no child of it is started again
 *
 * Thread: the keeper's.  Owner: struct keeper.  child.c, gen.c and watch.c do
 * what they are told; what follows from it is decided in keeper.c.
 */
#ifndef CORE_FAMILY_H
#define CORE_FAMILY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/keeper.h"

enum child_state {
	CHILD_GONE, CHILD_WAITING, CHILD_STARTING, CHILD_READY, CHILD_LEAVING
};

struct child {
	enum child_state state;
	pid_t pid;			/* 0: none */
	int control;			/* our end, -1: none */
	unsigned first;			/* its shards */
	unsigned count;
	unsigned n_ready;		/* of them */
	unsigned bad_ends;		/* in a row; see child_end() */
	bool slow;			/* that it is not ready was told */
	uint64_t started_at;		/* ns */
	uint64_t ready_at;		/* ns */
	uint64_t restart_at;		/* when WAITING */
	uint64_t deadline;		/* SIGKILL then; 0: none */
};

enum gen_state { GEN_NONE, GEN_STARTING, GEN_SERVING, GEN_LEAVING };

struct gen {
	enum gen_state state;
	unsigned number;
	enum isolation isolation;
	bool refused;			/* to be started again as process */
	bool late;			/* a late refusal was reported */
	unsigned n;			/* children */
	struct child *child;
};

/* What the watch remembers of a slot. */
struct watched {
	uint64_t stuck_since;		/* busy_since of the stall, 0: well */
	uint64_t reported;		/* busy_since of the last CTL_STACK */
};

struct adopt_slot;

struct family {
	struct child_start common;	/* what all children are given */
	child_fn fn;
	struct log *log;
	struct shm shm;
	struct listeners ls;
	int *wake;			/* an eventfd a slot */
	struct watched *watched;	/* one a slot */
	struct adopt_slot *view;	/* room for the watch, one a slot */
	int32_t *adopter;		/* the same */
	struct gen gen[SHM_PARITIES];
	unsigned current;		/* the generation that serves */
	uint64_t now;			/* ns, taken once a wait */
	sigset_t mask;			/* of signals, for the children */
	int epfd;
	int private_fd[3];		/* the keeper's others; -1: none */
};

/* How long a child lives after ready for its end to be no bad one. */
#define CHILD_WELL_NS (UINT64_C(60) * 1000000000)
/* Bad ends in a row that make a crash loop. */
#define CHILD_ENDS_MAX 10

#define NS_PER_MS UINT64_C(1000000)

/* child.c */

/* Forks into the place: STARTING, and 0.  Or -errno, and it stays as it was. */
int child_fork(struct family *f, struct gen *g, struct child *c);
/* CTL_DRAIN or CTL_STOP, and SIGKILL in <ms>; LEAVING, or GONE at once. */
void child_dismiss(struct family *f, struct gen *g, struct child *c,
    enum ctl_type how, unsigned ms);
/* It closed its end: nothing can be told it any more.  SIGKILL if it stays. */
void child_hang_up(struct family *f, struct child *c);
/* Sends SIGKILL to one whose patience ended; says so. */
void child_check_deadline(struct family *f, struct child *c);
/*
 * It was reaped: closes, marks its slots DEAD, says why.  Returns whether it
 * was a bad end, before ready or within CHILD_WELL_NS of it, and counts.
 */
bool child_end(struct family *f, struct gen *g, struct child *c, int status);
/* What to wait after <bad_ends> of them in a row, in ms. */
unsigned child_backoff_ms(unsigned bad_ends);
void child_set_slots(struct family *f, const struct gen *g,
    const struct child *c, enum slot_state state);

/* gen.c */

/* NONE to STARTING: forks all its children; 0 or -errno, nothing forked. */
int gen_start(struct family *f, unsigned number, enum isolation isolation);
/* All its children, whatever they do; LEAVING, or NONE when none is left. */
void gen_dismiss(struct family *f, struct gen *g, enum ctl_type how,
    unsigned ms);
bool gen_is_ready(const struct gen *g);
/* No child has a process any more, nor will have. */
bool gen_is_gone(const struct gen *g);
/* Forgets its children; NONE. */
void gen_end(struct family *f, struct gen *g);
/* The child with that pid, and its generation in <g>; or NULL. */
struct child *gen_find(struct family *f, pid_t pid, struct gen **g);
struct gen *gen_of(struct family *f, unsigned number);

/* watch.c */

/* What a slot has outside the mapping: 0, or -errno and watch_close(). */
int watch_open(struct family *f);
void watch_close(struct family *f);

/* All shards look at the ring: see core/ring.h. */
void watch_wake_all(const struct family *f);

/* Who is stuck, who adopts whom; wakes whom it concerns, reports stalls. */
void watch_run(struct family *f, unsigned adopt_ms, unsigned report_ms);

#endif
