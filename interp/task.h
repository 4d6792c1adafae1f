/* See LICENSE for the terms. */
/*
 * An application's coroutine, wrapped, and run as an eager asyncio.Task.
 *
 * The wrapper is itself a coroutine (TASK_SLOTS in its type), so the Task runs
 * it and it passes everything on.  What leaves the application, SystemExit and
 * KeyboardInterrupt included, ends in <over> and not in the event loop; only
 * CancelledError goes on to the Task, which is then cancelled as asyncio means.
 *
 * asyncio keeps suspended tasks weakly: while one is suspended, the wrapper
 * holds its Task, and the Task its wrapper.  The circle ends with the
 * coroutine, which is why the types need no garbage collection.
 */
#ifndef INTERP_TASK_H
#define INTERP_TASK_H

#include <stdbool.h>

#include "interp/py.h"

struct pystate;
struct task;

/*
 * The coroutine is over.  <raised>: the current exception is what left it;
 * the callee consumes it.  Called exactly once.
 */
typedef void (*task_over_fn)(struct task *, bool raised);

struct task {
	PyObject_HEAD
	struct pystate *st;
	PyObject *coro;			/* NULL: not begun, or over */
	PyObject *task;			/* asyncio's, while suspended */
	task_over_fn over;
};

/* An object of <type>, whose struct begins with a struct task, zeroed. */
struct task *task_new(struct pystate *st, PyTypeObject *type,
    task_over_fn over);

/*
 * What an application's call gave, or NULL with an exception (stolen), as
 * something that a Task can run; NULL with an exception.
 */
PyObject *task_coroutine(PyObject *got, const char *interface);

/* Runs <coro> (stolen) in a Task, its first steps at once. */
void task_run(struct task *t, PyObject *coro);

/* For tp_dealloc. */
void task_fini(struct task *t);

PySendResult task_send(PyObject *self, PyObject *value, PyObject **result);
PyObject *task_self(PyObject *self);
extern PyMethodDef task_methods[];

#define TASK_SLOTS \
	{ Py_am_await, task_self }, \
	{ Py_am_send, task_send }, \
	{ Py_tp_iter, task_self }, \
	{ Py_tp_methods, task_methods }

#endif
