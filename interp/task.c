/* See LICENSE for the terms. */
#include "interp/task.h"

#include <string.h>

#include "interp/exc.h"
#include "interp/state.h"

PyObject *
task_self(PyObject *self)
{
	return Py_NewRef(self);
}

static void
finish(struct task *t, bool raised)
{
	Py_CLEAR(t->coro);
	t->st->n_tasks--;
	t->over(t, raised);
	/* Whoever runs this step holds the Task. */
	Py_CLEAR(t->task);
}

/* The exception that left the coroutine; what the Task is to see of it. */
static PySendResult
fail(struct task *t, PyObject **result)
{
	PyObject *exc = PyErr_GetRaisedException();
	bool cancelled = PyErr_GivenExceptionMatches(exc, t->st->cancelled);

	PyErr_SetRaisedException(Py_NewRef(exc));
	finish(t, true);
	if (cancelled) {
		PyErr_SetRaisedException(exc);
		*result = NULL;
		return PYGEN_ERROR;
	}
	Py_DECREF(exc);
	*result = Py_NewRef(Py_None);
	return PYGEN_RETURN;
}

PySendResult
task_send(PyObject *self, PyObject *value, PyObject **result)
{
	struct task *t = (struct task *)self;
	PySendResult k;

	if (!t->coro) {
		PyErr_SetString(PyExc_RuntimeError,
		    "cannot reuse a request's coroutine");
		*result = NULL;
		return PYGEN_ERROR;
	}
	k = PyIter_Send(t->coro, value, result);
	if (k == PYGEN_NEXT)
		return k;
	if (k == PYGEN_ERROR)
		return fail(t, result);
	finish(t, false);
	return k;
}

/* A PySendResult as a method's result. */
static PyObject *
as_method(PySendResult k, PyObject *result)
{
	if (k == PYGEN_NEXT)
		return result;
	if (k == PYGEN_RETURN) {
		PyErr_SetObject(PyExc_StopIteration, result);
		Py_DECREF(result);
	}
	return NULL;
}

static PyObject *
method_send(PyObject *self, PyObject *value)
{
	PyObject *result;
	PySendResult k = task_send(self, value, &result);

	return as_method(k, result);
}

static PyObject *
method_throw(PyObject *self, PyObject *args)
{
	struct task *t = (struct task *)self;
	PyObject *throw_, *result;
	PySendResult k;

	if (!t->coro) {
		PyErr_SetString(PyExc_RuntimeError, "the request is over");
		return NULL;
	}
	throw_ = PyObject_GetAttr(t->coro, t->st->s.throw_);
	if (!throw_)
		return NULL;
	result = PyObject_Call(throw_, args, NULL);
	Py_DECREF(throw_);
	if (result)
		return result;
	if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
		PyErr_Clear();		/* an application returns nothing */
		finish(t, false);
		return as_method(PYGEN_RETURN, Py_NewRef(Py_None));
	}
	k = fail(t, &result);
	return as_method(k, result);
}

static PyObject *
method_close(PyObject *self, PyObject *unused)
{
	struct task *t = (struct task *)self;
	PyObject *r;

	(void)unused;
	if (!t->coro)
		Py_RETURN_NONE;
	r = PyObject_CallMethodNoArgs(t->coro, t->st->s.close);
	finish(t, r == NULL);
	Py_XDECREF(r);
	Py_RETURN_NONE;
}

PyMethodDef task_methods[] = {
	{ "send", method_send, METH_O, NULL },
	{ "throw", method_throw, METH_VARARGS, NULL },
	{ "close", method_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

struct task *
task_new(struct pystate *st, PyTypeObject *type, task_over_fn over)
{
	struct task *t = PyObject_New(struct task, type);

	if (!t)
		return NULL;
	memset((char *)t + sizeof(PyObject), 0,
	    (size_t)type->tp_basicsize - sizeof(PyObject));
	t->st = st;
	t->over = over;
	return t;
}

PyObject *
task_coroutine(PyObject *got, const char *interface)
{
	PyAsyncMethods *am;
	PyObject *iter = NULL;

	if (!got || PyCoro_CheckExact(got))
		return got;
	am = Py_TYPE(got)->tp_as_async;
	if (am && am->am_await)
		iter = am->am_await(got);
	else
		PyErr_Format(PyExc_TypeError, "the %s application must be "
		    "async: it gave %.100s, which cannot be awaited",
		    interface, Py_TYPE(got)->tp_name);
	Py_DECREF(got);
	return iter;
}

/* asyncio.Task(t, loop=..., eager_start=True, name=...), without a call. */
static PyObject *
make_task(struct pystate *st, struct task *t)
{
	PyTypeObject *type = (PyTypeObject *)st->task_type;
	PyObject *args = PyTuple_New(1);
	PyObject *task = args ? type->tp_alloc(type, 0) : NULL;

	if (task) {
		PyTuple_SET_ITEM(args, 0, Py_NewRef(t));
		if (type->tp_init(task, args, st->task_kwargs) == -1)
			Py_CLEAR(task);
	}
	Py_XDECREF(args);
	return task;
}

void
task_run(struct task *t, PyObject *coro)
{
	PyObject *task;

	t->coro = coro;
	t->st->n_tasks++;
	task = make_task(t->st, t);
	if (!task) {
		/* Cancelled in its first step, or no memory. */
		if (t->coro)
			finish(t, true);
		PyErr_Clear();
		return;
	}
	if (t->coro)
		t->task = task;
	else
		Py_DECREF(task);
}

void
task_fini(struct task *t)
{
	Py_XDECREF(t->coro);
	Py_XDECREF(t->task);
}
