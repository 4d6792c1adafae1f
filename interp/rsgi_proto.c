/* See LICENSE for the terms. */
/*
 * RSGI's protocol object: the request's body, whole or as it comes, and word
 * of the client's leaving.  Responses are in rsgi_res.c.
 *
 * The whole body is gathered here as it arrives, without waking anyone before
 * its end; --limit-request-body bounds it.  Chunks are handed out as they are
 * asked for, and what is not asked for stays with the connection, which stops
 * reading (req.h).
 */
#include <string.h>

#include "core/util.h"
#include "interp/flow.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/req.h"

/* A body of known length gets it at once up to this; then it must come. */
#define BODY_FIRST (1u << 20)
#define BODY_LEAST 4096

#define TWICE "the request's body was asked for already"

/* ---- the whole body ---- */

/* Room in p->body for <n> bytes more. */
static int
make_room(struct rsgi_proto *p, size_t n)
{
	size_t have = (size_t)p->n_body, cap;

	if (p->body && (size_t)PyBytes_GET_SIZE(p->body) - have >= n)
		return 0;
	/* All that is to come, or twice what came: no claim costs memory. */
	cap = MAX(have + n, MAX(2 * have, (size_t)BODY_LEAST));
	if (p->req->length >= 0)
		cap = MAX(have + n, MIN((size_t)p->req->length,
		    MAX(2 * have, (size_t)BODY_FIRST)));
	if (p->body)
		return _PyBytes_Resize(&p->body, (Py_ssize_t)cap);
	p->body = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)cap);
	return p->body ? 0 : -1;
}

/* Takes what has come; -1 with an exception. */
static int
gather(struct rsgi_proto *p)
{
	size_t n = bytes_len(&p->req->in);

	if (n == 0)
		return 0;
	if (make_room(p, n) == -1) {
		p->reading = READ_FAILED;
		return -1;
	}
	req_take(p->req, PyBytes_AS_STRING(p->body) + p->n_body, n);
	p->n_body += (Py_ssize_t)n;
	return 0;
}

/* What there will be no more of, and why. */
static int
raise_cut(const struct rsgi_proto *p)
{
	const struct req *r = p->req;
	unsigned status = r ? r->cut_status : 0;

	if (!r)
		rsgi_raise(p->st, RSGI_CLOSED, "the request is over");
	else if (p->reading == READ_DONE)
		rsgi_raise(p->st, RSGI_ERROR, TWICE);
	else if (status == 413)
		rsgi_raise(p->st, RSGI_ERROR, "the request's body is larger "
		    "than --limit-request-body");
	else if (status == 408)
		rsgi_raise(p->st, RSGI_ERROR, "the request's body did not "
		    "come within --body-timeout");
	else if (r->res.ended && !r->lost)
		rsgi_raise(p->st, RSGI_ERROR, "the response was complete "
		    "before the request's body had come");
	else
		rsgi_raise(p->st, RSGI_CLOSED, "the client left before the "
		    "request's body was whole, or broke a rule in it");
	return -1;
}

/* flow_fn of protocol(). */
static int
whole_now(PyObject *self, PyObject **result)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	struct req *r = p->req;

	if (!r || p->reading == READ_DONE)
		return raise_cut(p);
	if (p->reading == READ_FAILED) {
		PyErr_NoMemory();
		return -1;
	}
	if (gather(p) == -1)
		return -1;
	if (r->body == BODY_CUT)
		return raise_cut(p);
	if (r->body != BODY_END) {
		req_want(r);
		return 0;
	}
	p->reading = READ_DONE;
	if (p->n_body == 0) {
		*result = Py_NewRef(p->st->empty_bytes);
		return 1;
	}
	if (p->n_body < PyBytes_GET_SIZE(p->body) &&
	    _PyBytes_Resize(&p->body, p->n_body) == -1)
		return -1;
	*result = p->body;
	p->body = NULL;
	return 1;
}

void
rsgi_proto_body(struct rsgi_proto *p)
{
	struct req *r = p->req;

	if (p->reading == READ_WHOLE && r->body == BODY_OPEN) {
		if (gather(p) == 0) {
			req_want(r);
			return;
		}
		/* Out of memory: whoever waits is told when it asks. */
		PyErr_Clear();
	}
	flow_wake(p->st, &p->waiters);
}

/* Reading begins, and it can but once. */
static int
begin(struct rsgi_proto *p, enum rsgi_reading how)
{
	if (rsgi_check(p->st) == -1)
		return -1;
	if (p->reading != READ_NONE) {
		rsgi_raise(p->st, RSGI_ERROR, TWICE);
		return -1;
	}
	p->reading = (uint8_t)how;
	return 0;
}

static PyObject *
proto_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;

	if (PyTuple_GET_SIZE(args) > 0 || (kwargs && PyDict_Size(kwargs) > 0)) {
		PyErr_SetString(PyExc_TypeError,
		    "protocol() takes no argument");
		return NULL;
	}
	if (begin(p, READ_WHOLE) == -1)
		return NULL;
	return flow_new(p->st, self, &p->waiters, whole_now);
}

/* ---- chunks ---- */

static PyObject *
proto_aiter(PyObject *self)
{
	if (begin((struct rsgi_proto *)self, READ_CHUNKS) == -1)
		return NULL;
	return Py_NewRef(self);
}

/* flow_fn of a chunk. */
static int
chunk_now(PyObject *self, PyObject **result)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	struct req *r = p->req;
	size_t n;

	if (!r)
		return raise_cut(p);
	n = bytes_len(&r->in);
	if (n > 0) {
		*result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
		if (!*result)
			return -1;
		req_take(r, PyBytes_AS_STRING(*result), n);
		return 1;
	}
	if (r->body == BODY_END) {
		PyErr_SetNone(PyExc_StopAsyncIteration);
		return -1;
	}
	if (r->body == BODY_CUT)
		return raise_cut(p);
	req_want(r);
	return 0;
}

static PyObject *
proto_anext(PyObject *self)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;

	if (rsgi_check(p->st) == -1)
		return NULL;
	if (p->reading != READ_CHUNKS) {
		rsgi_raise(p->st, RSGI_ERROR, "iterate over the protocol "
		    "object by \"async for\"");
		return NULL;
	}
	return flow_new(p->st, self, &p->waiters, chunk_now);
}

/* ---- the client leaves ---- */

/* flow_fn of client_disconnect(): also when there is nothing to leave. */
static int
left_now(PyObject *self, PyObject **result)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;

	if (p->req && !p->gone && !p->req->res.ended)
		return 0;
	p->told = p->gone;
	*result = Py_NewRef(Py_None);
	return 1;
}

static PyObject *
proto_disconnect(PyObject *self, PyObject *unused)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;

	(void)unused;
	if (rsgi_check(p->st) == -1)
		return NULL;
	return flow_new(p->st, self, &p->waiters, left_now);
}

/* ---- the type ---- */

static void
proto_dealloc(PyObject *self)
{
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	PyTypeObject *type = Py_TYPE(self);

	feed_drop(&p->feed);
	Py_XDECREF(p->scope);
	Py_XDECREF(p->waiters);
	Py_XDECREF(p->body);
	PyObject_Free(self);
	Py_DECREF(type);
}

#define KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef proto_methods[] = {
	{ "client_disconnect", proto_disconnect, METH_NOARGS,
	    "await client_disconnect(): until the client has left" },
	{ "response_empty", PY_METHOD(rsgi_empty), KEYWORDS,
	    "response_empty(status=200, headers=[])" },
	{ "response_str", PY_METHOD(rsgi_str), KEYWORDS,
	    "response_str(status=200, headers=[], body=\"\")" },
	{ "response_bytes", PY_METHOD(rsgi_bytes), KEYWORDS,
	    "response_bytes(status=200, headers=[], body=b\"\")" },
	{ "response_file", PY_METHOD(rsgi_file), KEYWORDS,
	    "response_file(status, headers, file)" },
	{ "response_file_range", PY_METHOD(rsgi_file_range), KEYWORDS,
	    "response_file_range(status, headers, file, start, end)" },
	{ "response_stream", PY_METHOD(rsgi_stream), KEYWORDS,
	    "response_stream(status=200, headers=[]) -> transport" },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot proto_slots[] = {
	{ Py_tp_dealloc, proto_dealloc },
	{ Py_tp_call, proto_call },
	{ Py_tp_methods, proto_methods },
	{ Py_am_aiter, proto_aiter },
	{ Py_am_anext, proto_anext },
	{ 0, NULL }
};

static PyType_Spec proto_spec = {
	.name = "_shoal.RSGIHTTPProtocol",
	.basicsize = sizeof(struct rsgi_proto),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = proto_slots,
};

struct rsgi_proto *
rsgi_proto_new(struct pystate *st)
{
	struct rsgi_proto *p;

	p = PyObject_New(struct rsgi_proto, st->rsgi_proto_type);
	if (!p)
		return NULL;
	memset((char *)p + sizeof(PyObject), 0, sizeof(*p) - sizeof(PyObject));
	p->st = st;
	return p;
}

int
rsgi_proto_add_types(struct pystate *st, PyObject *module)
{
	st->rsgi_proto_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &proto_spec, NULL);
	if (!st->rsgi_proto_type)
		return -1;
	return PyModule_AddType(module, st->rsgi_proto_type);
}
