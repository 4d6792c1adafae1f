/* See LICENSE for the terms. */
/*
 * The event loop's turn: timers that were cancelled go, the shard waits and
 * reads, requests run, then what asyncio's descriptors, timers and call_soon()
 * have made ready.
 */
#include "interp/aloop_priv.h"

#include "core/loop.h"
#include "interp/exc.h"
#include "interp/state.h"

/* As asyncio's: so many timers are not swept, but leave when they are first. */
#define SWEEP_MIN 100
#define MAX_WAIT_S (24 * 3600)

/*
 * Handles between two requests.  As many as a request has steps behind a few
 * middlewares: what has begun ends before more begins, in warm caches.
 * Bounded, so that callbacks which make each other ready hold up no request.
 */
#define GO_ON_MAX 32

double
aloop_now(void)
{
	/* As time.monotonic() rounds it. */
	return (double)clock_ns() / 1e9;
}

/* The loop's time, whoever tells it; -1 with an exception. */
static double
time_of(struct aloop *l)
{
	PyObject *t;
	double s;

	if (!l->own_time)
		return aloop_now();
	t = PyObject_CallMethodNoArgs((PyObject *)l, l->al->s.time);
	s = t ? PyFloat_AsDouble(t) : -1;
	Py_XDECREF(t);
	return s;
}

/* ---- timers ---- */

/* Cancelled ones leave the heap when they are first, or too many. */
static int
drop_cancelled(struct aloop *l)
{
	Py_ssize_t n = PyList_GET_SIZE(l->scheduled);

	if (n > SWEEP_MIN && 2 * l->n_cancelled > n) {
		PyObject *heap = Py_NewRef(l->scheduled);
		int err = theap_sweep(l->al, heap);

		l->n_cancelled = 0;
		Py_DECREF(heap);
		return err;
	}
	while (PyList_GET_SIZE(l->scheduled) > 0) {
		PyObject *h = PyList_GET_ITEM(l->scheduled, 0);
		int cancelled = handle_is_cancelled(l->al, h);

		if (cancelled <= 0)
			return cancelled;
		l->n_cancelled--;
		h = theap_pop(l->al, l->scheduled);
		if (!h)
			return -1;
		Py_DECREF(h);
	}
	return 0;
}

static int
take_due(struct aloop *l)
{
	double end;
	int err = 0;

	if (PyList_GET_SIZE(l->scheduled) == 0)
		return 0;
	end = time_of(l);
	if (end == -1 && PyErr_Occurred())
		return -1;
	end += l->resolution;
	while (!err && PyList_GET_SIZE(l->scheduled) > 0) {
		PyObject *h = PyList_GET_ITEM(l->scheduled, 0);

		if (theap_at(l->al, h) >= end)
			break;
		h = theap_pop(l->al, l->scheduled);
		if (!h)
			return -1;
		err = ready_push(l->ready, h);
		Py_DECREF(h);
	}
	return err;
}

/* ---- the turn ---- */

struct selector *
aloop_selector(const struct aloop *l)
{
	if (l->selector && Py_TYPE(l->selector) == l->st->selector_type)
		return (struct selector *)l->selector;
	return NULL;
}

/* How long nothing is to be done, in seconds; -1: nobody knows. */
static int
time_left(struct aloop *l, double *left)
{
	double t;

	*left = 0;
	if (l->ready->n > 0 || l->stopping)
		return 0;
	*left = -1;
	if (PyList_GET_SIZE(l->scheduled) == 0)
		return 0;
	t = time_of(l);
	if (t == -1 && PyErr_Occurred())
		return -1;
	t = theap_at(l->al, PyList_GET_ITEM(l->scheduled, 0)) - t;
	*left = t < 0 ? 0 : t > MAX_WAIT_S ? MAX_WAIT_S : t;
	return 0;
}

/* One side of a descriptor that is ready: its handle is, if it has one. */
static int
add_side(struct aloop *l, PyObject *key, PyObject *h, PyObject *remove)
{
	PyObject *r;
	int cancelled;

	if (h == Py_None)
		return 0;
	cancelled = handle_is_cancelled(l->al, h);
	if (cancelled == 0)
		return ready_push(l->ready, h);
	if (cancelled == -1)
		return -1;
	r = PyObject_CallMethodOneArg((PyObject *)l, remove,
	    PyTuple_GET_ITEM(key, 0));
	Py_XDECREF(r);
	return r ? 0 : -1;
}

/* What BaseSelectorEventLoop._process_events() does with one event. */
static int
take_event(struct aloop *l, PyObject *key, long events)
{
	PyObject *data = PyTuple_GET_ITEM(key, 3);
	int err = 0;

	if (!PyTuple_CheckExact(data) || PyTuple_GET_SIZE(data) != 2)
		return 0;		/* nobody of asyncio registered it */
	Py_INCREF(data);
	if (events & EVENT_READ)
		err = add_side(l, key, PyTuple_GET_ITEM(data, 0),
		    l->al->s.remove_reader);
	if (!err && events & EVENT_WRITE)
		err = add_side(l, key, PyTuple_GET_ITEM(data, 1),
		    l->al->s.remove_writer);
	Py_DECREF(data);
	return err;
}

/* Waits at a selector that is not ours, or for a loop with other events. */
static int
foreign_wait(struct aloop *l, double s)
{
	PyObject *timeout = s < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(s);
	PyObject *list = NULL, *done = NULL;

	if (timeout && l->selector)
		list = PyObject_CallMethodOneArg(l->selector, l->al->s.select,
		    timeout);
	else if (timeout)
		PyErr_SetString(PyExc_AttributeError, "_selector");
	if (list)
		done = PyObject_CallMethodOneArg((PyObject *)l,
		    l->al->s.process_events, list);
	Py_XDECREF(timeout);
	Py_XDECREF(list);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

static int
wait_for_events(struct aloop *l, double s)
{
	struct selector *sel = aloop_selector(l);
	PyObject *key;
	long events;

	if (!sel || l->own_events)
		return foreign_wait(l, s);
	if (selector_turn(sel, s < 0 ? -1 : (int64_t)(s * 1e9), l) == -1)
		return -1;
	while ((key = selector_next(sel, &events))) {
		int err = take_event(l, key, events);

		Py_DECREF(key);
		if (err)
			return -1;
	}
	return 0;
}

/* asyncio's report of an exception that left a callback. */
static int
report(struct aloop *l, PyObject *h)
{
	PyObject *exc = PyErr_GetRaisedException(), *r;

	if (PyErr_GivenExceptionMatches(exc, PyExc_SystemExit) ||
	    PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt)) {
		PyErr_SetRaisedException(exc);
		return -1;
	}
	r = PyObject_CallMethodObjArgs((PyObject *)l, l->al->s.failed, h, exc,
	    NULL);
	Py_DECREF(exc);
	Py_XDECREF(r);
	return r ? 0 : -1;
}

/* The first handle, which is there; -1 with what is to leave the loop. */
static int
run_first(struct aloop *l)
{
	PyObject *h = ready_pop(l->ready);
	int err = handle_is_cancelled(l->al, h);

	if (err == 0 && handle_run(l->al, h) == -1)
		err = report(l, h);
	else if (err == 1)
		err = 0;
	Py_DECREF(h);
	return err;
}

/*
 * What is ready now; what that makes ready runs in the next turn, after
 * another poll.
 */
static int
run_ready(struct aloop *l)
{
	int err = 0;

	/* It can be less than that: somebody may clear it. */
	for (size_t i = l->ready->n; i > 0 && l->ready->n > 0 && !err; i--)
		err = run_first(l);
	return err;
}

bool
aloop_go_on(void *arg)
{
	struct aloop *l = arg;

	for (int i = 0; i < GO_ON_MAX && l->ready->n > 0; i++)
		if (run_first(l) == -1)
			return false;
	return true;
}

static int
turn(struct aloop *l)
{
	double left;

	if (drop_cancelled(l) == -1 || time_left(l, &left) == -1 ||
	    wait_for_events(l, left) == -1 || take_due(l) == -1)
		return -1;
	return run_ready(l);
}

/*
 * What asyncio lets leave run_forever() is one task's or callback's mistake in
 * a server: logged, and the rest of the turn comes with the next one.
 */
static bool
outlive(struct aloop *l)
{
	if (!l->lasting || (!PyErr_ExceptionMatches(PyExc_SystemExit) &&
	    !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)))
		return false;
	exc_log(l->st, "A task or callback raised", NULL);
	return true;
}

static int
stock_turn(struct aloop *l)
{
	PyObject *r = PyObject_CallOneArg(l->al->stock.run_once,
	    (PyObject *)l);

	Py_XDECREF(r);
	return r ? 0 : -1;
}

PyObject *
aloop_run_once(PyObject *self, PyObject *unused)
{
	struct aloop *l = aloop_of(self);

	(void)unused;
	do {
		int err = l->debug ? stock_turn(l) : turn(l);

		if (err && !outlive(l))
			return NULL;
	} while (l->many && !l->stopping);
	Py_RETURN_NONE;
}

/* asyncio's, whose _run_once() then does many turns at once. */
PyObject *
aloop_run_forever(PyObject *self, PyObject *unused)
{
	struct aloop *l = aloop_of(self);
	bool before = l->many;
	PyObject *r;

	(void)unused;
	l->many = !l->own_turn;
	r = PyObject_CallOneArg(l->al->stock.run_forever, self);
	l->many = before;
	return r;
}
