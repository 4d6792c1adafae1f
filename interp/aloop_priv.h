/* See LICENSE for the terms. */
/*
 * What the files of the event loop share: its handles, its queue of ready
 * ones, its heap of timers, and the selector's turn.
 *
 * Thread: the GIL's holder; the shard's thread but where it says otherwise.
 */
#ifndef INTERP_ALOOP_PRIV_H
#define INTERP_ALOOP_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "interp/aloop.h"

struct aloop_conn;
struct ready;
struct selector;

/*
 * asyncio.Handle as CPython lays it out: its slots in alphabetical order.
 * Our types derive from asyncio's and add only methods in C, so asyncio's own
 * code works on our handles and ours on asyncio's; handle_add_types() checks
 * that the layout is this one.
 */
struct handle {
	PyObject_HEAD
	PyObject *args;
	PyObject *callback;
	PyObject *cancelled;		/* a bool */
	PyObject *context;
	PyObject *loop;
	PyObject *repr;
	PyObject *traceback;		/* where it was made; debug mode only */
};

struct timer_handle {
	struct handle h;
	PyObject *scheduled;		/* a bool: in the heap */
	PyObject *when;			/* as it was given */
	double at;			/* the same; ours only */
};

/* Interned strings: member, text. */
#define ALOOP_NAMES(X) \
	X(run, "_run") \
	X(cancelled, "_cancelled") \
	X(time, "time") \
	X(select, "select") \
	X(process_events, "_process_events") \
	X(remove_reader, "_remove_reader") \
	X(remove_writer, "_remove_writer") \
	X(timer_cancelled, "_timer_handle_cancelled") \
	X(write_to_self, "_write_to_self") \
	X(get_debug, "get_debug") \
	X(failed, "_callback_failed") \
	X(loop, "loop")

/* Of one interpreter; made when its first event loop is. */
struct aloop_state {
	PyTypeObject *handle_type;
	PyTypeObject *timer_type;
	PyTypeObject *ready_type;
	PyTypeObject *stock_handle;	/* asyncio.Handle */
	PyTypeObject *stock_timer;
	PyTypeObject *future_type;	/* asyncio.Future */
	PyTypeObject *loop_type;	/* _shoal.EventLoop */
	PyObject *selector_loop;	/* asyncio.SelectorEventLoop */
	struct aloop_conn *conn;	/* aloop_conn.c's */
	PyObject *no_args;		/* () */
	PyObject *kw_context;		/* ("context",) as last seen */
	struct {
		PyObject *call_soon;
		PyObject *call_soon_threadsafe;
		PyObject *call_at;
		PyObject *call_later;
		PyObject *run_forever;
		PyObject *run_once;
		PyObject *create_future;
	} stock;			/* asyncio.BaseEventLoop's */
	struct {
#define X(member, text) PyObject *member;
		ALOOP_NAMES(X)
#undef X
	} s;
};

/* loop._ready, loop._scheduled and so on are these, by the same names. */
struct aloop {
	PyObject_HEAD
	struct pystate *st;
	struct aloop_state *al;
	struct ready *ready;
	PyObject *scheduled;		/* a list: the heap of timers */
	PyObject *selector;
	PyObject *thread_id;		/* an int, or None: not running */
	PyObject *future_kwargs;	/* {"loop": self} */
	Py_ssize_t n_cancelled;		/* timers in the heap */
	double resolution;		/* of the clock, s */
	char stopping;
	char closed;
	char debug;
	char lasting;			/* SystemExit does not end it */
	bool own_time;			/* a subclass has a clock */
	bool own_turn;			/* ... or does things in a turn */
	bool own_events;
	bool many;			/* _run_once() runs until it stops */
};

static inline struct aloop *
aloop_of(PyObject *self)
{
	return (struct aloop *)self;
}

/* ---- aloop_turn.c ---- */

/* loop.time() as asyncio has it. */
double aloop_now(void);

/* The selector, if it is the shard's; else NULL. */
struct selector *aloop_selector(const struct aloop *l);

/*
 * Between two requests: runs the first few handles that are ready in <l>, a
 * struct aloop.  False with an exception.
 */
bool aloop_go_on(void *l);

PyObject *aloop_run_once(PyObject *self, PyObject *unused);
PyObject *aloop_run_forever(PyObject *self, PyObject *unused);

/* ---- aloop_conn.c ---- */

/* Adds _shoal.SocketTransport to the module; -1 with an exception. */
int aloop_conn_add_type(struct aloop_state *al, PyObject *module);

/* ---- aloop_handle.c ---- */

int handle_add_types(struct aloop_state *al, PyObject *module);

/* <args> and <context> are stolen, also when NULL is returned. */
PyObject *handle_new(struct aloop_state *al, PyObject *loop,
    PyObject *callback, PyObject *args, PyObject *context);
PyObject *timer_handle_new(struct aloop_state *al, PyObject *loop,
    PyObject *when, double at, PyObject *callback, PyObject *args,
    PyObject *context);

static inline bool
handle_is_timer(const struct aloop_state *al, PyObject *h)
{
	return Py_TYPE(h) == al->timer_type || Py_TYPE(h) == al->stock_timer;
}

/* Laid out as struct handle, and no method of it is replaced. */
static inline bool
handle_is_plain(const struct aloop_state *al, PyObject *h)
{
	return Py_TYPE(h) == al->handle_type ||
	    Py_TYPE(h) == al->stock_handle || handle_is_timer(al, h);
}

/* 1, 0, or -1 with an exception. */
int handle_is_cancelled(struct aloop_state *al, PyObject *h);

/* Calls it in its context; -1 with what the callback raised. */
int handle_run(struct aloop_state *al, PyObject *h);

/* ---- aloop_ready.c ---- */

/*
 * The ready handles, first in first out: loop._ready.  A Python object with
 * as much of deque's interface as asyncio uses.
 */
struct ready {
	PyObject_HEAD
	PyObject **item;		/* a ring */
	size_t mask;			/* its size, a power of two, less 1 */
	size_t head;
	size_t n;
};

PyTypeObject *ready_make_type(PyObject *module);
struct ready *ready_new(PyTypeObject *type);
/* Takes a reference of its own; -1 with an exception: no memory. */
int ready_push(struct ready *q, PyObject *h);
/* The oldest, whose reference the caller gets, or NULL: there is none. */
PyObject *ready_pop(struct ready *q);

/*
 * The heap of timers is a list as heapq keeps it: loop._scheduled, which
 * asyncio's own code may push on, too.
 */
double theap_at(const struct aloop_state *al, PyObject *h);
int theap_push(const struct aloop_state *al, PyObject *heap, PyObject *h);
/* The first, whose reference the caller gets; the heap is not empty. */
PyObject *theap_pop(const struct aloop_state *al, PyObject *heap);
/* Takes out what is cancelled. */
int theap_sweep(const struct aloop_state *al, PyObject *heap);

/* ---- aloop_sel.c ---- */

int selector_add_type(struct pystate *st, PyObject *module);

/*
 * One turn of the shard: waits at most <ns> (-1: as long as it takes), reads,
 * and runs what requests have to do, with what <l> (or NULL) has ready between
 * them.  -1 with an exception.
 */
int selector_turn(struct selector *sel, int64_t ns, struct aloop *l);

/*
 * A descriptor that fired: its SelectorKey (a reference for the caller), and
 * of the events that were asked for those that came; NULL: no more.
 */
PyObject *selector_next(struct selector *sel, long *events);

/* Any thread with the GIL: ends the wait under way or the next one. */
void selector_wake(struct selector *sel);

/* selectors.EVENT_READ and EVENT_WRITE, fixed since Python 3.4. */
enum { EVENT_READ = 1, EVENT_WRITE = 2 };

#endif
