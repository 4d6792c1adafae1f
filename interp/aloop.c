/* See LICENSE for the terms. */
/*
 * The event loop's type.  What it has in common with asyncio's BaseEventLoop
 * are attributes: those that C needs are members of its struct, under the same
 * names, so both see the same.
 *
 * Whatever is unusual (debug mode, arguments that are none, a subclass with a
 * clock of its own) goes to asyncio's method, which does the rest or raises.
 */
#include "interp/aloop_priv.h"

#include <stddef.h>

#include "core/mem.h"
#include "interp/mod.h"
#include "interp/state.h"

/* ---- time ---- */

static PyObject *
loop_time(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	return PyFloat_FromDouble(aloop_now());
}

/* ---- arguments ---- */

/* What call_soon(callback, *args, context=None) and the others are given. */
struct call {
	PyObject *const *args;		/* of the callback */
	Py_ssize_t n;
	PyObject *context;		/* borrowed, or NULL */
};

/*
 * Whether the only keyword is context.  Nearly all calls are asyncio's Task's,
 * with one and the same tuple, whose name is not interned: it is kept.
 */
static bool
is_context(struct aloop_state *al, PyObject *names)
{
	PyObject *name;

	if (PyTuple_GET_SIZE(names) != 1)
		return false;
	name = PyTuple_GET_ITEM(names, 0);
	if (PyUnicode_CompareWithASCIIString(name, "context") != 0)
		return false;
	Py_XSETREF(al->kw_context, Py_NewRef(names));
	return true;
}

/*
 * The <first> arguments are the method's own.  false: not the usual form,
 * asyncio's own method shall say what it is.
 */
static bool
parse_call(struct aloop *l, struct call *c, PyObject *const *args,
           size_t nargsf, PyObject *names, Py_ssize_t first)
{
	Py_ssize_t n = PyVectorcall_NARGS(nargsf);

	if (l->debug || l->closed || n < first)
		return false;
	c->args = args + first;
	c->n = n - first;
	c->context = NULL;
	if (!names || PyTuple_GET_SIZE(names) == 0)
		return true;
	if (names != l->al->kw_context && !is_context(l->al, names))
		return false;
	if (args[n] != Py_None)
		c->context = args[n];
	return true;
}

static PyObject *
args_tuple(struct aloop *l, const struct call *c)
{
	PyObject *t;

	if (c->n == 0)
		return Py_NewRef(l->al->no_args);
	t = PyTuple_New(c->n);
	for (Py_ssize_t i = 0; t && i < c->n; i++)
		PyTuple_SET_ITEM(t, i, Py_NewRef(c->args[i]));
	return t;
}

static PyObject *
context_of(const struct call *c)
{
	return c->context ? Py_NewRef(c->context) : PyContext_CopyCurrent();
}

/* asyncio's own <method>, with the arguments as they came. */
static PyObject *
stock_call(PyObject *method, PyObject *self, PyObject *const *args,
           size_t nargsf, PyObject *names)
{
	Py_ssize_t n = PyVectorcall_NARGS(nargsf);
	Py_ssize_t all = n + (names ? PyTuple_GET_SIZE(names) : 0);
	PyObject **v = mem_try((size_t)(all + 1) * sizeof(*v));
	PyObject *r;

	if (!v)
		return PyErr_NoMemory();
	v[0] = self;
	for (Py_ssize_t i = 0; i < all; i++)
		v[i + 1] = args[i];
	r = PyObject_Vectorcall(method, v, (size_t)n + 1, names);
	mem_free(v);
	return r;
}

/* ---- call_soon ---- */

static PyObject *
add_ready(struct aloop *l, PyObject *callback, const struct call *c)
{
	PyObject *h = handle_new(l->al, (PyObject *)l, callback,
	    args_tuple(l, c), context_of(c));

	if (h && ready_push(l->ready, h) == -1)
		Py_CLEAR(h);
	return h;
}

static PyObject *
loop_call_soon(PyObject *self, PyObject *const *args, Py_ssize_t n,
               PyObject *names)
{
	struct aloop *l = aloop_of(self);
	struct call c;

	if (!parse_call(l, &c, args, (size_t)n, names, 1))
		return stock_call(l->al->stock.call_soon, self, args,
		    (size_t)n, names);
	return add_ready(l, args[0], &c);
}

/*
 * Any thread.  What wakes the loop may be replaced by a subclass.  From 3.14
 * on cancelling such a handle waits for a callback under way: asyncio's own
 * does that.
 */
static PyObject *
loop_call_soon_threadsafe(PyObject *self, PyObject *const *args, Py_ssize_t n,
                          PyObject *names)
{
	struct aloop *l = aloop_of(self);
	PyObject *h, *woken;
	struct call c;

	if (PY_LOCKED_HANDLES ||
	    !parse_call(l, &c, args, (size_t)n, names, 1))
		return stock_call(l->al->stock.call_soon_threadsafe, self,
		    args, (size_t)n, names);
	h = add_ready(l, args[0], &c);
	if (!h)
		return NULL;
	woken = PyObject_CallMethodNoArgs(self, l->al->s.write_to_self);
	if (!woken)
		Py_CLEAR(h);
	Py_XDECREF(woken);
	return h;
}

static PyObject *
loop_wake_up(PyObject *self, PyObject *unused)
{
	struct selector *sel = aloop_selector(aloop_of(self));

	(void)unused;
	if (sel)
		selector_wake(sel);
	Py_RETURN_NONE;
}

static PyObject *
loop_add_callback(PyObject *self, PyObject *h)
{
	struct aloop *l = aloop_of(self);
	int cancelled = handle_is_cancelled(l->al, h);

	if (cancelled == -1 || (!cancelled && ready_push(l->ready, h) == -1))
		return NULL;
	Py_RETURN_NONE;
}

/* ---- timers ---- */

static bool
is_time(PyObject *o)
{
	return PyFloat_CheckExact(o) || PyLong_CheckExact(o);
}

/* <when> is stolen. */
static PyObject *
add_timer(struct aloop *l, PyObject *when, PyObject *callback,
          const struct call *c)
{
	PyObject *h = NULL;
	double at = PyFloat_AsDouble(when);

	if (at != -1 || !PyErr_Occurred())
		h = timer_handle_new(l->al, (PyObject *)l, when, at, callback,
		    args_tuple(l, c), context_of(c));
	Py_DECREF(when);
	if (h && theap_push(l->al, l->scheduled, h) == -1)
		Py_CLEAR(h);
	return h;
}

static PyObject *
loop_call_at(PyObject *self, PyObject *const *args, Py_ssize_t n,
             PyObject *names)
{
	struct aloop *l = aloop_of(self);
	struct call c;

	if (!parse_call(l, &c, args, (size_t)n, names, 2) ||
	    !is_time(args[0]))
		return stock_call(l->al->stock.call_at, self, args, (size_t)n,
		    names);
	return add_timer(l, Py_NewRef(args[0]), args[1], &c);
}

static PyObject *
loop_call_later(PyObject *self, PyObject *const *args, Py_ssize_t n,
                PyObject *names)
{
	struct aloop *l = aloop_of(self);
	PyObject *when;
	struct call c;
	double delay;

	if (!parse_call(l, &c, args, (size_t)n, names, 2) ||
	    !is_time(args[0]) || l->own_time)
		return stock_call(l->al->stock.call_later, self, args,
		    (size_t)n, names);
	delay = PyFloat_AsDouble(args[0]);
	if (delay == -1 && PyErr_Occurred())
		return NULL;
	when = PyFloat_FromDouble(aloop_now() + delay);
	return when ? add_timer(l, when, args[1], &c) : NULL;
}

static PyObject *
loop_timer_cancelled(PyObject *self, PyObject *h)
{
	struct aloop *l = aloop_of(self);

	if (handle_is_timer(l->al, h) &&
	    ((struct timer_handle *)h)->scheduled == Py_True)
		l->n_cancelled++;
	Py_RETURN_NONE;
}

/* ---- small things ---- */

static PyObject *
loop_create_future(PyObject *self, PyObject *unused)
{
	struct aloop *l = aloop_of(self);
	PyTypeObject *type = l->al->future_type;
	PyObject *f;

	(void)unused;
	if (l->debug)
		return PyObject_CallOneArg(l->al->stock.create_future, self);
	f = type->tp_alloc(type, 0);
	if (f && type->tp_init(f, l->al->no_args, l->future_kwargs) == -1)
		Py_CLEAR(f);
	return f;
}

static PyObject *
loop_get_debug(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(aloop_of(self)->debug);
}

static PyObject *
loop_is_running(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(aloop_of(self)->thread_id != Py_None);
}

static PyObject *
loop_is_closed(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(aloop_of(self)->closed);
}

static PyObject *
loop_check_closed(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (!aloop_of(self)->closed)
		Py_RETURN_NONE;
	PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
	return NULL;
}

static PyObject *
loop_stop(PyObject *self, PyObject *unused)
{
	(void)unused;
	aloop_of(self)->stopping = 1;
	Py_RETURN_NONE;
}

/* ---- attributes ---- */

static PyObject *
get_ready(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(aloop_of(self)->ready);
}

/* The queue stays; what is assigned is what it holds from now on. */
static int
set_ready(PyObject *self, PyObject *value, void *unused)
{
	struct ready *q = aloop_of(self)->ready;
	PyObject *list = value ? PySequence_List(value) : NULL, *h;
	int err = list ? 0 : -1;

	(void)unused;
	if (!value)
		PyErr_SetString(PyExc_AttributeError, "_ready stays");
	if (err)
		return -1;
	while ((h = ready_pop(q)))
		Py_DECREF(h);
	for (Py_ssize_t i = 0; !err && i < PyList_GET_SIZE(list); i++)
		err = ready_push(q, PyList_GET_ITEM(list, i));
	Py_DECREF(list);
	return err;
}

static PyObject *
get_scheduled(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(aloop_of(self)->scheduled);
}

static int
set_scheduled(PyObject *self, PyObject *value, void *unused)
{
	(void)unused;
	if (!value || !PyList_CheckExact(value)) {
		PyErr_SetString(PyExc_TypeError, "_scheduled must be a list");
		return -1;
	}
	Py_SETREF(aloop_of(self)->scheduled, Py_NewRef(value));
	return 0;
}

/* A truth value at the offset in <place>; asyncio may assign any object. */
static PyObject *
get_flag(PyObject *self, void *place)
{
	return PyBool_FromLong(*((char *)self + (size_t)place));
}

static int
set_flag(PyObject *self, PyObject *value, void *place)
{
	int yes = value ? PyObject_IsTrue(value) : 0;

	if (yes == -1)
		return -1;
	*((char *)self + (size_t)place) = (char)yes;
	return 0;
}

#define FLAG(name, member) { name, get_flag, set_flag, NULL, \
	(void *)offsetof(struct aloop, member) }

static PyGetSetDef loop_getset[] = {
	{ "_ready", get_ready, set_ready, NULL, NULL },
	{ "_scheduled", get_scheduled, set_scheduled, NULL, NULL },
	FLAG("_stopping", stopping),
	FLAG("_closed", closed),
	FLAG("_debug", debug),
	FLAG("_lasting", lasting),
	{ NULL, NULL, NULL, NULL, NULL }
};

static PyMemberDef loop_members[] = {
	{ "_selector", Py_T_OBJECT_EX, offsetof(struct aloop, selector), 0,
	    NULL },
	{ "_thread_id", Py_T_OBJECT_EX, offsetof(struct aloop, thread_id), 0,
	    NULL },
	{ "_timer_cancelled_count", Py_T_PYSSIZET,
	    offsetof(struct aloop, n_cancelled), 0, NULL },
	{ "_clock_resolution", Py_T_DOUBLE,
	    offsetof(struct aloop, resolution), 0, NULL },
	{ NULL, 0, 0, 0, NULL }
};

/* ---- life ---- */

static int
loop_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct aloop *l = aloop_of(self);

	Py_VISIT(l->ready);
	Py_VISIT(l->scheduled);
	Py_VISIT(l->selector);
	Py_VISIT(l->thread_id);
	Py_VISIT(l->future_kwargs);
	Py_VISIT(Py_TYPE(self));
	return 0;
}

/* asyncio's __del__ still asks a loop that is being cleared: it stays one. */
static int
loop_clear(PyObject *self)
{
	struct aloop *l = aloop_of(self);
	PyObject *h;

	while (l->ready && (h = ready_pop(l->ready)))
		Py_DECREF(h);
	Py_CLEAR(l->selector);
	Py_CLEAR(l->future_kwargs);
	return 0;
}

static void
loop_dealloc(PyObject *self)
{
	struct aloop *l = aloop_of(self);
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	loop_clear(self);
	Py_XDECREF(l->ready);
	Py_XDECREF(l->scheduled);
	Py_XDECREF(l->thread_id);
	type->tp_free(self);
	Py_DECREF(type);
}

/* Whether <type> has another <name> than <base>; -1 with an exception. */
static int
replaces(PyTypeObject *type, PyObject *base, const char *name)
{
	PyObject *its = PyObject_GetAttrString((PyObject *)type, name);
	PyObject *usual = PyObject_GetAttrString(base, name);
	int differs = its && usual ? its != usual : -1;

	Py_XDECREF(its);
	Py_XDECREF(usual);
	return differs;
}

/* What a subclass does otherwise is asked once, not at each use. */
static int
look_at_type(struct aloop *l, PyTypeObject *type)
{
	PyObject *ours = (PyObject *)l->al->loop_type;
	int own_time = replaces(type, ours, "time");
	int own_turn = replaces(type, ours, "_run_once");
	int own_events = replaces(type, l->al->selector_loop,
	    "_process_events");

	if (own_time == -1 || own_turn == -1 || own_events == -1)
		return -1;
	l->own_time = own_time;
	l->own_turn = own_turn;
	l->own_events = own_events;
	return 0;
}

static PyObject *
loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	PyObject *self = type->tp_alloc(type, 0);
	struct aloop *l = aloop_of(self);

	(void)args;
	(void)kwargs;
	if (!self)
		return NULL;
	l->st = mod_state(type);
	l->al = l->st->al;
	l->thread_id = Py_NewRef(Py_None);
	l->ready = ready_new(l->al->ready_type);
	l->scheduled = PyList_New(0);
	l->future_kwargs = PyDict_New();
	if (!l->ready || !l->scheduled || !l->future_kwargs ||
	    PyDict_SetItem(l->future_kwargs, l->al->s.loop, self) == -1 ||
	    look_at_type(l, type) == -1)
		Py_CLEAR(self);
	return self;
}

#define FAST(fn) PY_METHOD(fn), METH_FASTCALL | METH_KEYWORDS, NULL

static PyMethodDef loop_methods[] = {
	{ "call_soon", FAST(loop_call_soon) },
	{ "call_soon_threadsafe", FAST(loop_call_soon_threadsafe) },
	{ "call_at", FAST(loop_call_at) },
	{ "call_later", FAST(loop_call_later) },
	{ "time", loop_time, METH_NOARGS, NULL },
	{ "stop", loop_stop, METH_NOARGS, NULL },
	{ "run_forever", aloop_run_forever, METH_NOARGS, NULL },
	{ "create_future", loop_create_future, METH_NOARGS, NULL },
	{ "get_debug", loop_get_debug, METH_NOARGS, NULL },
	{ "is_running", loop_is_running, METH_NOARGS, NULL },
	{ "is_closed", loop_is_closed, METH_NOARGS, NULL },
	{ "_check_closed", loop_check_closed, METH_NOARGS, NULL },
	{ "_run_once", aloop_run_once, METH_NOARGS, NULL },
	{ "_write_to_self", loop_wake_up, METH_NOARGS, NULL },
	{ "_add_callback", loop_add_callback, METH_O, NULL },
	{ "_timer_handle_cancelled", loop_timer_cancelled, METH_O, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot loop_slots[] = {
	{ Py_tp_new, loop_new },
	{ Py_tp_dealloc, loop_dealloc },
	{ Py_tp_traverse, loop_traverse },
	{ Py_tp_clear, loop_clear },
	{ Py_tp_methods, loop_methods },
	{ Py_tp_members, loop_members },
	{ Py_tp_getset, loop_getset },
	{ 0, NULL }
};

static PyType_Spec loop_spec = {
	.name = "_shoal.EventLoop",
	.basicsize = sizeof(struct aloop),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
	    Py_TPFLAGS_HAVE_GC,
	.slots = loop_slots,
};

/* ---- the interpreter's part ---- */

static int
make_names(struct aloop_state *al)
{
#define X(member, text) \
	al->s.member = PyUnicode_InternFromString(text); \
	if (!al->s.member) \
		return -1;
	ALOOP_NAMES(X)
#undef X
	al->no_args = PyTuple_New(0);
	return al->no_args ? 0 : -1;
}

/* What is asyncio's own. */
static int
find_stock(struct aloop_state *al, PyObject *asyncio)
{
	PyObject *base = PyObject_GetAttrString(asyncio, "BaseEventLoop");
	PyObject *sel = PyObject_GetAttrString(asyncio, "SelectorEventLoop");
	bool ok = base && sel;

#define TAKE(where, from, name) do { \
	where = ok ? (void *)PyObject_GetAttrString(from, name) : NULL; \
	ok = ok && where; \
} while (0)
	TAKE(al->stock_handle, asyncio, "Handle");
	TAKE(al->stock_timer, asyncio, "TimerHandle");
	TAKE(al->future_type, asyncio, "Future");
	TAKE(al->stock.call_soon, base, "call_soon");
	TAKE(al->stock.call_soon_threadsafe, base, "call_soon_threadsafe");
	TAKE(al->stock.call_at, base, "call_at");
	TAKE(al->stock.call_later, base, "call_later");
	TAKE(al->stock.run_forever, base, "run_forever");
	TAKE(al->stock.run_once, base, "_run_once");
	TAKE(al->stock.create_future, base, "create_future");
#undef TAKE
	al->selector_loop = sel;
	Py_XDECREF(base);
	return ok ? 0 : -1;
}

static int
make_types(struct aloop_state *al, PyObject *module)
{
	al->ready_type = ready_make_type(module);
	al->loop_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &loop_spec, NULL);
	if (!al->ready_type || !al->loop_type)
		return -1;
	if (handle_add_types(al, module) == -1)
		return -1;
	return aloop_conn_add_type(al, module);
}

/* Not before it is needed: asyncio takes long to import. */
static PyObject *
event_loop(PyObject *module, PyObject *unused)
{
	struct pystate *st = PyModule_GetState(module);
	struct aloop_state *al = st->al;
	PyObject *asyncio;
	int err;

	(void)unused;
	if (!al) {
		al = mem_try_zero(sizeof(*al));
		if (!al)
			return PyErr_NoMemory();
		asyncio = PyImport_ImportModule("asyncio");
		err = !asyncio || make_names(al) == -1 ||
		    find_stock(al, asyncio) == -1 ||
		    make_types(al, module) == -1;
		Py_XDECREF(asyncio);
		if (err)
			return NULL;
		st->al = al;
	}
	return Py_NewRef(al->loop_type);
}

static PyMethodDef module_methods[] = {
	{ "event_loop", event_loop, METH_NOARGS,
	    "event_loop(): the type under which loop.py puts asyncio's." },
	{ NULL, NULL, 0, NULL }
};

int
aloop_add_types(struct pystate *st, PyObject *module)
{
	if (PyModule_AddFunctions(module, module_methods) == -1)
		return -1;
	return selector_add_type(st, module);
}
