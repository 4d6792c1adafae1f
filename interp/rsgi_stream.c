/* See LICENSE for the terms. */
/*
 * RSGI's stream transport, whose sends wait while the client does not take
 * what was sent before.
 *
 * A send that fits is over at once.  One that does not is begun, and its
 * awaitable ends when the rest has been taken; those that come meanwhile (from
 * other tasks) wait for their turn and begin when they are next asked, so that
 * what an application does not await is never begun.  One that was cancelled
 * after it was begun is sent whole all the same: half of it is out.
 */
#include "interp/flow.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/res.h"

struct rsgi_transport {
	PyObject_HEAD
	struct rsgi_proto *proto;
};

/* A send that has to wait; what waits keeps the stream open. */
struct piece {
	PyObject_HEAD
	struct rsgi_transport *transport;
	PyObject *data;
	uint64_t number;		/* of its feed; 0: not begun */
};

/* Nobody is there any more, told of or not: the request is let go of later. */
static bool
is_left(const struct rsgi_proto *p)
{
	return p->req ? req_is_lost(p->req) : p->gone;
}

/* Whether anything can be sent at all; -1 with an exception. */
static int
check_open(struct rsgi_proto *p)
{
	struct req *r = p->req;

	if (rsgi_check(p->st) == -1)
		return -1;
	if (is_left(p) || (r && p->told))
		rsgi_raise(p->st, RSGI_CLOSED, "the client has left");
	else if (!r || p->over || p->answer != ANSWER_OPEN)
		rsgi_raise(p->st, RSGI_CLOSED, "the response has ended");
	else
		return 0;
	return -1;
}

/*
 * Begins to send <data>; nothing else is being sent.  1: all was taken,
 * 0: the rest waits in p->feed, -1 with an exception.
 */
static int
begin(struct rsgi_proto *p, PyObject *data)
{
	size_t over;
	int done;

	if (feed_open(&p->feed, data) == -1)
		return -1;
	p->n_fed++;
	over = res_excess(p->req, p->feed.end);
	p->feed.end -= over;
	done = p->feed.end == 0 || feed_push(&p->feed, p->req);
	if (done)
		feed_drop(&p->feed);
	if (over == 0)
		return done;
	PyErr_SetString(PyExc_ValueError, "the response is longer than its "
	    "Content-Length; the rest was dropped");
	return -1;
}

/* flow_fn of a send that waits. */
static int
piece_now(PyObject *self, PyObject **result)
{
	struct piece *w = (struct piece *)self;
	struct rsgi_proto *p = w->transport->proto;
	int done;

	if (w->number == 0) {
		if (check_open(p) == -1)
			return -1;
		if (p->feed.kind)
			return 0;
		done = begin(p, w->data);
		w->number = p->n_fed;
		if (done < 1)
			return done;
	} else if (p->feed.kind && p->n_fed == w->number) {
		return 0;
	} else if (is_left(p)) {
		return check_open(p);
	}
	*result = Py_NewRef(Py_None);
	return 1;
}

static PyObject *
wait_for(struct rsgi_transport *t, PyObject *data, uint64_t number)
{
	struct rsgi_proto *p = t->proto;
	struct piece *w = PyObject_New(struct piece, p->st->rsgi->piece_type);
	PyObject *flow;

	if (!w)
		return NULL;
	w->transport = (struct rsgi_transport *)Py_NewRef(t);
	w->data = Py_NewRef(data);
	w->number = number;
	flow = flow_new(p->st, (PyObject *)w, &p->waiters, piece_now);
	Py_DECREF(w);
	return flow;
}

static PyObject *
send(PyObject *self, PyObject *data)
{
	struct rsgi_transport *t = (struct rsgi_transport *)self;
	struct rsgi_proto *p = t->proto;

	if (check_open(p) == -1)
		return NULL;
	if (p->feed.kind)
		return wait_for(t, data, 0);
	switch (begin(p, data)) {
	case 1:
		return Py_NewRef(p->st->done);
	case 0:
		return wait_for(t, data, p->n_fed);
	default:
		return NULL;
	}
}

static PyObject *
send_bytes(PyObject *self, PyObject *data)
{
	if (PyObject_CheckBuffer(data))
		return send(self, data);
	return PyErr_Format(PyExc_TypeError, "send_bytes() takes bytes, not "
	    "%.100s", Py_TYPE(data)->tp_name);
}

static PyObject *
send_str(PyObject *self, PyObject *data)
{
	if (PyUnicode_Check(data))
		return send(self, data);
	return PyErr_Format(PyExc_TypeError, "send_str() takes str, not "
	    "%.100s", Py_TYPE(data)->tp_name);
}

void
rsgi_stream_end(struct rsgi_proto *p)
{
	if (p->answer != ANSWER_OPEN || !p->req)
		return;
	p->answer = ANSWER_LAST;
	if (!p->feed.kind)
		rsgi_finish(p);
}

/* ---- types ---- */

/*
 * Released by the application while it runs on: the response ends.  While an
 * exception unwinds the coroutine, its traceback holds the frames, and so the
 * transport, until the failure was dealt with.
 */
static void
transport_dealloc(PyObject *self)
{
	struct rsgi_proto *p = ((struct rsgi_transport *)self)->proto;
	PyTypeObject *type = Py_TYPE(self);

	/* On another thread it must wait until the application returns. */
	if (!p->over && PyThreadState_Get() == p->st->shard_ts)
		rsgi_stream_end(p);
	Py_DECREF(p);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef transport_methods[] = {
	{ "send_bytes", send_bytes, METH_O, "await send_bytes(bytes)" },
	{ "send_str", send_str, METH_O, "await send_str(str), as UTF-8" },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot transport_slots[] = {
	{ Py_tp_dealloc, transport_dealloc },
	{ Py_tp_methods, transport_methods },
	{ 0, NULL }
};

static PyType_Spec transport_spec = {
	.name = "_shoal.RSGIHTTPStreamTransport",
	.basicsize = sizeof(struct rsgi_transport),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = transport_slots,
};

static void
piece_dealloc(PyObject *self)
{
	struct piece *w = (struct piece *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(w->transport);
	Py_DECREF(w->data);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot piece_slots[] = {
	{ Py_tp_dealloc, piece_dealloc },
	{ 0, NULL }
};

static PyType_Spec piece_spec = {
	.name = "_shoal.RSGIPiece",
	.basicsize = sizeof(struct piece),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = piece_slots,
};

PyObject *
rsgi_stream_new(struct rsgi_proto *p)
{
	struct rsgi_transport *t;

	t = PyObject_New(struct rsgi_transport, p->st->rsgi_stream_type);
	if (t)
		t->proto = (struct rsgi_proto *)Py_NewRef(p);
	return (PyObject *)t;
}

bool
rsgi_stream_of(const struct pystate *st, PyObject *object, struct req **r)
{
	const struct rsgi_proto *p;

	if (!st->rsgi || Py_TYPE(object) != st->rsgi_stream_type)
		return false;
	p = ((struct rsgi_transport *)object)->proto;
	*r = p->answer == ANSWER_OPEN ? p->req : NULL;
	return true;
}

int
rsgi_stream_add_types(struct pystate *st, PyObject *module)
{
	st->rsgi_stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &transport_spec, NULL);
	st->rsgi->piece_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &piece_spec, NULL);
	if (!st->rsgi_stream_type || !st->rsgi->piece_type)
		return -1;
	return PyModule_AddType(module, st->rsgi_stream_type);
}
