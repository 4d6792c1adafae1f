/* See LICENSE for the terms. */
/*
 * What waits to be run: the ring of ready handles, and the heap of timers.
 *
 * Other threads append to the ring by call_soon_threadsafe(): they hold the
 * GIL, and nothing here lets it go before the ring is whole again.
 */
#include "interp/aloop_priv.h"

#include <string.h>

#include "core/mem.h"

/* ---- ready ---- */

#define READY_MIN 64

static int
grow(struct ready *q)
{
	size_t size = q->item ? 2 * (q->mask + 1) : READY_MIN;
	PyObject **item = mem_try(size * sizeof(*item));

	if (!item) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < q->n; i++)
		item[i] = q->item[(q->head + i) & q->mask];
	mem_free(q->item);
	q->item = item;
	q->mask = size - 1;
	q->head = 0;
	return 0;
}

int
ready_push(struct ready *q, PyObject *h)
{
	if ((!q->item || q->n > q->mask) && grow(q) == -1)
		return -1;
	q->item[(q->head + q->n++) & q->mask] = Py_NewRef(h);
	return 0;
}

PyObject *
ready_pop(struct ready *q)
{
	PyObject *h;

	if (q->n == 0)
		return NULL;
	h = q->item[q->head];
	q->head = (q->head + 1) & q->mask;
	q->n--;
	return h;
}

struct ready *
ready_new(PyTypeObject *type)
{
	return (struct ready *)type->tp_alloc(type, 0);
}

static PyObject *
ready_append(struct ready *q, PyObject *h)
{
	if (ready_push(q, h) == -1)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
ready_popleft(struct ready *q, PyObject *unused)
{
	PyObject *h = ready_pop(q);

	(void)unused;
	if (!h)
		PyErr_SetString(PyExc_IndexError, "nothing is ready");
	return h;
}

static int
ready_tp_clear(struct ready *q)
{
	PyObject *h;

	while ((h = ready_pop(q)))
		Py_DECREF(h);
	return 0;
}

static PyObject *
ready_clear(struct ready *q, PyObject *unused)
{
	(void)unused;
	ready_tp_clear(q);
	Py_RETURN_NONE;
}

static Py_ssize_t
ready_length(struct ready *q)
{
	return (Py_ssize_t)q->n;
}

static PyObject *
ready_item(struct ready *q, Py_ssize_t i)
{
	if (i < 0 || (size_t)i >= q->n) {
		PyErr_SetString(PyExc_IndexError, "no such ready handle");
		return NULL;
	}
	return Py_NewRef(q->item[(q->head + (size_t)i) & q->mask]);
}

static int
ready_traverse(struct ready *q, visitproc visit, void *arg)
{
	for (size_t i = 0; i < q->n; i++)
		Py_VISIT(q->item[(q->head + i) & q->mask]);
	Py_VISIT(Py_TYPE(q));
	return 0;
}

static void
ready_dealloc(struct ready *q)
{
	PyTypeObject *type = Py_TYPE(q);

	PyObject_GC_UnTrack(q);
	ready_tp_clear(q);
	mem_free(q->item);
	type->tp_free(q);
	Py_DECREF(type);
}

static PyMethodDef ready_methods[] = {
	{ "append", PY_METHOD(ready_append), METH_O, NULL },
	{ "popleft", PY_METHOD(ready_popleft), METH_NOARGS, NULL },
	{ "clear", PY_METHOD(ready_clear), METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot ready_slots[] = {
	{ Py_tp_dealloc, ready_dealloc },
	{ Py_tp_traverse, ready_traverse },
	{ Py_tp_clear, ready_tp_clear },
	{ Py_sq_length, ready_length },
	{ Py_sq_item, ready_item },
	{ Py_tp_methods, ready_methods },
	{ 0, NULL }
};

static PyType_Spec ready_spec = {
	.name = "_shoal.Ready",
	.basicsize = sizeof(struct ready),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
	    Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = ready_slots,
};

PyTypeObject *
ready_make_type(PyObject *module)
{
	return (PyTypeObject *)PyType_FromModuleAndSpec(module, &ready_spec,
	    NULL);
}

/* ---- timers ---- */

/*
 * When <h> is due; at once, if that cannot be told without running Python
 * code, which might change the heap meanwhile.
 */
double
theap_at(const struct aloop_state *al, PyObject *h)
{
	PyObject *when;

	if (Py_TYPE(h) == al->timer_type)
		return ((struct timer_handle *)h)->at;
	if (!PyObject_TypeCheck(h, al->stock_timer))
		return 0;
	when = ((struct timer_handle *)h)->when;
	if (when && PyFloat_Check(when))
		return PyFloat_AS_DOUBLE(when);
	return when && PyLong_Check(when) ? PyLong_AsDouble(when) : 0;
}

static void
mark(const struct aloop_state *al, PyObject *h, bool scheduled)
{
	PyObject *value = scheduled ? Py_True : Py_False;

	if (handle_is_timer(al, h))
		Py_XSETREF(((struct timer_handle *)h)->scheduled,
		    Py_NewRef(value));
	else if (PyObject_SetAttrString(h, "_scheduled", value) == -1)
		PyErr_Clear();
}

/* Moves what is at <i> up to where it belongs. */
static void
sift_up(const struct aloop_state *al, PyObject **v, Py_ssize_t i)
{
	PyObject *h = v[i];
	double at = theap_at(al, h);

	while (i > 0 && at < theap_at(al, v[(i - 1) / 2])) {
		v[i] = v[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	v[i] = h;
}

/* ... and down. */
static void
sift_down(const struct aloop_state *al, PyObject **v, Py_ssize_t n,
          Py_ssize_t i)
{
	PyObject *h = v[i];
	double at = theap_at(al, h);

	for (;;) {
		Py_ssize_t k = 2 * i + 1;

		if (k >= n)
			break;
		if (k + 1 < n && theap_at(al, v[k + 1]) < theap_at(al, v[k]))
			k++;
		if (at <= theap_at(al, v[k]))
			break;
		v[i] = v[k];
		i = k;
	}
	v[i] = h;
}

static PyObject **
heap_items(PyObject *heap)
{
	return ((PyListObject *)heap)->ob_item;
}

int
theap_push(const struct aloop_state *al, PyObject *heap, PyObject *h)
{
	if (PyList_Append(heap, h) == -1)
		return -1;
	sift_up(al, heap_items(heap), PyList_GET_SIZE(heap) - 1);
	mark(al, h, true);
	return 0;
}

PyObject *
theap_pop(const struct aloop_state *al, PyObject *heap)
{
	Py_ssize_t n = PyList_GET_SIZE(heap) - 1;
	PyObject *first = Py_NewRef(PyList_GET_ITEM(heap, 0));
	PyObject **v = heap_items(heap);

	/* The first takes the last one's place, and leaves from there. */
	v[0] = v[n];
	v[n] = first;
	if (n > 0)
		sift_down(al, v, n, 0);
	if (PyList_SetSlice(heap, n, n + 1, NULL) == -1)
		Py_CLEAR(first);
	else
		mark(al, first, false);
	return first;
}

int
theap_sweep(const struct aloop_state *al, PyObject *heap)
{
	Py_ssize_t n = PyList_GET_SIZE(heap), kept = 0;
	PyObject **v = heap_items(heap);

	/* What stays goes to the front; the rest is cut off behind it. */
	for (Py_ssize_t i = 0; i < n; i++) {
		PyObject *h = v[i];

		if (handle_is_plain(al, h) &&
		    ((struct handle *)h)->cancelled != Py_False) {
			mark(al, h, false);
			continue;
		}
		v[i] = v[kept];
		v[kept++] = h;
	}
	for (Py_ssize_t i = kept / 2; i-- > 0;)
		sift_down(al, v, kept, i);
	return PyList_SetSlice(heap, kept, n, NULL);
}
