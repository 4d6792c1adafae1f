/* See LICENSE for the terms. */
/*
 * The selector: asyncio's view of the shard's epoll, and the shard's turn.
 * Its map is asyncio's (fd to SelectorKey); each entry has a struct watch in
 * an array indexed by fd, which is what epoll points to.
 */
#include "interp/aloop_priv.h"

#include <errno.h>
#include <sys/epoll.h>

#include "core/mem.h"
#include "core/preempt.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/exc.h"
#include "interp/state.h"

/*
 * What the cyclic collector is to do while the shard is idle: after each
 * activity first the young objects, which is short, then perhaps all.
 */
enum rest { REST_DONE, REST_YOUNG, REST_ALL };
#define REST_YOUNG_NS (20 * NS_PER_MS)
#define REST_ALL_NS NS_PER_S

/* A descriptor that asyncio watches. */
struct watch {
	struct io io;
	struct list node;		/* in sel->fired, or in no list */
	struct selector *sel;
	PyObject *key;			/* SelectorKey, while registered */
	long wanted;			/* EVENT_READ... */
	uint32_t events;		/* fired, EPOLLIN... */
};

struct selector {
	PyObject_HEAD
	struct pystate *st;
	struct shard *shard;
	PyObject *map;			/* {fd: SelectorKey} */
	PyObject *key_type;
	struct watch **watch;		/* by fd */
	unsigned n_watch;
	struct list fired;
	bool serving;			/* requests are run, too */
	enum rest rest;
	PyObject *drained;		/* to be called, once it serves */
	PyObject *collect;		/* boot.py's, or NULL */
	bool waiting;			/* GIL: nothing to do, will wait */
	struct preempt preempt;
};

static void
on_fired(struct io *io, uint32_t events)
{
	struct watch *w = container_of(io, struct watch, io);

	w->events |= events;
	if (list_empty(&w->node))
		list_add_tail(&w->sel->fired, &w->node);
}

/* The watch of <fd>, made if need be; NULL with an exception. */
static struct watch *
watch_get(struct selector *sel, int fd)
{
	unsigned n = (unsigned)fd;

	if (n >= sel->n_watch) {
		unsigned want = MAX(n + 1, 2 * sel->n_watch);
		struct watch **p = mem_try_grow(sel->watch,
		    want * sizeof(*p));

		if (!p)
			return (void *)PyErr_NoMemory();
		for (unsigned i = sel->n_watch; i < want; i++)
			p[i] = NULL;
		sel->watch = p;
		sel->n_watch = want;
	}
	if (!sel->watch[n]) {
		struct watch *w = mem_try(sizeof(*w));

		if (!w)
			return (void *)PyErr_NoMemory();
		w->io.fn = on_fired;
		w->io.fd = fd;
		w->sel = sel;
		w->key = NULL;
		w->events = 0;
		list_init(&w->node);
		sel->watch[n] = w;
	}
	return sel->watch[n];
}

static uint32_t
poll_events(long events)
{
	return (events & EVENT_READ ? EPOLLIN : 0) |
	    (events & EVENT_WRITE ? EPOLLOUT : 0);
}

/* fileobj to a descriptor, as selectors does: KeyError for what is none. */
static int
fd_of(PyObject *fileobj)
{
	return PyObject_AsFileDescriptor(fileobj);
}

/* register() and modify(): the key that asyncio gets back. */
static PyObject *
set_key(struct selector *sel, PyObject *const *args, Py_ssize_t n,
        bool is_new)
{
	PyObject *data = n > 2 ? args[2] : Py_None;
	PyObject *fd_obj = NULL, *key = NULL;
	struct watch *w;
	long events;
	int fd, has, err;

	if (n < 2) {
		PyErr_SetString(PyExc_TypeError,
		    "fileobj and events are needed");
		return NULL;
	}
	fd = fd_of(args[0]);
	events = PyLong_AsLong(args[1]);
	if (fd < 0 || (events == -1 && PyErr_Occurred()))
		return NULL;
	if (events == 0 || events & ~(EVENT_READ | EVENT_WRITE))
		return PyErr_Format(PyExc_ValueError, "Invalid events: %R",
		    args[1]);
	fd_obj = PyLong_FromLong(fd);
	if (!fd_obj)
		return NULL;
	has = PyDict_Contains(sel->map, fd_obj);
	if (has == is_new && has >= 0)
		PyErr_Format(PyExc_KeyError, is_new ?
		    "%R is already registered" : "%R is not registered",
		    args[0]);
	if (has < 0 || has == is_new)
		goto out;
	w = watch_get(sel, fd);
	if (!w)
		goto out;
	err = (is_new ? loop_add : loop_mod)(&sel->shard->loop, &w->io,
	    poll_events(events));
	if (err) {
		errno = -err;
		PyErr_SetFromErrno(PyExc_OSError);
		goto out;
	}
	key = PyObject_CallFunction(sel->key_type, "OOlO", args[0], fd_obj,
	    events, data);
	if (key && PyDict_SetItem(sel->map, fd_obj, key) == -1)
		Py_CLEAR(key);
	if (!key && is_new)
		loop_del(&sel->shard->loop, &w->io);
	if (!key)
		goto out;
	Py_XSETREF(w->key, Py_NewRef(key));
	w->wanted = events;
out:
	Py_DECREF(fd_obj);
	return key;
}

static PyObject *
selector_register(struct selector *sel, PyObject *const *args, Py_ssize_t n)
{
	return set_key(sel, args, n, true);
}

static PyObject *
selector_modify(struct selector *sel, PyObject *const *args, Py_ssize_t n)
{
	return set_key(sel, args, n, false);
}

/* The key of <fileobj>, a new reference; KeyError when there is none. */
static PyObject *
selector_get_key(struct selector *sel, PyObject *fileobj)
{
	int fd = fd_of(fileobj);
	PyObject *fd_obj, *key = NULL;

	if (fd < 0)
		return NULL;
	fd_obj = PyLong_FromLong(fd);
	if (fd_obj && PyDict_GetItemRef(sel->map, fd_obj, &key) == 0)
		PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
	Py_XDECREF(fd_obj);
	return key;
}

/* What fired and was not looked at is no longer wanted. */
static void
forget(struct watch *w)
{
	list_del(&w->node);
	w->events = 0;
	Py_CLEAR(w->key);
}

static PyObject *
selector_unregister(struct selector *sel, PyObject *fileobj)
{
	PyObject *key = selector_get_key(sel, fileobj);
	PyObject *fd_obj;
	struct watch *w;
	int fd;

	if (!key)
		return NULL;
	fd = fd_of(fileobj);
	w = sel->watch[fd];
	/* A descriptor that is closed already is polled no more anyway. */
	loop_del(&sel->shard->loop, &w->io);
	forget(w);
	fd_obj = PyLong_FromLong(fd);
	if (!fd_obj || PyDict_DelItem(sel->map, fd_obj) == -1)
		Py_CLEAR(key);
	Py_XDECREF(fd_obj);
	return key;
}

static PyObject *
selector_get_map(struct selector *sel, PyObject *unused)
{
	(void)unused;
	return Py_NewRef(sel->map);
}

PyObject *
selector_next(struct selector *sel, long *events)
{
	struct list *n;

	while ((n = list_pop(&sel->fired))) {
		struct watch *w = container_of(n, struct watch, node);
		long got;

		/* Errors wake both sides, as selectors.EpollSelector does. */
		got = (w->events & ~(uint32_t)EPOLLIN ? EVENT_WRITE : 0) |
		    (w->events & ~(uint32_t)EPOLLOUT ? EVENT_READ : 0);
		w->events = 0;
		*events = got & w->wanted;
		if (w->key && *events)
			return Py_NewRef(w->key);
	}
	return NULL;
}

/* What fired, as [(SelectorKey, events)]. */
static PyObject *
fired_list(struct selector *sel)
{
	PyObject *out = PyList_New(0), *key, *pair;
	long events;

	while (out && (key = selector_next(sel, &events))) {
		pair = Py_BuildValue("(Nl)", key, events);
		if (!pair || PyList_Append(out, pair) == -1)
			Py_CLEAR(out);
		Py_XDECREF(pair);
	}
	return out;
}

/*
 * Drained, and what requests do after their response is done, too; or the
 * graceful timeout is over.
 */
static bool
is_over(const struct selector *sel)
{
	const struct shard *s = sel->shard;

	return s->over || (shard_is_over(s) && sel->st->n_tasks == 0);
}

/* Of all threads of this interpreter: who hands the GIL to whom varies. */
static void
set_preempt(const struct selector *sel)
{
	PyThreadState *ts;

	ts = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	for (; ts; ts = PyThreadState_Next(ts))
		if (ts->native_thread_id > 0)
			preempt_set((pid_t)ts->native_thread_id,
			    sel->preempt.off);
}

/* Bodies that were lent to the output and have left. */
static void
take_back(struct shard *s)
{
	PyObject *o;

	while ((o = chunk_pool_back(&s->chunks)))
		Py_DECREF(o);
}

static void
note_turn(struct selector *sel, uint64_t slept, bool threads)
{
	struct preempt *p = &sel->preempt;
	uint64_t now = sel->shard->loop.now;

	if (preempt_note(p, now, slept, threads) &&
	    preempt_judge(p, now, preempt_switches()))
		set_preempt(sel);
}

/*
 * Waiting, reading, writing: all that needs no GIL, without it.  Letters that
 * were posted after the inbox was read come before Python does: who posted one
 * because we were out of it waits for that (channel.c).
 */
static void
without_gil(struct selector *sel, int64_t ns)
{
	PyThreadState *ts = PyThreadState_Get();
	bool threads = ts->next || ts->prev;
	uint64_t began, slept;

	sel->waiting = ns != 0;
	sel->st->in_python = false;
	PyEval_SaveThread();
	atomic_store_explicit(&sel->shard->slot->busy_since, 0,
	    memory_order_relaxed);
	shard_flush(sel->shard);
	began = ns != 0 && threads ? clock_ns() : UINT64_MAX;
	/* The last connection may just have gone: then nothing wakes us. */
	shard_poll(sel->shard, sel->serving && is_over(sel) ? 0 : ns);
	slept = sel->shard->loop.now - MIN(sel->shard->loop.now, began);
	atomic_store_explicit(&sel->shard->slot->busy_since,
	    sel->shard->loop.now, memory_order_relaxed);
	PyEval_RestoreThread(ts);
	sel->st->in_python = true;
	inbox_read(&sel->shard->inbox, sel->shard);
	sel->waiting = false;
	take_back(sel->shard);
	note_turn(sel, slept, threads);
}

void
selector_wake(struct selector *sel)
{
	/* Both under the GIL: whoever sees it unset is seen before the wait. */
	if (!sel->waiting)
		return;
	sel->waiting = false;
	loop_wake(sel->shard->loop.wake_fd);
}

static int
end_serving(struct selector *sel)
{
	PyObject *r;

	sel->serving = false;
	r = PyObject_CallNoArgs(sel->drained);
	Py_XDECREF(r);
	return r ? 0 : -1;
}

/* The wait is over and nothing came of it. */
static bool
was_idle(const struct selector *sel)
{
	return list_empty(&sel->fired) && !shard_is_pending(sel->shard);
}

static void
collect(struct selector *sel)
{
	PyObject *r;

	r = PyObject_CallOneArg(sel->collect, sel->rest == REST_ALL ?
	    Py_True : Py_False);
	if (!r)
		exc_log(sel->st, "Collecting garbage failed", NULL);
	Py_XDECREF(r);
	sel->rest = sel->rest == REST_YOUNG ? REST_ALL : REST_DONE;
}

/* A wait, which is interrupted to collect garbage if it is a long one. */
static void
wait_idle(struct selector *sel, int64_t ns)
{
	int64_t rest_ns = sel->rest == REST_YOUNG ? REST_YOUNG_NS :
	    REST_ALL_NS;
	uint64_t since = sel->shard->loop.now;

	if (!sel->collect || sel->rest == REST_DONE ||
	    (ns >= 0 && ns <= rest_ns)) {
		without_gil(sel, ns);
	} else {
		without_gil(sel, rest_ns);
		if (was_idle(sel) && sel->shard->loop.now - since >=
		    (uint64_t)rest_ns)
			collect(sel);
	}
	if (!was_idle(sel))
		sel->rest = REST_YOUNG;
}

int
selector_turn(struct selector *sel, int64_t ns, struct aloop *l)
{
	if (ns == 0) {
		sel->rest = REST_YOUNG;
		without_gil(sel, 0);
	} else {
		wait_idle(sel, ns);
	}
	if (PyErr_CheckSignals() == -1)
		return -1;
	if (!sel->serving)
		return 0;
	if (shard_run(sel->shard, l ? aloop_go_on : NULL, l) &&
	    PyErr_Occurred())
		return -1;
	return is_over(sel) ? end_serving(sel) : 0;
}

/* Only for asyncio's own code, in debug mode: the loop's calls the turn. */
static PyObject *
selector_select(struct selector *sel, PyObject *const *args, Py_ssize_t n)
{
	int64_t ns = -1;

	if (n > 0 && args[0] != Py_None) {
		double s = PyFloat_AsDouble(args[0]);

		if (s == -1.0 && PyErr_Occurred())
			return NULL;
		/* A day is enough for one wait, and fits. */
		ns = s <= 0 ? 0 : (int64_t)(MIN(s, 86400.0) * 1e9);
	}
	if (selector_turn(sel, ns, NULL) == -1)
		return NULL;
	return fired_list(sel);
}

static PyObject *
selector_close(struct selector *sel, PyObject *unused)
{
	(void)unused;
	for (unsigned i = 0; i < sel->n_watch; i++) {
		struct watch *w = sel->watch[i];

		if (!w)
			continue;
		if (w->key)
			loop_del(&sel->shard->loop, &w->io);
		forget(w);
		mem_free(w);
	}
	mem_free(sel->watch);
	sel->watch = NULL;
	sel->n_watch = 0;
	PyDict_Clear(sel->map);
	Py_RETURN_NONE;
}

static PyObject *
selector_serve(struct selector *sel, PyObject *args)
{
	PyObject *drained, *collector;

	if (!PyArg_ParseTuple(args, "OO:serve", &drained, &collector))
		return NULL;
	Py_XSETREF(sel->drained, Py_NewRef(drained));
	Py_XSETREF(sel->collect, Py_IsNone(collector) ? NULL :
	    Py_NewRef(collector));
	sel->serving = true;
	Py_RETURN_NONE;
}

static PyObject *
selector_spawns(struct selector *sel, PyObject *unused)
{
	(void)unused;
	if (preempt_end(&sel->preempt, clock_ns()))
		set_preempt(sel);
	Py_RETURN_NONE;
}

static PyObject *
selector_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	PyObject *selectors = NULL;
	struct selector *sel;

	(void)kwargs;
	sel = (struct selector *)type->tp_alloc(type, 0);
	if (!sel)
		return NULL;
	sel->st = PyType_GetModuleState(type);
	sel->shard = sel->st->shard;
	list_init(&sel->fired);
	preempt_init(&sel->preempt);
	sel->map = PyTuple_GET_SIZE(args) == 1 ?
	    Py_NewRef(PyTuple_GET_ITEM(args, 0)) : NULL;
	if (!sel->map || !PyDict_Check(sel->map)) {
		PyErr_SetString(PyExc_TypeError, "Selector(map): a dict");
		Py_DECREF(sel);
		return NULL;
	}
	selectors = PyImport_ImportModule("selectors");
	if (selectors)
		sel->key_type = PyObject_GetAttrString(selectors,
		    "SelectorKey");
	Py_XDECREF(selectors);
	if (!sel->key_type) {
		Py_DECREF(sel);
		return NULL;
	}
	return (PyObject *)sel;
}

static void
selector_dealloc(struct selector *sel)
{
	PyTypeObject *type = Py_TYPE(sel);

	if (sel->map)
		Py_XDECREF(selector_close(sel, NULL));
	Py_XDECREF(sel->map);
	Py_XDECREF(sel->key_type);
	Py_XDECREF(sel->drained);
	Py_XDECREF(sel->collect);
	type->tp_free(sel);
	Py_DECREF(type);
}

static PyMethodDef selector_methods[] = {
	{ "register", PY_METHOD(selector_register), METH_FASTCALL, NULL },
	{ "modify", PY_METHOD(selector_modify), METH_FASTCALL, NULL },
	{ "unregister", PY_METHOD(selector_unregister), METH_O, NULL },
	{ "select", PY_METHOD(selector_select), METH_FASTCALL, NULL },
	{ "close", PY_METHOD(selector_close), METH_NOARGS, NULL },
	{ "get_map", PY_METHOD(selector_get_map), METH_NOARGS, NULL },
	{ "get_key", PY_METHOD(selector_get_key), METH_O, NULL },
	{ "serve", PY_METHOD(selector_serve), METH_VARARGS,
	    "serve(drained, collect): run requests until the shard has "
	    "drained, and call drained() then; collect(thorough), unless it "
	    "is None, while there are none." },
	{ "spawns", PY_METHOD(selector_spawns), METH_NOARGS,
	    "spawns(): a process is about to be made, which will inherit the "
	    "thread's scheduling policy: have it be the ordinary one." },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot selector_slots[] = {
	{ Py_tp_new, selector_new },
	{ Py_tp_dealloc, selector_dealloc },
	{ Py_tp_methods, selector_methods },
	{ 0, NULL }
};

static PyType_Spec selector_spec = {
	.name = "_shoal.Selector",
	.basicsize = sizeof(struct selector),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = selector_slots,
};

int
selector_add_type(struct pystate *st, PyObject *module)
{
	st->selector_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &selector_spec, NULL);
	if (!st->selector_type)
		return -1;
	return PyModule_AddType(module, st->selector_type);
}
