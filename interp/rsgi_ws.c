/* See LICENSE for the terms. */
/*
 * RSGI's WebSockets: protocol object, transport, messages.
 *
 * What RSGI lacks is there as optional arguments: accept(subprotocol, headers)
 * and close(status, code, reason); a close message has <code> and <reason>.
 *
 * Until it is accepted it is a request (p->req), then a struct wsock (p->ws).
 * protocol.close(): before that an HTTP status, 403 if none is given; later a
 * close frame.  The application's end closes what is still open: 1000, or 1011
 * after an exception.
 *
 * One receive at a time, which a small object stands for: it goes with the
 * awaitable, so one that was cancelled leaves the place free.  Sends wait as
 * in asgi_ws.c.
 */
#include <string.h>

#include "core/conn.h"
#include "core/shard.h"
#include "interp/exc.h"
#include "interp/flow.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "interp/wsmsg.h"
#include "proto/req.h"
#include "proto/res.h"
#include "proto/wsock.h"

/* A message's kind, as RSGI numbers them. */
enum { KIND_CLOSE, KIND_BYTES, KIND_STRING };

struct receiver;

struct rsgi_ws {
	PyObject_HEAD
	struct pystate *st;
	struct req *req;		/* NULL: answered, or lost */
	struct wsock *ws;		/* accepted; NULL: not, or over */
	struct rsgi_scope *scope;	/* while <req> is there */
	PyObject *waiters;		/* flow.h */
	struct receiver *receiver;	/* who waits; not held */
	bool accepted;
	bool closed;			/* by protocol.close() */
	bool gone;			/* the client left before accept */
	bool told;			/* the close message was received */
};

struct rsgi_ws_call {
	struct task task;
	struct rsgi_ws *proto;
};

struct transport {
	PyObject_HEAD
	struct rsgi_ws *proto;
};

struct message {
	PyObject_HEAD
	PyObject *kind;
	PyObject *data;			/* NULL: a close message */
	PyObject *code;			/* NULL: it is none */
	PyObject *reason;
};

struct receiver {
	PyObject_HEAD
	struct rsgi_ws *proto;
};

/* A send that waits. */
struct piece {
	PyObject_HEAD
	struct rsgi_ws *proto;
	PyObject *data;
};

/* ---- messages ---------------------------------------------------------- */

static struct message *
message_new(struct pystate *st, long kind)
{
	struct message *m = PyObject_New(struct message,
	    st->rsgi->ws_message_type);

	if (!m)
		return NULL;
	m->data = m->code = m->reason = NULL;
	m->kind = PyLong_FromLong(kind);
	if (!m->kind)
		Py_CLEAR(m);
	return m;
}

static PyObject *
data_message(struct pystate *st, struct ws_msg *got)
{
	bool text = got->text;
	PyObject *data = wsmsg_data(got);
	struct message *m = data ? message_new(st, text ? KIND_STRING :
	    KIND_BYTES) : NULL;

	if (m)
		m->data = data;
	else
		Py_XDECREF(data);
	return (PyObject *)m;
}

static PyObject *
close_message(struct pystate *st, const struct wsock *w)
{
	struct message *m = message_new(st, KIND_CLOSE);

	if (!m)
		return NULL;
	m->code = PyLong_FromLong(w->code);
	m->reason = PyUnicode_DecodeUTF8(w->reason.p,
	    (Py_ssize_t)w->reason.n, "replace");
	if (!m->code || !m->reason)
		Py_CLEAR(m);
	return (PyObject *)m;
}

/* ---- the transport ----------------------------------------------------- */

/* flow_fn of receive(). */
static int
receive_now(PyObject *self, PyObject **result)
{
	struct rsgi_ws *p = ((struct receiver *)self)->proto;
	struct ws_msg *m = p->ws ? wsock_next(p->ws) : NULL;

	if (!p->ws || p->told) {
		rsgi_raise(p->st, RSGI_CLOSED, "its close was received");
		return -1;
	}
	if (m) {
		*result = data_message(p->st, m);
	} else if (wsock_is_open(p->ws)) {
		wsock_want(p->ws);
		return 0;
	} else {
		p->told = true;
		*result = close_message(p->st, p->ws);
	}
	p->receiver = NULL;
	return *result ? 1 : -1;
}

static PyObject *
transport_receive(PyObject *self, PyObject *unused)
{
	struct rsgi_ws *p = ((struct transport *)self)->proto;
	struct receiver *r;
	PyObject *flow;

	(void)unused;
	if (rsgi_check(p->st) == -1)
		return NULL;
	if (p->receiver) {
		rsgi_raise(p->st, RSGI_ERROR, "another receive() waits");
		return NULL;
	}
	r = PyObject_New(struct receiver, p->st->rsgi->ws_receiver_type);
	if (!r)
		return NULL;
	r->proto = (struct rsgi_ws *)Py_NewRef(p);
	p->receiver = r;
	flow = flow_new(p->st, (PyObject *)r, &p->waiters, receive_now);
	Py_DECREF(r);
	return flow;
}

/* Whether something can be sent; -1 with an exception. */
static int
check_open(const struct rsgi_ws *p)
{
	if (rsgi_check(p->st) == -1)
		return -1;
	if (p->closed)
		rsgi_raise(p->st, RSGI_ERROR, "it was closed by "
		    "protocol.close()");
	else if (!p->ws || !wsock_can_send(p->ws))
		rsgi_raise(p->st, RSGI_CLOSED, "the client has left");
	else
		return 0;
	return -1;
}

/* flow_fn of a send that waits. */
static int
piece_now(PyObject *self, PyObject **result)
{
	struct rsgi_ws *p = ((struct piece *)self)->proto;

	if (check_open(p) == -1)
		return -1;
	if (wsock_space(p->ws) == 0)
		return 0;
	if (wsmsg_send(p->ws, ((struct piece *)self)->data) == -1)
		return -1;
	*result = Py_NewRef(Py_None);
	return 1;
}

static PyObject *
wait_to_send(struct rsgi_ws *p, PyObject *data)
{
	struct piece *w = PyObject_New(struct piece,
	    p->st->rsgi->ws_piece_type);
	PyObject *flow;

	if (!w)
		return NULL;
	w->proto = (struct rsgi_ws *)Py_NewRef(p);
	w->data = Py_NewRef(data);
	flow = flow_new(p->st, (PyObject *)w, &p->waiters, piece_now);
	Py_DECREF(w);
	return flow;
}

static PyObject *
send_data(PyObject *self, PyObject *data)
{
	struct rsgi_ws *p = ((struct transport *)self)->proto;

	if (check_open(p) == -1)
		return NULL;
	if (wsock_space(p->ws) == 0)
		return wait_to_send(p, data);
	if (wsmsg_send(p->ws, data) == -1)
		return NULL;
	return Py_NewRef(p->st->done);
}

static PyObject *
send_bytes(PyObject *self, PyObject *data)
{
	if (!PyUnicode_Check(data) && PyObject_CheckBuffer(data))
		return send_data(self, data);
	return PyErr_Format(PyExc_TypeError, "send_bytes() takes bytes, not "
	    "%.100s", Py_TYPE(data)->tp_name);
}

static PyObject *
send_str(PyObject *self, PyObject *data)
{
	if (PyUnicode_Check(data))
		return send_data(self, data);
	return PyErr_Format(PyExc_TypeError, "send_str() takes str, not "
	    "%.100s", Py_TYPE(data)->tp_name);
}

bool
rsgi_ws_of(const struct pystate *st, PyObject *object, struct wsock **ws)
{
	if (!st->rsgi || Py_TYPE(object) != st->rsgi->ws_transport_type)
		return false;
	*ws = ((struct transport *)object)->proto->ws;
	return true;
}

static PyObject *
transport_new(struct rsgi_ws *p)
{
	struct transport *t = PyObject_New(struct transport,
	    p->st->rsgi->ws_transport_type);

	if (t)
		t->proto = (struct rsgi_ws *)Py_NewRef(p);
	return (PyObject *)t;
}

/* ---- the protocol object ----------------------------------------------- */

/* The request's memory goes. */
static void
let_go(struct rsgi_ws *p)
{
	struct req *r = p->req;

	p->req = NULL;
	rsgi_scope_detach(p->scope);
	p->scope = NULL;
	r->app = NULL;
	req_release(r);
}

/* Whether it can still be accepted or refused; -1 with an exception. */
static int
check_shaking(const struct rsgi_ws *p)
{
	if (rsgi_check(p->st) == -1)
		return -1;
	if (p->accepted)
		rsgi_raise(p->st, RSGI_ERROR, "it was accepted already");
	else if (p->closed)
		rsgi_raise(p->st, RSGI_ERROR, "it was closed");
	else if (!p->req || p->gone || req_is_lost(p->req))
		rsgi_raise(p->st, RSGI_CLOSED, "the client has left");
	else
		return 0;
	return -1;
}

/* flow_fn of accept(): all was done in the call. */
static int
accepted_now(PyObject *transport, PyObject **result)
{
	*result = Py_NewRef(transport);
	return 1;
}

static int
upgrade(struct rsgi_ws *p, struct str protocol)
{
	struct wsock *w = wsock_accept(p->req, &p->req->res, protocol);

	if (!w) {
		PyErr_NoMemory();
		return -1;
	}
	p->accepted = true;
	p->ws = w;
	w->app = p;			/* the reference that was r->app's */
	let_go(p);
	return 0;
}

static PyObject *
proto_accept(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = { "subprotocol", "headers", NULL };
	struct rsgi_ws *p = (struct rsgi_ws *)self;
	PyObject *given[2], *transport, *flow;
	struct str protocol;

	if (rsgi_args("accept", names, args, n, kwnames, given) == -1 ||
	    check_shaking(p) == -1)
		return NULL;
	for (unsigned i = 0; i < 2; i++)
		if (given[i] == Py_None)
			given[i] = NULL;
	res_reset(&p->req->res);
	if (wsmsg_subprotocol(p->req, given[0], &protocol) == -1 ||
	    (given[1] && rsgi_add_headers(&p->req->res, given[1]) == -1) ||
	    wsmsg_check_fields(&p->req->res) == -1) {
		res_reset(&p->req->res);
		return NULL;
	}
	transport = transport_new(p);
	if (!transport || upgrade(p, protocol) == -1) {
		Py_XDECREF(transport);
		return NULL;
	}
	flow = flow_new(p->st, transport, &p->waiters, accepted_now);
	Py_DECREF(transport);
	return flow;
}

/* Before accept: with that status; -1 with an exception. */
static int
refuse(struct rsgi_ws *p, PyObject *status)
{
	long n = status ? -1 : 403;

	if (check_shaking(p) == -1)
		return -1;
	if (status && PyLong_Check(status))
		n = PyLong_AsLong(status);
	if (n < 200 || n > 999) {
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "status must be from 200 to "
		    "999, not %R", status);
		return -1;
	}
	p->closed = true;
	res_fail(p->req, (unsigned)n);
	return 0;
}

/* close(status=None, code=None, reason=None) */
static PyObject *
proto_close(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = { "status", "code", "reason",
		NULL };
	struct rsgi_ws *p = (struct rsgi_ws *)self;
	PyObject *given[3];
	struct str reason;
	int code;

	if (rsgi_args("close", names, args, n, kwnames, given) == -1 ||
	    rsgi_check(p->st) == -1)
		return NULL;
	for (unsigned i = 0; i < 3; i++)
		if (given[i] == Py_None)
			given[i] = NULL;
	if (!p->accepted) {
		if (refuse(p, given[0]) == -1)
			return NULL;
		Py_RETURN_NONE;
	}
	code = wsmsg_code(given[1]);
	if (code == -1 || wsmsg_reason(given[2], &reason) == -1)
		return NULL;
	p->closed = true;
	if (p->ws)
		wsock_close(p->ws, (unsigned)code, reason);
	Py_RETURN_NONE;
}

/* ---- its life ---------------------------------------------------------- */

static void
log_over(struct rsgi_ws *p, bool raised)
{
	bool left = p->gone || !p->req || req_is_lost(p->req);

	if (p->accepted)
		left = p->ws && !wsock_can_send(p->ws) && !p->closed;
	if (raised && left)
		exc_log_left(p->st, p->req);
	else if (raised)
		exc_log(p->st, "Exception in the RSGI application", p->req);
	else if (!p->accepted && !p->closed && !left)
		log_err(&p->st->log, "The RSGI application neither accepted "
		    "nor closed a WebSocket: %.*s",
		    STR_ARG(p->req->path));
}

/* task.h: the application's coroutine is over, maybe with an exception. */
static void
on_over(struct task *t, bool raised)
{
	struct rsgi_ws *p = ((struct rsgi_ws_call *)t)->proto;
	struct wsock *w = p->ws;

	log_over(p, raised);
	if (p->req) {
		if (!raised && !p->closed)
			res_fail(p->req, 403);
		let_go(p);
		Py_DECREF(p);		/* r->app's */
	} else if (w) {
		if (!raised)
			wsock_close(w, WS_NORMAL, STR(""));
		p->ws = NULL;
		w->app = NULL;
		wsock_release(w);
		flow_wake(p->st, &p->waiters);
		Py_DECREF(p);		/* w->app's */
	}
}

void
rsgi_ws_gone(struct req *r)
{
	struct rsgi_ws *p = r->app;

	p->gone = true;
	if (!r->lost)
		return;
	let_go(p);
	Py_DECREF(p);			/* r->app's */
}

void
rsgi_ws_event(struct wsock *w)
{
	struct rsgi_ws *p = w->app;

	flow_wake(p->st, &p->waiters);
}

static struct rsgi_ws *
proto_new(struct pystate *st, struct req *r, struct rsgi_scope *scope)
{
	struct rsgi_ws *p = PyObject_New(struct rsgi_ws,
	    st->rsgi->ws_proto_type);

	if (!p)
		return NULL;
	memset((char *)p + sizeof(PyObject), 0, sizeof(*p) - sizeof(PyObject));
	p->st = st;
	p->req = r;
	p->scope = scope;
	return p;
}

void
rsgi_ws_start(struct req *r)
{
	struct pystate *st = state_of(r->shard->py);
	struct rsgi_scope *scope = rsgi_scope_new(st, r);
	struct rsgi_ws *p = scope ? proto_new(st, r, scope) : NULL;
	struct rsgi_ws_call *c = NULL;
	PyObject *argv[3], *coro;

	if (p)
		c = (struct rsgi_ws_call *)task_new(st,
		    st->rsgi->ws_coro_type, on_over);
	if (!c) {
		exc_log(st, "A WebSocket could not be started", r);
		if (p)
			p->scope = NULL;
		Py_XDECREF(p);
		Py_XDECREF(scope);
		req_release(r);
		return;
	}
	c->proto = p;
	r->app = Py_NewRef(p);
	argv[1] = (PyObject *)scope;
	argv[2] = (PyObject *)p;
	coro = task_coroutine(PyObject_Vectorcall(st->app, argv + 1,
	    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL), "RSGI");
	if (coro)
		task_run(&c->task, coro);
	else
		on_over(&c->task, true);
	Py_DECREF(c);
}

/* ---- types ------------------------------------------------------------- */

#define KEYWORDS (METH_FASTCALL | METH_KEYWORDS)
#define FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION)

static void
call_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(((struct rsgi_ws_call *)self)->proto);
	task_fini((struct task *)self);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot call_slots[] = {
	{ Py_tp_dealloc, call_dealloc },
	TASK_SLOTS,
	{ 0, NULL }
};

static PyType_Spec call_spec = {
	.name = "_shoal.RSGIWebsocketCall",
	.basicsize = sizeof(struct rsgi_ws_call),
	.flags = FLAGS,
	.slots = call_slots,
};

static void
proto_dealloc(PyObject *self)
{
	struct rsgi_ws *p = (struct rsgi_ws *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(p->scope);
	Py_XDECREF(p->waiters);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef proto_methods[] = {
	{ "accept", PY_METHOD(proto_accept), KEYWORDS,
	    "await accept(subprotocol=None, headers=None) -> transport" },
	{ "close", PY_METHOD(proto_close), KEYWORDS,
	    "close(status=None, code=None, reason=None)" },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot proto_slots[] = {
	{ Py_tp_dealloc, proto_dealloc },
	{ Py_tp_methods, proto_methods },
	{ 0, NULL }
};

static PyType_Spec proto_spec = {
	.name = "_shoal.RSGIWebsocketProtocol",
	.basicsize = sizeof(struct rsgi_ws),
	.flags = FLAGS,
	.slots = proto_slots,
};

static void
transport_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(((struct transport *)self)->proto);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef transport_methods[] = {
	{ "receive", transport_receive, METH_NOARGS,
	    "await receive() -> message" },
	{ "send_bytes", send_bytes, METH_O, "await send_bytes(bytes)" },
	{ "send_str", send_str, METH_O, "await send_str(str)" },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot transport_slots[] = {
	{ Py_tp_dealloc, transport_dealloc },
	{ Py_tp_methods, transport_methods },
	{ 0, NULL }
};

static PyType_Spec transport_spec = {
	.name = "_shoal.RSGIWebsocketTransport",
	.basicsize = sizeof(struct transport),
	.flags = FLAGS,
	.slots = transport_slots,
};

static void
message_dealloc(PyObject *self)
{
	struct message *m = (struct message *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(m->kind);
	Py_XDECREF(m->data);
	Py_XDECREF(m->code);
	Py_XDECREF(m->reason);
	PyObject_Free(self);
	Py_DECREF(type);
}

/* Py_T_OBJECT_EX: what is not there raises AttributeError. */
static PyMemberDef message_members[] = {
	{ "kind", Py_T_OBJECT_EX, offsetof(struct message, kind),
	    Py_READONLY, NULL },
	{ "data", Py_T_OBJECT_EX, offsetof(struct message, data),
	    Py_READONLY, NULL },
	{ "code", Py_T_OBJECT_EX, offsetof(struct message, code),
	    Py_READONLY, NULL },
	{ "reason", Py_T_OBJECT_EX, offsetof(struct message, reason),
	    Py_READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot message_slots[] = {
	{ Py_tp_dealloc, message_dealloc },
	{ Py_tp_members, message_members },
	{ 0, NULL }
};

static PyType_Spec message_spec = {
	.name = "_shoal.RSGIWebsocketMessage",
	.basicsize = sizeof(struct message),
	.flags = FLAGS,
	.slots = message_slots,
};

static void
receiver_dealloc(PyObject *self)
{
	struct rsgi_ws *p = ((struct receiver *)self)->proto;
	PyTypeObject *type = Py_TYPE(self);

	if (p->receiver == (struct receiver *)self)
		p->receiver = NULL;
	Py_DECREF(p);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot receiver_slots[] = {
	{ Py_tp_dealloc, receiver_dealloc },
	{ 0, NULL }
};

static PyType_Spec receiver_spec = {
	.name = "_shoal.RSGIWebsocketReceiver",
	.basicsize = sizeof(struct receiver),
	.flags = FLAGS,
	.slots = receiver_slots,
};

static void
piece_dealloc(PyObject *self)
{
	struct piece *w = (struct piece *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(w->proto);
	Py_DECREF(w->data);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot piece_slots[] = {
	{ Py_tp_dealloc, piece_dealloc },
	{ 0, NULL }
};

static PyType_Spec piece_spec = {
	.name = "_shoal.RSGIWebsocketPiece",
	.basicsize = sizeof(struct piece),
	.flags = FLAGS,
	.slots = piece_slots,
};

int
rsgi_ws_add_types(struct pystate *st, PyObject *module)
{
	struct rsgi *g = st->rsgi;
	const struct { PyType_Spec *spec; PyTypeObject **type; } all[] = {
		{ &call_spec, &g->ws_coro_type },
		{ &proto_spec, &g->ws_proto_type },
		{ &transport_spec, &g->ws_transport_type },
		{ &message_spec, &g->ws_message_type },
		{ &receiver_spec, &g->ws_receiver_type },
		{ &piece_spec, &g->ws_piece_type },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i].type = (PyTypeObject *)PyType_FromModuleAndSpec(
		    module, all[i].spec, NULL);
		if (!*all[i].type)
			return -1;
	}
	if (PyModule_AddType(module, g->ws_proto_type) == -1 ||
	    PyModule_AddType(module, g->ws_transport_type) == -1)
		return -1;
	return PyModule_AddType(module, g->ws_message_type);
}
