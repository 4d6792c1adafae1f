/* See LICENSE for the terms. */
/*
 * Handles: what call_soon() and call_at() give, and what is run.
 *
 * The types derive from asyncio.Handle and asyncio.TimerHandle, so they are
 * those for isinstance(), repr() and comparison; made, cancelled, run and freed
 * they are in C.
 */
#include "interp/aloop_priv.h"

#include <stddef.h>

#include "interp/state.h"

#define HANDLE(o) ((struct handle *)(o))
#define TIMER(o) ((struct timer_handle *)(o))

/* ---- life ---- */

static void
fill(struct handle *h, PyObject *loop, PyObject *callback, PyObject *args,
     PyObject *context)
{
	h->args = args;
	h->callback = Py_NewRef(callback);
	h->cancelled = Py_NewRef(Py_False);
	h->context = context;
	h->loop = Py_NewRef(loop);
	h->repr = Py_NewRef(Py_None);
	h->traceback = Py_NewRef(Py_None);
}

static PyObject *
alloc(PyTypeObject *type, PyObject *args, PyObject *context)
{
	PyObject *h = args && context ? type->tp_alloc(type, 0) : NULL;

	if (!h) {
		Py_XDECREF(args);
		Py_XDECREF(context);
	}
	return h;
}

PyObject *
handle_new(struct aloop_state *al, PyObject *loop, PyObject *callback,
           PyObject *args, PyObject *context)
{
	PyObject *h = alloc(al->handle_type, args, context);

	if (h)
		fill(HANDLE(h), loop, callback, args, context);
	return h;
}

PyObject *
timer_handle_new(struct aloop_state *al, PyObject *loop, PyObject *when,
                 double at, PyObject *callback, PyObject *args,
                 PyObject *context)
{
	PyObject *h = alloc(al->timer_type, args, context);

	if (!h)
		return NULL;
	fill(HANDLE(h), loop, callback, args, context);
	TIMER(h)->scheduled = Py_NewRef(Py_False);
	TIMER(h)->when = Py_NewRef(when);
	TIMER(h)->at = at;
	return h;
}

/* All that a handle has; what a timer adds lies behind it. */
static PyObject **
members(PyObject *self, size_t *n)
{
	size_t size = (size_t)Py_TYPE(self)->tp_basicsize;

	*n = size < sizeof(struct timer_handle) ? 7 : 9;
	return &HANDLE(self)->args;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
	size_t n;
	PyObject **m = members(self, &n);

	for (size_t i = 0; i < n; i++)
		Py_VISIT(m[i]);
	Py_VISIT(Py_TYPE(self));
	return 0;
}

static int
handle_clear(PyObject *self)
{
	size_t n;
	PyObject **m = members(self, &n);

	for (size_t i = 0; i < n; i++)
		Py_CLEAR(m[i]);
	return 0;
}

static void
handle_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	PyObject_ClearWeakRefs(self);
	handle_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

/* ---- cancelling ---- */

/* asyncio keeps a representation of what is cancelled in debug mode. */
static int
keep_repr(struct aloop_state *al, struct handle *h)
{
	PyObject *debug, *repr;
	int yes;

	if (!h->loop)
		return 0;
	debug = PyObject_CallMethodNoArgs(h->loop, al->s.get_debug);
	yes = debug ? PyObject_IsTrue(debug) : -1;
	Py_XDECREF(debug);
	if (yes <= 0)
		return yes;
	repr = PyObject_Repr((PyObject *)h);
	if (!repr)
		return -1;
	Py_XSETREF(h->repr, repr);
	return 0;
}

static struct aloop_state *
state_of_handle(PyObject *self)
{
	struct pystate *st = PyType_GetModuleState(Py_TYPE(self));

	return st->al;
}

static PyObject *
handle_cancel(PyObject *self, PyObject *unused)
{
	struct handle *h = HANDLE(self);

	(void)unused;
	if (h->cancelled != Py_False)
		Py_RETURN_NONE;
	Py_SETREF(h->cancelled, Py_NewRef(Py_True));
	if (keep_repr(state_of_handle(self), h) == -1)
		return NULL;
	Py_XSETREF(h->callback, Py_NewRef(Py_None));
	Py_XSETREF(h->args, Py_NewRef(Py_None));
	Py_RETURN_NONE;
}

static PyObject *
timer_cancel(PyObject *self, PyObject *unused)
{
	struct handle *h = HANDLE(self);

	if (h->cancelled == Py_False && h->loop) {
		PyObject *r = PyObject_CallMethodOneArg(h->loop,
		    state_of_handle(self)->s.timer_cancelled, self);

		if (!r)
			return NULL;
		Py_DECREF(r);
	}
	return handle_cancel(self, unused);
}

static PyObject *
handle_cancelled(PyObject *self, PyObject *unused)
{
	(void)unused;
	return Py_NewRef(HANDLE(self)->cancelled == Py_False ? Py_False :
	    Py_True);
}

int
handle_is_cancelled(struct aloop_state *al, PyObject *h)
{
	PyObject *value;
	int yes;

	if (handle_is_plain(al, h))
		return HANDLE(h)->cancelled != Py_False;
	value = PyObject_GetAttr(h, al->s.cancelled);
	yes = value ? PyObject_IsTrue(value) : -1;
	Py_XDECREF(value);
	return yes;
}

/* ---- running ---- */

/* One whose methods are not the known ones: a subclass's, or a test's. */
static int
run_foreign(struct aloop_state *al, PyObject *h)
{
	PyObject *r = PyObject_CallMethodNoArgs(h, al->s.run);

	Py_XDECREF(r);
	return r ? 0 : -1;
}

int
handle_run(struct aloop_state *al, PyObject *self)
{
	struct handle *h = HANDLE(self);
	PyObject *callback, *args, *context, *r;

	if (!handle_is_plain(al, self) || !h->callback ||
	    !h->context || !PyContext_CheckExact(h->context) ||
	    !h->args || !PyTuple_CheckExact(h->args))
		return run_foreign(al, self);
	/* The callback may cancel its own handle. */
	callback = Py_NewRef(h->callback);
	args = Py_NewRef(h->args);
	context = Py_NewRef(h->context);
	r = NULL;
	if (PyContext_Enter(context) == 0) {
		r = PyObject_Vectorcall(callback,
		    &PyTuple_GET_ITEM(args, 0),
		    (size_t)PyTuple_GET_SIZE(args), NULL);
		if (PyContext_Exit(context) == -1)
			Py_CLEAR(r);
	}
	Py_DECREF(callback);
	Py_DECREF(args);
	Py_DECREF(context);
	Py_XDECREF(r);
	return r ? 0 : -1;
}

/* ---- types ---- */

static PyMethodDef handle_methods[] = {
	{ "cancel", handle_cancel, METH_NOARGS, NULL },
	{ "cancelled", handle_cancelled, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyMethodDef timer_methods[] = {
	{ "cancel", timer_cancel, METH_NOARGS, NULL },
	{ "cancelled", handle_cancelled, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot handle_slots[] = {
	{ Py_tp_dealloc, handle_dealloc },
	{ Py_tp_traverse, handle_traverse },
	{ Py_tp_clear, handle_clear },
	{ Py_tp_methods, handle_methods },
	{ 0, NULL }
};

static PyType_Slot timer_slots[] = {
	{ Py_tp_dealloc, handle_dealloc },
	{ Py_tp_traverse, handle_traverse },
	{ Py_tp_clear, handle_clear },
	{ Py_tp_methods, timer_methods },
	{ 0, NULL }
};

#define HANDLE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | \
	Py_TPFLAGS_MANAGED_WEAKREF | Py_TPFLAGS_DISALLOW_INSTANTIATION)

/* The names are asyncio's, since repr() shows them. */
static PyType_Spec handle_spec = {
	.name = "_shoal.Handle",
	.basicsize = sizeof(struct handle),
	.flags = HANDLE_FLAGS,
	.slots = handle_slots,
};

static PyType_Spec timer_spec = {
	.name = "_shoal.TimerHandle",
	.basicsize = sizeof(struct timer_handle),
	.flags = HANDLE_FLAGS,
	.slots = timer_slots,
};

struct place {
	const char *name;
	size_t offset;
};

static const struct place handle_places[] = {
	{ "_args", offsetof(struct handle, args) },
	{ "_callback", offsetof(struct handle, callback) },
	{ "_cancelled", offsetof(struct handle, cancelled) },
	{ "_context", offsetof(struct handle, context) },
	{ "_loop", offsetof(struct handle, loop) },
	{ "_repr", offsetof(struct handle, repr) },
	{ "_source_traceback", offsetof(struct handle, traceback) },
	{ NULL, sizeof(struct handle) }
};

static const struct place timer_places[] = {
	{ "_scheduled", offsetof(struct timer_handle, scheduled) },
	{ "_when", offsetof(struct timer_handle, when) },
	{ NULL, offsetof(struct timer_handle, at) }
};

/* Is asyncio's type laid out as we think?  -1 with an exception. */
static int
check_layout(PyTypeObject *type, const struct place *p)
{
	bool same = true;

	for (; p->name && same; p++) {
		PyObject *d = PyObject_GetAttrString((PyObject *)type,
		    p->name);

		if (!d)
			return -1;
		same = Py_IS_TYPE(d, &PyMemberDescr_Type) &&
		    (size_t)((PyMemberDescrObject *)d)->d_member->offset ==
		    p->offset;
		Py_DECREF(d);
	}
	if (same && (size_t)type->tp_basicsize == p->offset)
		return 0;
	PyErr_Format(PyExc_SystemError, "%s of this Python is laid out in a "
	    "way that is not known", type->tp_name);
	return -1;
}

static PyTypeObject *
make_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base,
          const struct place *places)
{
	if (check_layout(base, places) == -1)
		return NULL;
	return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec,
	    (PyObject *)base);
}

int
handle_add_types(struct aloop_state *al, PyObject *module)
{
	al->handle_type = make_type(module, &handle_spec, al->stock_handle,
	    handle_places);
	if (!al->handle_type)
		return -1;
	al->timer_type = make_type(module, &timer_spec, al->stock_timer,
	    timer_places);
	return al->timer_type ? 0 : -1;
}
