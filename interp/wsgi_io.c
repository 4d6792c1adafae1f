/* See LICENSE for the terms. */
/*
 * What a WSGI application is given beside its environ: start_response, the
 * write() that it returns, and wsgi.input.  Each has a pointer to its call,
 * which is NULL once the call is over: an application may keep them.
 */
#include "interp/wsgi.h"

#include <string.h>

#include "core/mem.h"
#include "core/util.h"
#include "interp/state.h"

struct handle {
	PyObject_HEAD
	vectorcallfunc run;
	struct call *call;		/* NULL: over */
	PyObject *write;		/* start_response's */
};

static struct call *
call_of(PyObject *self)
{
	struct handle *h = (struct handle *)self;

	if (!h->call)
		PyErr_SetString(PyExc_RuntimeError, "the request is over");
	return h->call;
}

static PyObject *
handle_new(PyTypeObject *type, struct call *c, vectorcallfunc run)
{
	struct handle *h = PyObject_New(struct handle, type);

	if (!h)
		return NULL;
	h->run = run;
	h->call = c;
	h->write = NULL;
	return (PyObject *)h;
}

static void
handle_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(((struct handle *)self)->write);
	PyObject_Free(self);
	Py_DECREF(type);
}

/* ---- start_response ---- */

/* A native str as latin-1 bytes in place (PEP 3333), or an exception. */
static int
native(PyObject *s, const char *what, struct str *out)
{
	if (!PyUnicode_Check(s)) {
		PyErr_Format(PyExc_TypeError, "start_response: %s must be "
		    "str, not %.100s", what, Py_TYPE(s)->tp_name);
		return -1;
	}
	if (PyUnicode_KIND(s) != PyUnicode_1BYTE_KIND) {
		PyErr_Format(PyExc_ValueError, "start_response: %R cannot be "
		    "encoded as latin-1", s);
		return -1;
	}
	*out = (struct str){ (const char *)PyUnicode_1BYTE_DATA(s),
		(size_t)PyUnicode_GET_LENGTH(s) };
	return 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "200 OK" to 200 and OK; -1 with an exception. */
static int
status_of(PyObject *status, struct str *reason)
{
	struct str s;

	if (native(status, "the status", &s) == -1)
		return -1;
	if (s.n < 3 || !is_digit(s.p[0]) || !is_digit(s.p[1]) ||
	    !is_digit(s.p[2]) || (s.n > 3 && s.p[3] != ' ')) {
		PyErr_Format(PyExc_ValueError, "start_response: the status "
		    "must be three digits, a space and a reason, not %R",
		    status);
		return -1;
	}
	*reason = (struct str){ s.p + MIN(s.n, 4), s.n - MIN(s.n, 4) };
	return (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
}

static int
add_header(struct res *h, PyObject *pair)
{
	struct str name, value;
	int err;

	if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
		PyErr_Format(PyExc_TypeError, "each header "
		    "must be a tuple (name, value), not %R", pair);
		return -1;
	}
	if (native(PyTuple_GET_ITEM(pair, 0), "a header's name",
	    &name) == -1 ||
	    native(PyTuple_GET_ITEM(pair, 1), "a header's value",
	    &value) == -1)
		return -1;
	err = res_field(h, name, value);
	if (!err)
		return 0;
	PyErr_Format(PyExc_ValueError, "header %R: %s",
	    PyTuple_GET_ITEM(pair, 0), res_error_text(err));
	return -1;
}

static int
set_head(struct res *h, PyObject *status, PyObject *headers)
{
	struct str reason;
	int n = status_of(status, &reason), err;

	if (n < 0)
		return -1;
	res_reset(h);
	err = res_status(h, (unsigned)n);
	if (!err)
		err = res_set_reason(h, reason);
	if (err) {
		PyErr_Format(PyExc_ValueError, "start_response: %R: %s",
		    status, res_error_text(err));
		return -1;
	}
	if (!PyList_Check(headers)) {
		PyErr_Format(PyExc_TypeError, "start_response: headers must "
		    "be a list, not %.100s", Py_TYPE(headers)->tp_name);
		return -1;
	}
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++)
		if (add_header(h, PyList_GET_ITEM(headers, i)) == -1)
			return -1;
	return 0;
}

/* exc_info after the head is out: the application's error goes on. */
static PyObject *
raise_again(PyObject *exc_info)
{
	if (PyTuple_Check(exc_info) && PyTuple_GET_SIZE(exc_info) == 3 &&
	    PyExceptionInstance_Check(PyTuple_GET_ITEM(exc_info, 1)))
		PyErr_SetRaisedException(Py_NewRef(
		    PyTuple_GET_ITEM(exc_info, 1)));
	else
		PyErr_SetString(PyExc_TypeError, "start_response: exc_info "
		    "must be a tuple as of sys.exc_info()");
	return NULL;
}

static PyObject *
start(struct handle *self, PyObject *status, PyObject *headers,
    PyObject *exc_info)
{
	struct call *c = call_of((PyObject *)self);

	if (!c)
		return NULL;
	if (exc_info && c->head_out)
		return raise_again(exc_info);
	if (c->has_head && !exc_info) {
		PyErr_SetString(PyExc_AssertionError, "start_response was "
		    "called twice without exc_info");
		return NULL;
	}
	c->has_head = false;
	if (set_head(&c->res, status, headers) == -1)
		return NULL;
	c->has_head = true;
	return Py_NewRef(self->write);
}

static PyObject *
start_call(PyObject *self, PyObject *const *args, size_t nf, PyObject *names)
{
	Py_ssize_t n = PyVectorcall_NARGS(nf);
	Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
	PyObject *info = NULL;

	/* exc_info is the one that people name. */
	if (n < 2 || n + named > 3 || (named == 1 &&
	    PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
	    "exc_info") != 0)) {
		PyErr_SetString(PyExc_TypeError, "start_response(status, "
		    "response_headers, exc_info=None)");
		return NULL;
	}
	if (n + named == 3 && args[2] != Py_None)
		info = args[2];
	return start((struct handle *)self, args[0], args[1], info);
}

static PyObject *
write_call(PyObject *self, PyObject *const *args, size_t nf, PyObject *names)
{
	struct call *c = call_of(self);

	if (!c)
		return NULL;
	if (PyVectorcall_NARGS(nf) != 1 || names || !PyBytes_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "write() takes bytes");
		return NULL;
	}
	if (wsgi_write(c, PyBytes_AS_STRING(args[0]),
	    (size_t)PyBytes_GET_SIZE(args[0])) == -1)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *
wsgi_start_new(struct call *c)
{
	PyObject *s = handle_new(c->st->wsgi_start_type, c, start_call);

	if (!s)
		return NULL;
	((struct handle *)s)->write = handle_new(c->st->wsgi_write_type, c,
	    write_call);
	if (!((struct handle *)s)->write)
		Py_CLEAR(s);
	return s;
}

/* ---- wsgi.input ---- */

/*
 * wsgi.early_hints(headers), a list as of start_response: it goes out at once
 * as 103.  It is the same object as the input, which spares one a request.
 */
static PyObject *
hints_call(PyObject *self, PyObject *const *args, size_t nf, PyObject *names)
{
	struct call *c = call_of(self);
	struct res h = { .length = -1 };
	int err = 0;

	if (!c)
		return NULL;
	if (PyVectorcall_NARGS(nf) != 1 || names || !PyList_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "wsgi.early_hints() takes a "
		    "list of (name, value)");
		return NULL;
	}
	if (c->head_out) {
		PyErr_SetString(PyExc_RuntimeError, "wsgi.early_hints() came "
		    "behind the response's first bytes");
		return NULL;
	}
	for (Py_ssize_t i = 0; !err && i < PyList_GET_SIZE(args[0]); i++)
		err = add_header(&h, PyList_GET_ITEM(args[0], i));
	if (!err && !c->lost)
		wsgi_hint(c, &h);
	res_fini(&h);
	return err ? NULL : Py_NewRef(Py_None);
}

PyObject *
wsgi_input_new(struct call *c)
{
	return handle_new(c->st->wsgi_input_type, c, hints_call);
}

void
wsgi_io_end(PyObject *start_response, PyObject *input)
{
	if (start_response) {
		struct handle *s = (struct handle *)start_response;

		s->call = NULL;
		((struct handle *)s->write)->call = NULL;
	}
	if (input)
		((struct handle *)input)->call = NULL;
}

/* An optional size: -1 for none, None or any negative one. */
static int
size_arg(PyObject *const *args, Py_ssize_t n, Py_ssize_t *size)
{
	*size = -1;
	if (n > 1) {
		PyErr_SetString(PyExc_TypeError, "one size at most");
		return -1;
	}
	if (n == 0 || args[0] == Py_None)
		return 0;
	*size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
	if (*size == -1 && PyErr_Occurred())
		return -1;
	*size = MAX(*size, -1);
	return 0;
}

/*
 * Up to <size> bytes (-1: all), or, with <line>, up to the end of a line; from
 * blocks of the body as they come.  A body that was cut raises.
 */
static PyObject *
read_bytes(struct call *c, Py_ssize_t size, bool line)
{
	PyObject *out = NULL;
	Py_ssize_t n = 0;

	for (;;) {
		size_t k = c->n_in - c->in_at;
		const char *at = c->in + c->in_at, *eol;

		if (k == 0) {
			int more = size == n ? 0 : wsgi_fill(c);

			if (more == -1)
				goto fail;
			if (more == 0)
				break;
			continue;
		}
		if (size >= 0)
			k = MIN(k, (size_t)(size - n));
		eol = line ? memchr(at, '\n', k) : NULL;
		if (eol)
			k = (size_t)(eol - at) + 1;
		if (!out)
			out = PyBytes_FromStringAndSize(at, (Py_ssize_t)k);
		else if (_PyBytes_Resize(&out, n + (Py_ssize_t)k) == 0)
			memcpy(PyBytes_AS_STRING(out) + n, at, k);
		if (!out)
			return NULL;
		n += (Py_ssize_t)k;
		c->in_at += k;
		if (eol || n == size)
			break;
	}
	return out ? out : Py_NewRef(c->st->empty_bytes);
fail:
	Py_XDECREF(out);
	return NULL;
}

static PyObject *
input_read(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct call *c = call_of(self);
	Py_ssize_t size;

	if (!c || size_arg(args, n, &size) == -1)
		return NULL;
	return read_bytes(c, size, false);
}

static PyObject *
input_readline(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct call *c = call_of(self);
	Py_ssize_t size;

	if (!c || size_arg(args, n, &size) == -1)
		return NULL;
	return read_bytes(c, size, true);
}

static PyObject *
input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct call *c = call_of(self);
	Py_ssize_t hint, total = 0;
	PyObject *out;

	if (!c || size_arg(args, n, &hint) == -1)
		return NULL;
	out = PyList_New(0);
	while (out && (hint <= 0 || total < hint)) {
		PyObject *line = read_bytes(c, -1, true);

		if (!line || PyBytes_GET_SIZE(line) == 0) {
			if (!line)
				Py_CLEAR(out);
			Py_XDECREF(line);
			break;
		}
		total += PyBytes_GET_SIZE(line);
		if (PyList_Append(out, line) == -1)
			Py_CLEAR(out);
		Py_DECREF(line);
	}
	return out;
}

static PyObject *
input_iter(PyObject *self)
{
	return Py_NewRef(self);
}

static PyObject *
input_next(PyObject *self)
{
	struct call *c = call_of(self);
	PyObject *line = c ? read_bytes(c, -1, true) : NULL;

	if (line && PyBytes_GET_SIZE(line) == 0)
		Py_CLEAR(line);
	return line;
}

static PyMethodDef input_methods[] = {
	{ "read", PY_METHOD(input_read), METH_FASTCALL,
	    "read(size=-1): bytes of the request's body." },
	{ "readline", PY_METHOD(input_readline), METH_FASTCALL,
	    "readline(size=-1): up to the end of a line." },
	{ "readlines", PY_METHOD(input_readlines), METH_FASTCALL,
	    "readlines(hint=-1): all lines, or about hint bytes of them." },
	{ NULL, NULL, 0, NULL }
};

static PyMemberDef call_members[] = {
	{ "__vectorcalloffset__", Py_T_PYSSIZET,
	    offsetof(struct handle, run), Py_READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot input_slots[] = {
	{ Py_tp_dealloc, handle_dealloc },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, call_members },
	{ Py_tp_iter, input_iter },
	{ Py_tp_iternext, input_next },
	{ Py_tp_methods, input_methods },
	{ 0, NULL }
};

#define CALL_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | \
	Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec input_spec = {
	.name = "_shoal.Input",
	.basicsize = sizeof(struct handle),
	.flags = CALL_FLAGS,
	.slots = input_slots,
};

static PyType_Slot call_slots[] = {
	{ Py_tp_dealloc, handle_dealloc },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, call_members },
	{ 0, NULL }
};

static PyType_Spec start_spec = {
	.name = "_shoal.start_response",
	.basicsize = sizeof(struct handle),
	.flags = CALL_FLAGS,
	.slots = call_slots,
};

static PyType_Spec write_spec = {
	.name = "_shoal.write",
	.basicsize = sizeof(struct handle),
	.flags = CALL_FLAGS,
	.slots = call_slots,
};

int
wsgi_io_add_types(struct pystate *st, PyObject *module)
{
	st->wsgi_input_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &input_spec, NULL);
	st->wsgi_start_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &start_spec, NULL);
	st->wsgi_write_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &write_spec, NULL);
	return st->wsgi_input_type && st->wsgi_start_type &&
	    st->wsgi_write_type ? 0 : -1;
}
