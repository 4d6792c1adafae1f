/* See LICENSE for the terms. */
#include "interp/flow.h"

#include "interp/exc.h"
#include "interp/state.h"

struct flow {
	PyObject_HEAD
	struct pystate *st;
	PyObject *owner;
	PyObject **waiters;		/* in the owner */
	flow_fn fn;
	PyObject *future;		/* that it waits for, or NULL */
	PyObject *wait;			/* its iterator, or NULL */
};

static PyObject *
self_ref(PyObject *self)
{
	return Py_NewRef(self);
}

/* ---- done ---- */

static PySendResult
done_send(PyObject *self, PyObject *value, PyObject **result)
{
	(void)self;
	(void)value;
	*result = Py_NewRef(Py_None);
	return PYGEN_RETURN;
}

/* NULL without an exception is StopIteration(None). */
static PyObject *
done_next(PyObject *self)
{
	(void)self;
	return NULL;
}

static PyObject *
done_send_method(PyObject *self, PyObject *value)
{
	(void)self;
	(void)value;
	PyErr_SetNone(PyExc_StopIteration);
	return NULL;
}

/* throw(type_or_exc[, value[, traceback]]) on something not started. */
static PyObject *
raise_args(PyObject *const *args, Py_ssize_t n)
{
	PyObject *exc = n > 0 ? args[0] : PyExc_RuntimeError;

	if (PyExceptionInstance_Check(exc))
		PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
	else
		PyErr_SetObject(exc, n > 1 ? args[1] : Py_None);
	return NULL;
}

static PyObject *
done_throw(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	(void)self;
	return raise_args(args, n);
}

static PyObject *
done_close(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	Py_RETURN_NONE;
}

static PyMethodDef done_methods[] = {
	{ "send", done_send_method, METH_O, NULL },
	{ "throw", PY_METHOD(done_throw), METH_FASTCALL, NULL },
	{ "close", done_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot done_slots[] = {
	{ Py_am_await, self_ref },
	{ Py_am_send, done_send },
	{ Py_tp_iter, self_ref },
	{ Py_tp_iternext, done_next },
	{ Py_tp_methods, done_methods },
	{ 0, NULL }
};

static PyType_Spec done_spec = {
	.name = "_shoal.Done",
	.basicsize = sizeof(PyObject),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = done_slots,
};

/* ---- flow ---- */

/* A future among the owner's waiters, and its iterator in f->wait. */
static int
begin_wait(struct flow *f)
{
	PyObject *future = PyObject_CallMethodNoArgs(f->st->loop,
	    f->st->s.create_future);
	PyObject *list = *f->waiters;
	PyAsyncMethods *am;
	int err = -1;

	if (!future)
		return -1;
	if (!list)
		list = *f->waiters = PyList_New(0);
	am = Py_TYPE(future)->tp_as_async;
	if (list && am && am->am_await &&
	    PyList_Append(list, future) == 0) {
		f->wait = am->am_await(future);
		f->future = Py_NewRef(future);
		err = f->wait ? 0 : -1;
	}
	Py_DECREF(future);
	return err;
}

/*
 * It waits no more, woken or not.  Who is cancelled again and again, by a
 * timeout say, while nothing comes, must leave nothing behind.
 */
static void
end_wait(struct flow *f)
{
	PyObject *exc = PyErr_GetRaisedException();
	PyObject *list = f->future ? *f->waiters : NULL;
	Py_ssize_t i = list ? PyList_GET_SIZE(list) : 0;

	Py_CLEAR(f->wait);
	while (i > 0 && PyList_GET_ITEM(list, i - 1) != f->future)
		i--;
	if (i > 0 && PyList_GET_SIZE(list) == 1)
		Py_CLEAR(*f->waiters);
	else if (i > 0)
		PyList_SetSlice(list, i - 1, i, NULL);
	Py_CLEAR(f->future);
	PyErr_SetRaisedException(exc);
}

/* It is over, however long it is kept. */
static void
let_go(struct flow *f)
{
	PyObject *exc;

	if (f->future)
		end_wait(f);
	exc = PyErr_GetRaisedException();
	Py_CLEAR(f->owner);
	PyErr_SetRaisedException(exc);
}

static PySendResult
flow_send(PyObject *self, PyObject *value, PyObject **result)
{
	struct flow *f = (struct flow *)self;

	if (!f->owner) {
		PyErr_SetString(PyExc_RuntimeError,
		    "cannot await again what was cancelled");
		*result = NULL;
		return PYGEN_ERROR;
	}
	for (;;) {
		PySendResult k;
		int n;

		if (f->wait) {
			k = PyIter_Send(f->wait, value, result);
			if (k == PYGEN_NEXT)
				return k;
			end_wait(f);
			if (k == PYGEN_ERROR)
				return k;
			Py_CLEAR(*result);
			value = Py_None;
		}
		n = f->fn(f->owner, result);
		if (n == 1)
			return PYGEN_RETURN;
		if (n == -1 || begin_wait(f) == -1) {
			*result = NULL;
			return PYGEN_ERROR;
		}
	}
}

/* StopIteration(<result>); PyErr_SetObject() would unpack a tuple. */
static void
stop(PyObject *result)
{
	PyObject *error = PyObject_CallOneArg(PyExc_StopIteration, result);

	if (error)
		PyErr_SetRaisedException(error);
	Py_DECREF(result);
}

static PyObject *
flow_step(PyObject *self, PyObject *value)
{
	PyObject *result = NULL;

	switch (flow_send(self, value, &result)) {
	case PYGEN_NEXT:
		return result;
	case PYGEN_RETURN:
		stop(result);
		return NULL;
	case PYGEN_ERROR:
		break;
	}
	return NULL;
}

static PyObject *
flow_next(PyObject *self)
{
	return flow_step(self, Py_None);
}

static PyObject *
flow_throw(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct flow *f = (struct flow *)self;
	PyObject *out;

	if (!f->wait) {
		let_go(f);
		return raise_args(args, n);
	}
	out = PyObject_VectorcallMethod(f->st->s.throw_,
	    (PyObject *[]){ f->wait, n > 0 ? args[0] : Py_None,
	    n > 1 ? args[1] : NULL, n > 2 ? args[2] : NULL },
	    (size_t)(1 + n), NULL);
	if (!out)
		let_go(f);
	return out;
}

static PyObject *
flow_close(PyObject *self, PyObject *unused)
{
	struct flow *f = (struct flow *)self;

	(void)unused;
	let_go(f);
	Py_RETURN_NONE;
}

static void
flow_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	let_go((struct flow *)self);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef flow_methods[] = {
	{ "send", flow_step, METH_O, NULL },
	{ "throw", PY_METHOD(flow_throw), METH_FASTCALL, NULL },
	{ "close", flow_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot flow_slots[] = {
	{ Py_tp_dealloc, flow_dealloc },
	{ Py_am_await, self_ref },
	{ Py_am_send, flow_send },
	{ Py_tp_iter, self_ref },
	{ Py_tp_iternext, flow_next },
	{ Py_tp_methods, flow_methods },
	{ 0, NULL }
};

static PyType_Spec flow_spec = {
	.name = "_shoal.Flow",
	.basicsize = sizeof(struct flow),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = flow_slots,
};

int
flow_add_types(struct pystate *st, PyObject *module)
{
	st->done_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &done_spec, NULL);
	st->flow_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &flow_spec, NULL);
	if (!st->done_type || !st->flow_type)
		return -1;
	st->done = PyObject_New(PyObject, st->done_type);
	return st->done ? 0 : -1;
}

PyObject *
flow_new(struct pystate *st, PyObject *owner, PyObject **waiters, flow_fn fn)
{
	struct flow *f = PyObject_New(struct flow, st->flow_type);

	if (!f)
		return NULL;
	f->st = st;
	f->owner = Py_NewRef(owner);
	f->waiters = waiters;
	f->fn = fn;
	f->future = NULL;
	f->wait = NULL;
	return (PyObject *)f;
}

static void
wake_one(struct pystate *st, PyObject *future)
{
	PyObject *done = PyObject_CallMethodNoArgs(future, st->s.done);
	PyObject *r = NULL;

	/* Cancelled meanwhile: it waits no more. */
	if (done == Py_False)
		r = PyObject_CallMethodOneArg(future, st->s.set_result,
		    Py_None);
	if (PyErr_Occurred())
		exc_log(st, "Waking a request failed", NULL);
	Py_XDECREF(done);
	Py_XDECREF(r);
}

void
flow_wake(struct pystate *st, PyObject **waiters)
{
	PyObject *list = *waiters;

	if (!list)
		return;
	*waiters = NULL;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
		wake_one(st, PyList_GET_ITEM(list, i));
	Py_DECREF(list);
}
