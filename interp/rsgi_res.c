/* See LICENSE for the terms. */
/*
 * RSGI's responses: what the application's arguments have to be, and the ways
 * to answer in one piece.
 *
 * Everything is checked before the response begins, so what raises has sent
 * nothing: the application may still answer, or its exception is a 500.  To a
 * client that is lost a response in one piece is not an error: it is dropped,
 * as the network would have done a moment later.
 */
#include "core/str.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/res.h"

/* ---- arguments ---- */

static int
name_index(const char *const *names, PyObject *key)
{
	for (int i = 0; names[i]; i++)
		if (PyUnicode_CompareWithASCIIString(key, names[i]) == 0)
			return i;
	return -1;
}

int
rsgi_args(const char *fn, const char *const *names, PyObject *const *args,
    Py_ssize_t n, PyObject *kwnames, PyObject **out)
{
	Py_ssize_t max = 0, n_names = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;

	while (names[max])
		max++;
	if (n > max) {
		PyErr_Format(PyExc_TypeError, "%s() takes at most %zd "
		    "arguments, not %zd", fn, max, n);
		return -1;
	}
	for (Py_ssize_t i = 0; i < max; i++)
		out[i] = i < n ? args[i] : NULL;
	for (Py_ssize_t i = 0; i < n_names; i++) {
		PyObject *key = PyTuple_GET_ITEM(kwnames, i);
		int k = name_index(names, key);

		if (k < 0 || out[k]) {
			PyErr_Format(PyExc_TypeError, k < 0 ?
			    "%s() has no argument %R" :
			    "%s() got argument %R twice", fn, key);
			return -1;
		}
		out[k] = args[n + i];
	}
	return 0;
}

static int
set_status(struct res *h, PyObject *status)
{
	long n = 200;

	if (status && !PyLong_Check(status)) {
		PyErr_Format(PyExc_TypeError, "status must be an int, not "
		    "%.100s", Py_TYPE(status)->tp_name);
		return -1;
	}
	if (status)
		n = PyLong_AsLong(status);
	if (n >= 0 && n <= 999 && res_status(h, (unsigned)n) == RES_OK)
		return 0;
	PyErr_Clear();
	PyErr_Format(PyExc_ValueError, "status must be from 200 to 999, not "
	    "%R", status);
	return -1;
}

/* A str's bytes as latin-1, without a copy; -1 with an exception. */
static int
latin(PyObject *o, Py_ssize_t i, struct str *out)
{
	if (!PyUnicode_Check(o)) {
		PyErr_Format(PyExc_TypeError, "header %zd: name and value "
		    "must be str, not %.100s", i, Py_TYPE(o)->tp_name);
		return -1;
	}
	if (PyUnicode_KIND(o) != PyUnicode_1BYTE_KIND) {
		PyErr_Format(PyExc_ValueError, "header %zd: %R cannot be "
		    "encoded as latin-1", i, o);
		return -1;
	}
	out->p = (const char *)PyUnicode_1BYTE_DATA(o);
	out->n = (size_t)PyUnicode_GET_LENGTH(o);
	return 0;
}

static int
add_header(struct res *h, PyObject *pair, Py_ssize_t i)
{
	PyObject *name, *value;
	struct str n, v;
	int err;

	if (!(PyTuple_Check(pair) || PyList_Check(pair)) ||
	    PySequence_Fast_GET_SIZE(pair) != 2) {
		PyErr_Format(PyExc_TypeError, "header %zd: a pair (name, "
		    "value) is wanted, not %R", i, pair);
		return -1;
	}
	name = PySequence_Fast_GET_ITEM(pair, 0);
	value = PySequence_Fast_GET_ITEM(pair, 1);
	if (latin(name, i, &n) == -1 || latin(value, i, &v) == -1)
		return -1;
	err = res_field(h, n, v);
	if (!err)
		return 0;
	PyErr_Format(PyExc_ValueError, "header %zd (%R): %s", i, name,
	    res_error_text(err));
	return -1;
}

int
rsgi_add_headers(struct res *h, PyObject *headers)
{
	PyObject *fast = PySequence_Fast(headers, "headers must be a list of "
	    "pairs (name, value)");
	int err = fast ? 0 : -1;

	for (Py_ssize_t i = 0; !err && i < PySequence_Fast_GET_SIZE(fast); i++)
		err = add_header(h, PySequence_Fast_GET_ITEM(fast, i), i);
	Py_XDECREF(fast);
	return err;
}

/* ---- the beginning of every response ---- */

int
rsgi_prepare(struct rsgi_proto *p, PyObject *status, PyObject *headers)
{
	struct res *h;
	bool err;

	if (rsgi_check(p->st) == -1)
		return -1;
	if (p->answer != ANSWER_NONE) {
		rsgi_raise(p->st, RSGI_ERROR, "a response was already given");
		return -1;
	}
	if (!p->req) {
		rsgi_raise(p->st, RSGI_CLOSED, "the request is over");
		return -1;
	}
	if (p->preparing) {
		/* By a generator of headers, say. */
		rsgi_raise(p->st, RSGI_ERROR, "a response was called for by "
		    "what another one's headers contain");
		return -1;
	}
	h = &p->req->res;
	res_reset(h);
	p->preparing = true;
	err = set_status(h, status) == -1 ||
	    (headers && rsgi_add_headers(h, headers) == -1);
	p->preparing = false;
	if (err)
		res_reset(h);
	return err ? -1 : 0;
}

/*
 * A Content-Length that the body will not have is an error, but for a response
 * that has no body of its own: to HEAD, and 204, 205 and 304.
 */
static int
check_length(const struct req *r, uint64_t n)
{
	const struct res *h = &r->res;

	if (h->length < 0 || (uint64_t)h->length == n ||
	    res_has_no_body(h, r))
		return 0;
	PyErr_Format(PyExc_ValueError, "the header Content-Length says %lld, "
	    "and the body has %llu bytes", (long long)h->length,
	    (unsigned long long)n);
	return -1;
}

int
rsgi_start(struct rsgi_proto *p, uint64_t n)
{
	struct req *r = p->req;
	int err;

	if (check_length(r, n) == -1) {
		res_reset(&r->res);
		return -1;
	}
	err = res_start(r, &r->res);
	if (err) {
		PyErr_Format(PyExc_RuntimeError, "the response cannot begin: "
		    "%s", res_error_text(err));
		return -1;
	}
	p->answer = ANSWER_LAST;
	res_last(r, n);
	return 0;
}

void
rsgi_send_feed(struct rsgi_proto *p)
{
	int done = feed_push(&p->feed, p->req);

	if (done == 0)
		return;
	feed_drop(&p->feed);
	rsgi_finish(p);
}

/* ---- bodies in memory ---- */

/* <body>, which is kept by the caller, has its bytes at <s>. */
static int
answer(struct rsgi_proto *p, PyObject *body, struct str s)
{
	size_t took;

	if (rsgi_start(p, s.n) == -1)
		return -1;
	took = s.n > 0 ? feed_write(p->req, body, s.p, s.n) : 0;
	if (took == s.n) {
		rsgi_finish(p);
		return 0;
	}
	/* The rest is not copied: the object is held. */
	if (feed_open(&p->feed, body) == -1)
		return -1;
	p->feed.at = took;
	return 0;
}

PyObject *
rsgi_empty(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = { "status", "headers", NULL };
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	PyObject *v[2];

	if (rsgi_args("response_empty", names, args, n, kwnames, v) == -1 ||
	    rsgi_prepare(p, v[0], v[1]) == -1 ||
	    answer(p, NULL, STR("")) == -1)
		return NULL;
	Py_RETURN_NONE;
}

static const char *const body_names[] = {
	"status", "headers", "body", NULL
};

PyObject *
rsgi_str(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	struct str s = STR("");
	PyObject *v[3];
	Py_ssize_t len;

	if (rsgi_args("response_str", body_names, args, n, kwnames, v) == -1)
		return NULL;
	if (v[2] && !PyUnicode_Check(v[2]))
		return PyErr_Format(PyExc_TypeError, "response_str(): body "
		    "must be str, not %.100s", Py_TYPE(v[2])->tp_name);
	if (v[2]) {
		s.p = PyUnicode_AsUTF8AndSize(v[2], &len);
		if (!s.p)
			return NULL;
		s.n = (size_t)len;
	}
	if (rsgi_prepare(p, v[0], v[1]) == -1 || answer(p, v[2], s) == -1)
		return NULL;
	Py_RETURN_NONE;
}

/* A body that is no bytes, but has some (bytearray, memoryview). */
static PyObject *
answer_buffer(struct rsgi_proto *p, PyObject **v)
{
	if (!PyObject_CheckBuffer(v[2]))
		return PyErr_Format(PyExc_TypeError, "response_bytes(): body "
		    "must be bytes, not %.100s", Py_TYPE(v[2])->tp_name);
	if (rsgi_prepare(p, v[0], v[1]) == -1 ||
	    feed_open(&p->feed, v[2]) == -1)
		return NULL;
	if (rsgi_start(p, p->feed.end) == -1) {
		feed_drop(&p->feed);
		return NULL;
	}
	rsgi_send_feed(p);
	Py_RETURN_NONE;
}

PyObject *
rsgi_bytes(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	struct str s = STR("");
	PyObject *v[3];

	if (rsgi_args("response_bytes", body_names, args, n, kwnames,
	    v) == -1)
		return NULL;
	if (v[2] && !PyBytes_Check(v[2]))
		return answer_buffer(p, v);
	if (v[2]) {
		s.p = PyBytes_AS_STRING(v[2]);
		s.n = (size_t)PyBytes_GET_SIZE(v[2]);
	}
	if (rsgi_prepare(p, v[0], v[1]) == -1 || answer(p, v[2], s) == -1)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- a stream ---- */

PyObject *
rsgi_stream(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = { "status", "headers", NULL };
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	PyObject *v[2], *stream;
	int err;

	if (rsgi_args("response_stream", names, args, n, kwnames, v) == -1 ||
	    rsgi_prepare(p, v[0], v[1]) == -1)
		return NULL;
	stream = rsgi_stream_new(p);
	err = stream ? res_start(p->req, &p->req->res) : RES_NO_MEMORY;
	if (!err) {
		p->answer = ANSWER_OPEN;
		return stream;
	}
	if (stream)
		PyErr_Format(PyExc_RuntimeError, "the response cannot begin: "
		    "%s", res_error_text(err));
	Py_XDECREF(stream);
	return NULL;
}
