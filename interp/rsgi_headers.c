/* See LICENSE for the terms. */
/*
 * RSGI's headers: a mapping over the request's own fields.
 *
 * Nothing is made before it is asked for, and then it comes from the cache of
 * scope.c: few applications read more than two or three of them, and a list of
 * ten short names is searched faster than a dict is made.
 */
#include <string.h>

#include "core/mem.h"
#include "interp/rsgi_priv.h"
#include "interp/scope.h"
#include "interp/state.h"
#include "proto/req.h"

/* The next field from <i> on of that name, in any case; NULL: none. */
static const struct field *
find(const struct rsgi_headers *h, PyObject *key, unsigned *i)
{
	struct str name;

	/* Names are ASCII; what is no text, or wider, is not among them. */
	if (!PyUnicode_Check(key) ||
	    PyUnicode_KIND(key) != PyUnicode_1BYTE_KIND)
		return NULL;
	name.p = (const char *)PyUnicode_1BYTE_DATA(key);
	name.n = (size_t)PyUnicode_GET_LENGTH(key);
	while (*i < h->n) {
		const struct field *f = &h->fields[(*i)++];

		if (f->n_name == name.n && str_ieq(field_name(f), name))
			return f;
	}
	return NULL;
}

static PyObject *
value_of(const struct rsgi_headers *h, const struct field *f)
{
	PyObject *pair = scope_field_text(h->st, f);
	PyObject *value;

	if (!pair)
		return NULL;
	value = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
	Py_DECREF(pair);
	return value;
}

static PyObject *
headers_item(PyObject *self, PyObject *key)
{
	struct rsgi_headers *h = (struct rsgi_headers *)self;
	unsigned i = 0;
	const struct field *f = find(h, key, &i);

	if (f)
		return value_of(h, f);
	PyErr_SetObject(PyExc_KeyError, key);
	return NULL;
}

static PyObject *
headers_get(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = { "key", "default", NULL };
	struct rsgi_headers *h = (struct rsgi_headers *)self;
	PyObject *v[2];
	const struct field *f;
	unsigned i = 0;

	if (rsgi_args("get", names, args, n, kwnames, v) == -1)
		return NULL;
	if (!v[0]) {
		PyErr_SetString(PyExc_TypeError, "get() needs a key");
		return NULL;
	}
	f = find(h, v[0], &i);
	return f ? value_of(h, f) : Py_NewRef(v[1] ? v[1] : Py_None);
}

static int
headers_contains(PyObject *self, PyObject *key)
{
	unsigned i = 0;

	return find((struct rsgi_headers *)self, key, &i) != NULL;
}

/* Appends and drops <item>, which may be NULL for an exception. */
static int
append(PyObject *list, PyObject *item)
{
	int err = item ? PyList_Append(list, item) : -1;

	Py_XDECREF(item);
	return err;
}

static PyObject *
headers_get_all(PyObject *self, PyObject *key)
{
	struct rsgi_headers *h = (struct rsgi_headers *)self;
	PyObject *out = PyList_New(0);
	const struct field *f;
	unsigned i = 0;

	while (out && (f = find(h, key, &i)))
		if (append(out, value_of(h, f)) == -1)
			Py_CLEAR(out);
	return out;
}

static PyObject *
headers_items(PyObject *self, PyObject *unused)
{
	struct rsgi_headers *h = (struct rsgi_headers *)self;
	PyObject *out = PyList_New(0);

	(void)unused;
	for (unsigned i = 0; out && i < h->n; i++)
		if (append(out, scope_field_text(h->st, &h->fields[i])) == -1)
			Py_CLEAR(out);
	return out;
}

static PyObject *
headers_values(PyObject *self, PyObject *unused)
{
	struct rsgi_headers *h = (struct rsgi_headers *)self;
	PyObject *out = PyList_New(0);

	(void)unused;
	for (unsigned i = 0; out && i < h->n; i++)
		if (append(out, value_of(h, &h->fields[i])) == -1)
			Py_CLEAR(out);
	return out;
}

/* The distinct names as a dict, in the order in which they came first. */
static PyObject *
name_set(const struct rsgi_headers *h)
{
	PyObject *out = PyDict_New();

	for (unsigned i = 0; out && i < h->n; i++) {
		PyObject *pair = scope_field_text(h->st, &h->fields[i]);

		if (!pair || PyDict_SetItem(out, PyTuple_GET_ITEM(pair, 0),
		    Py_None) == -1)
			Py_CLEAR(out);
		Py_XDECREF(pair);
	}
	return out;
}

static PyObject *
headers_keys(PyObject *self, PyObject *unused)
{
	PyObject *set = name_set((struct rsgi_headers *)self);
	PyObject *out = set ? PyDict_Keys(set) : NULL;

	(void)unused;
	Py_XDECREF(set);
	return out;
}

static PyObject *
headers_iter(PyObject *self)
{
	PyObject *keys = headers_keys(self, NULL);
	PyObject *out = keys ? PyObject_GetIter(keys) : NULL;

	Py_XDECREF(keys);
	return out;
}

static Py_ssize_t
headers_len(PyObject *self)
{
	PyObject *set = name_set((struct rsgi_headers *)self);
	Py_ssize_t n = set ? PyDict_Size(set) : -1;

	Py_XDECREF(set);
	return n;
}

static PyObject *
headers_repr(PyObject *self)
{
	PyObject *items = headers_items(self, NULL);
	PyObject *out = items ? PyUnicode_FromFormat("Headers(%R)", items) :
	    NULL;

	Py_XDECREF(items);
	return out;
}

static void
headers_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	mem_free(((struct rsgi_headers *)self)->own);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef headers_methods[] = {
	{ "keys", headers_keys, METH_NOARGS,
	    "keys() -> list of the distinct names, in lower case" },
	{ "values", headers_values, METH_NOARGS,
	    "values() -> list of all values" },
	{ "items", headers_items, METH_NOARGS,
	    "items() -> list of all (name, value)" },
	{ "get", PY_METHOD(headers_get), METH_FASTCALL | METH_KEYWORDS,
	    "get(key, default=None) -> the first value of that name" },
	{ "get_all", headers_get_all, METH_O,
	    "get_all(key) -> list of the values of that name" },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot headers_slots[] = {
	{ Py_tp_dealloc, headers_dealloc },
	{ Py_tp_methods, headers_methods },
	{ Py_tp_iter, headers_iter },
	{ Py_tp_repr, headers_repr },
	{ Py_mp_subscript, headers_item },
	{ Py_mp_length, headers_len },
	{ Py_sq_contains, headers_contains },
	{ 0, NULL }
};

static PyType_Spec headers_spec = {
	.name = "_shoal.RSGIHeaders",
	.basicsize = sizeof(struct rsgi_headers),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = headers_slots,
};

struct rsgi_headers *
rsgi_headers_new(struct pystate *st, const struct req *r)
{
	struct rsgi_headers *h;

	h = PyObject_New(struct rsgi_headers, st->rsgi_headers_type);
	if (!h)
		return NULL;
	h->st = st;
	h->fields = r->fields;
	h->n = r->n_fields;
	h->own = NULL;
	return h;
}

void
rsgi_headers_detach(struct rsgi_headers *h)
{
	size_t n_text = 0;
	char *text;

	for (unsigned i = 0; i < h->n; i++)
		n_text += h->fields[i].n_name + h->fields[i].n_value;
	h->own = mem_try(h->n * sizeof(*h->own) + n_text + 1);
	if (!h->own)
		h->n = 0;
	text = (char *)(h->own + h->n);
	for (unsigned i = 0; i < h->n; i++) {
		struct field *f = &h->own[i];

		*f = h->fields[i];
		f->p = text;
		memcpy(text, h->fields[i].p, f->n_name + f->n_value);
		text += f->n_name + f->n_value;
	}
	h->fields = h->own;
}

int
rsgi_headers_add_types(struct pystate *st, PyObject *module)
{
	st->rsgi_headers_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &headers_spec, NULL);
	if (!st->rsgi_headers_type)
		return -1;
	return PyModule_AddType(module, st->rsgi_headers_type);
}
