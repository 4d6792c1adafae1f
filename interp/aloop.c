/* See LICENSE for the terms. */
/*
 * The selector.  Its map is asyncio's (fd to SelectorKey); each entry has a
 * struct watch in an array indexed by fd, which is what epoll points to.
 */
#include "interp/aloop.h"

#include <errno.h>
#include <sys/epoll.h>

#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/state.h"

/* selectors.EVENT_READ and EVENT_WRITE, fixed since Python 3.4. */
enum { EVENT_READ = 1, EVENT_WRITE = 2 };

/* A descriptor that asyncio watches. */
struct watch {
	struct io io;
	struct list node;		/* in aloop->fired, or in no list */
	struct aloop *loop;
	uint32_t events;		/* fired, EPOLLIN... */
};

struct aloop {
	PyObject_HEAD
	struct pystate *st;
	struct shard *shard;
	PyObject *map;			/* {fd: SelectorKey} */
	PyObject *key_type;
	struct watch **watch;		/* by fd */
	unsigned n_watch;
	struct list fired;
	bool serving;			/* turns are run, not only waits */
};

static void
on_fired(struct io *io, uint32_t events)
{
	struct watch *w = container_of(io, struct watch, io);

	w->events |= events;
	if (list_empty(&w->node))
		list_add_tail(&w->loop->fired, &w->node);
}

/* The watch of <fd>, made if need be; NULL with an exception. */
static struct watch *
watch_get(struct aloop *a, int fd)
{
	unsigned n = (unsigned)fd;

	if (n >= a->n_watch) {
		unsigned want = MAX(n + 1, 2 * a->n_watch);
		struct watch **p = mem_try_grow(a->watch,
		    want * sizeof(*p));

		if (!p)
			return (void *)PyErr_NoMemory();
		for (unsigned i = a->n_watch; i < want; i++)
			p[i] = NULL;
		a->watch = p;
		a->n_watch = want;
	}
	if (!a->watch[n]) {
		struct watch *w = mem_try(sizeof(*w));

		if (!w)
			return (void *)PyErr_NoMemory();
		w->io.fn = on_fired;
		w->io.fd = fd;
		w->loop = a;
		w->events = 0;
		list_init(&w->node);
		a->watch[n] = w;
	}
	return a->watch[n];
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
set_key(struct aloop *a, PyObject *const *args, Py_ssize_t n, bool is_new)
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
	has = PyDict_Contains(a->map, fd_obj);
	if (has == is_new && has >= 0)
		PyErr_Format(PyExc_KeyError, is_new ?
		    "%R is already registered" : "%R is not registered",
		    args[0]);
	if (has < 0 || has == is_new)
		goto out;
	w = watch_get(a, fd);
	if (!w)
		goto out;
	err = is_new ? loop_add(&a->shard->loop, &w->io, poll_events(events)) :
	    loop_mod(&a->shard->loop, &w->io, poll_events(events));
	if (err) {
		errno = -err;
		PyErr_SetFromErrno(PyExc_OSError);
		goto out;
	}
	key = PyObject_CallFunction(a->key_type, "OOlO", args[0], fd_obj,
	    events, data);
	if (key && PyDict_SetItem(a->map, fd_obj, key) == -1)
		Py_CLEAR(key);
out:
	Py_DECREF(fd_obj);
	return key;
}

static PyObject *
selector_register(struct aloop *a, PyObject *const *args, Py_ssize_t n)
{
	return set_key(a, args, n, true);
}

static PyObject *
selector_modify(struct aloop *a, PyObject *const *args, Py_ssize_t n)
{
	return set_key(a, args, n, false);
}

/* The key of <fileobj>, a new reference; KeyError when there is none. */
static PyObject *
selector_get_key(struct aloop *a, PyObject *fileobj)
{
	int fd = fd_of(fileobj);
	PyObject *fd_obj, *key = NULL;

	if (fd < 0)
		return NULL;
	fd_obj = PyLong_FromLong(fd);
	if (fd_obj && PyDict_GetItemRef(a->map, fd_obj, &key) == 0)
		PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
	Py_XDECREF(fd_obj);
	return key;
}

static PyObject *
selector_unregister(struct aloop *a, PyObject *fileobj)
{
	PyObject *key = selector_get_key(a, fileobj);
	PyObject *fd_obj;
	struct watch *w;
	int fd;

	if (!key)
		return NULL;
	fd = fd_of(fileobj);
	w = a->watch[fd];
	/* A descriptor that is closed already is polled no more anyway. */
	loop_del(&a->shard->loop, &w->io);
	list_del(&w->node);
	w->events = 0;
	fd_obj = PyLong_FromLong(fd);
	if (!fd_obj || PyDict_DelItem(a->map, fd_obj) == -1)
		Py_CLEAR(key);
	Py_XDECREF(fd_obj);
	return key;
}

static PyObject *
selector_get_map(struct aloop *a, PyObject *unused)
{
	(void)unused;
	return Py_NewRef(a->map);
}

/* What fired, as [(SelectorKey, events)]. */
static PyObject *
fired_list(struct aloop *a)
{
	PyObject *out = PyList_New(0);
	struct list *n;

	while (out && (n = list_pop(&a->fired))) {
		struct watch *w = container_of(n, struct watch, node);
		PyObject *fd = PyLong_FromLong(w->io.fd);
		PyObject *key = NULL, *pair = NULL;
		long want, got;

		/* Errors wake both sides, as selectors.EpollSelector does. */
		got = (w->events & ~(uint32_t)EPOLLIN ? EVENT_WRITE : 0) |
		    (w->events & ~(uint32_t)EPOLLOUT ? EVENT_READ : 0);
		w->events = 0;
		if (fd && PyDict_GetItemRef(a->map, fd, &key) == 1) {
			want = PyLong_AsLong(PyTuple_GET_ITEM(key, 2));
			pair = Py_BuildValue("(Ol)", key, got & want);
			if (!pair || PyList_Append(out, pair) == -1)
				Py_CLEAR(out);
		}
		Py_XDECREF(pair);
		Py_XDECREF(key);
		Py_XDECREF(fd);
	}
	if (PyErr_Occurred())
		Py_CLEAR(out);
	return out;
}

/*
 * What a request's steps may have given to asyncio meanwhile.  The heap is
 * asked anew each time: _run_once() replaces it.
 */
struct marks {
	PyObject *first;		/* compared, never used: borrowed */
	Py_ssize_t timers;
};

static int
take_marks(struct aloop *a, struct marks *m, bool *queued)
{
	struct pystate *st = a->st;
	PyObject *heap = PyObject_GetAttr(st->loop, st->s.scheduled);
	PyObject *ready = PyObject_GetAttr(st->loop, st->s.ready);
	PyObject *stopping = PyObject_GetAttr(st->loop, st->s.stopping);
	int err = -1;

	if (heap && ready && stopping && PyList_Check(heap)) {
		m->timers = PyList_GET_SIZE(heap);
		m->first = m->timers > 0 ? PyList_GET_ITEM(heap, 0) : NULL;
		*queued = PyObject_Size(ready) > 0 || stopping == Py_True;
		err = 0;
	}
	Py_XDECREF(heap);
	Py_XDECREF(ready);
	Py_XDECREF(stopping);
	return err;
}

/*
 * Drained, and what requests do after their response is done, too; or the
 * graceful timeout is over.
 */
static bool
is_over(const struct aloop *a)
{
	const struct shard *s = a->shard;

	return s->over || (shard_is_over(s) && a->st->n_tasks == 0);
}

/* Waiting, reading, writing: all that needs no GIL, without it. */
static void
without_gil(struct aloop *a, int64_t ns)
{
	PyThreadState *ts = PyEval_SaveThread();

	atomic_store_explicit(&a->shard->slot->busy_since, 0,
	    memory_order_relaxed);
	shard_flush(a->shard);
	/* The last connection may just have gone: then nothing wakes us. */
	shard_poll(a->shard, a->serving && is_over(a) ? 0 : ns);
	atomic_store_explicit(&a->shard->slot->busy_since, a->shard->loop.now,
	    memory_order_relaxed);
	PyEval_RestoreThread(ts);
}

static int
stop_loop(struct aloop *a)
{
	PyObject *r;

	a->serving = false;
	r = PyObject_CallMethodNoArgs(a->st->loop, a->st->s.stop);
	Py_XDECREF(r);
	return r ? 0 : -1;
}

/* Whole turns until asyncio is needed.  -1 with an exception. */
static int
run_turns(struct aloop *a, int64_t ns)
{
	uint64_t until = ns < 0 ? 0 : clock_ns() + (uint64_t)ns;
	struct marks before, after;
	bool queued = false;

	if (take_marks(a, &before, &queued) == -1)
		return -1;
	for (;;) {
		uint64_t now;

		without_gil(a, queued ? 0 : ns);
		if (PyErr_CheckSignals() == -1)
			return -1;
		shard_run(a->shard);
		if (is_over(a) && a->serving)
			return stop_loop(a);
		if (!list_empty(&a->fired) || ns == 0)
			return 0;
		if (take_marks(a, &after, &queued) == -1)
			return -1;
		if (queued || after.first != before.first ||
		    after.timers != before.timers)
			return 0;
		if (ns < 0)
			continue;
		now = clock_ns();
		if (now >= until)
			return 0;
		ns = (int64_t)(until - now);
	}
}

static PyObject *
selector_select(struct aloop *a, PyObject *const *args, Py_ssize_t n)
{
	int64_t ns = -1;

	if (n > 0 && args[0] != Py_None) {
		double s = PyFloat_AsDouble(args[0]);

		if (s == -1.0 && PyErr_Occurred())
			return NULL;
		/* A day is enough for one wait, and fits. */
		ns = s <= 0 ? 0 : (int64_t)(MIN(s, 86400.0) * 1e9);
	}
	if (a->serving) {
		if (run_turns(a, ns) == -1)
			return NULL;
	} else {
		without_gil(a, ns);
		if (PyErr_CheckSignals() == -1)
			return NULL;
	}
	return fired_list(a);
}

static PyObject *
selector_close(struct aloop *a, PyObject *unused)
{
	(void)unused;
	for (unsigned i = 0; i < a->n_watch; i++) {
		if (!a->watch[i])
			continue;
		list_del(&a->watch[i]->node);
		mem_free(a->watch[i]);
	}
	mem_free(a->watch);
	a->watch = NULL;
	a->n_watch = 0;
	PyDict_Clear(a->map);
	Py_RETURN_NONE;
}

static PyObject *
selector_serve(struct aloop *a, PyObject *on)
{
	int yes = PyObject_IsTrue(on);

	if (yes < 0)
		return NULL;
	a->serving = yes;
	Py_RETURN_NONE;
}

static PyObject *
selector_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	PyObject *selectors = NULL;
	struct aloop *a;

	(void)kwargs;
	a = (struct aloop *)type->tp_alloc(type, 0);
	if (!a)
		return NULL;
	a->st = PyType_GetModuleState(type);
	a->shard = a->st->shard;
	list_init(&a->fired);
	a->map = PyTuple_GET_SIZE(args) == 1 ?
	    Py_NewRef(PyTuple_GET_ITEM(args, 0)) : NULL;
	if (!a->map || !PyDict_Check(a->map)) {
		PyErr_SetString(PyExc_TypeError, "Selector(map): a dict");
		Py_DECREF(a);
		return NULL;
	}
	selectors = PyImport_ImportModule("selectors");
	if (selectors)
		a->key_type = PyObject_GetAttrString(selectors, "SelectorKey");
	Py_XDECREF(selectors);
	if (!a->key_type) {
		Py_DECREF(a);
		return NULL;
	}
	a->st->aloop = a;
	return (PyObject *)a;
}

static void
selector_dealloc(struct aloop *a)
{
	PyTypeObject *type = Py_TYPE(a);

	if (a->st && a->st->aloop == a)
		a->st->aloop = NULL;
	if (a->map)
		Py_XDECREF(selector_close(a, NULL));
	Py_XDECREF(a->map);
	Py_XDECREF(a->key_type);
	type->tp_free(a);
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
	{ "serve", PY_METHOD(selector_serve), METH_O,
	    "serve(on): run the shard's turns inside select() from now on." },
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
	.basicsize = sizeof(struct aloop),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = selector_slots,
};

int
aloop_add_types(struct pystate *st, PyObject *module)
{
	st->selector_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &selector_spec, NULL);
	if (!st->selector_type)
		return -1;
	return PyModule_AddType(module, st->selector_type);
}
