/* See LICENSE for the terms. */
/*
 * ASGI's websocket (spec 2.5, with the extension websocket.http.response).
 *
 *	NEW --receive: connect--> SHAKING --accept--> OPEN --close--> CLOSED
 *	                          |--close: 403--> CLOSED
 *	                          `--http.response.start--> DENIED --> CLOSED
 *
 * A handshake is a request (ex->req) until it is accepted; from then on there
 * is a struct wsock instead, and the request's memory is free again.  What the
 * client does is learned from there: nothing is kept twice.
 *
 * A send finishes at once while the output has room.  One that has not waits
 * before anything of it is sent, so a cancelled one was not sent, and tasks
 * that send at once hold no more than the output's limit and a message.
 *
 * Whatever is sent to a WebSocket that is closed, by whomever, raises OSError.
 */
#include "core/conn.h"
#include "core/shard.h"
#include "interp/asgi_priv.h"
#include "interp/channel.h"
#include "interp/exc.h"
#include "interp/flow.h"
#include "interp/scope.h"
#include "interp/state.h"
#include "interp/wsmsg.h"
#include "proto/req.h"
#include "proto/res.h"
#include "proto/ws_shake.h"
#include "proto/wsock.h"

/* A websocket.send that has to wait. */
struct ws_piece {
	PyObject_HEAD
	struct exchange *ex;
	PyObject *data;			/* str or bytes-like */
};

/* ---- scope ---- */

static PyObject *
subprotocols(const struct req *r)
{
	struct ws_offers at = { 0, 0 };
	PyObject *list = PyList_New(0);
	struct str s;

	while (list && (s = ws_shake_subprotocol(r, &at)).n > 0) {
		PyObject *text = PyUnicode_DecodeASCII(s.p, (Py_ssize_t)s.n,
		    NULL);

		if (!text || PyList_Append(list, text) == -1)
			Py_CLEAR(list);
		Py_XDECREF(text);
	}
	return list;
}

int
asgi_ws_scope(struct pystate *st, const struct req *r, PyObject *scope)
{
	PyObject *list = subprotocols(r);
	PyObject *ext = Py_BuildValue("{s{}O{}}", "websocket.http.response",
	    st->s.broadcast);
	int err = -1;

	if (list && ext && PyDict_SetItem(scope, st->s.subprotocols,
	    list) == 0)
		err = PyDict_SetItem(scope, st->s.extensions, ext);
	Py_XDECREF(list);
	Py_XDECREF(ext);
	return err;
}

int
asgi_ws_setup(struct pystate *st)
{
	PyObject *d = PyDict_Copy(st->scope);
	PyObject *scheme = PyUnicode_InternFromString("ws");
	int err = -1;

	if (d && scheme && PyDict_DelItem(d, st->s.method) == 0 &&
	    PyDict_SetItem(d, st->s.type, st->s.websocket) == 0 &&
	    PyDict_SetItem(d, st->s.scheme, scheme) == 0 &&
	    PyDict_SetItem(d, st->s.subprotocols, Py_None) == 0)
		err = 0;
	Py_XDECREF(scheme);
	st->ws_scope = d;
	return err;
}

/* ---- receive ---- */

/* {"type": type, key: value}; steals <value>. */
static PyObject *
message_with(struct pystate *st, PyObject *type, PyObject *key,
    PyObject *value)
{
	PyObject *m = value ? asgi_message(st->s.type, type) : NULL;

	if (m && PyDict_SetItem(m, key, value) == -1)
		Py_CLEAR(m);
	Py_XDECREF(value);
	return m;
}

static PyObject *
received(struct pystate *st, struct ws_msg *m)
{
	PyObject *data = wsmsg_data(m);

	return message_with(st, st->s.ws_receive,
	    PyUnicode_Check(data ? data : Py_None) ? st->s.text :
	    st->s.bytes, data);
}

static PyObject *
disconnected(struct exchange *ex)
{
	struct pystate *st = ex->task.st;
	struct wsock *w = ex->ws;
	struct str why = w ? w->reason : STR("");
	PyObject *reason, *m;

	/* From now on it knows. */
	ex->told = true;
	m = message_with(st, st->s.ws_disconnect, st->s.code,
	    PyLong_FromLong(w && w->code ? w->code : WS_ABNORMAL));
	reason = PyUnicode_DecodeUTF8(why.p, (Py_ssize_t)why.n, "replace");
	if (m && (!reason || PyDict_SetItem(m, st->s.reason, reason) == -1))
		Py_CLEAR(m);
	Py_XDECREF(reason);
	return m;
}

int
asgi_ws_receive(PyObject *self, PyObject **result)
{
	struct exchange *ex = (struct exchange *)self;
	struct pystate *st = ex->task.st;
	struct wsock *w = ex->ws;
	struct ws_msg *m = w ? wsock_next(w) : NULL;

	if (ex->phase == ASGI_WS_NEW) {
		ex->phase = ASGI_WS_SHAKING;
		*result = asgi_message(st->s.type, st->s.ws_connect);
	} else if (m) {
		*result = received(st, m);
	} else if (w && wsock_is_open(w)) {
		wsock_want(w);
		return 0;
	} else if (!w && ex->req && !ex->gone) {
		return 0;
	} else {
		*result = disconnected(ex);
	}
	return *result ? 1 : -1;
}

/* ---- send ---- */

static PyObject *
sent(const struct exchange *ex)
{
	return Py_NewRef(ex->task.st->done);
}

static PyObject *
out_of_turn(PyObject *type, const char *when)
{
	return PyErr_Format(PyExc_RuntimeError, "%S was sent %s", type, when);
}

static PyObject *
is_closed(void)
{
	PyErr_SetString(PyExc_OSError, "the WebSocket is closed");
	return NULL;
}

/* A member of the message: NULL is "not there", or None; -1: exception. */
static int
get(PyObject *msg, PyObject *key, PyObject **value)
{
	int n = PyDict_GetItemRef(msg, key, value);

	if (n == 1 && *value == Py_None)
		Py_CLEAR(*value);
	return n == -1 ? -1 : 0;
}

/* The request becomes a WebSocket; -1 with an exception. */
static int
upgrade(struct exchange *ex, struct str protocol)
{
	struct req *r = ex->req;
	struct wsock *w = wsock_accept(r, &r->res, protocol);

	if (!w) {
		PyErr_NoMemory();
		return -1;
	}
	ex->phase = ASGI_WS_OPEN;
	ex->ws = w;
	w->app = ex;			/* the reference that was r->app's */
	ex->req = NULL;
	r->app = NULL;
	req_release(r);
	/* Those who receive already asked the request. */
	flow_wake(ex->task.st, &ex->waiters);
	return 0;
}

static PyObject *
send_accept(struct exchange *ex, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;
	PyObject *name = NULL, *headers = NULL;
	struct res *h = &ex->req->res;
	struct str protocol;
	int err;

	res_reset(h);
	err = get(msg, s->subprotocol, &name);
	if (!err)
		err = get(msg, s->headers, &headers);
	if (!err)
		err = wsmsg_subprotocol(ex->req, name, &protocol);
	if (!err && headers)
		err = asgi_add_headers(h, headers);
	if (!err)
		err = wsmsg_check_fields(h);
	if (!err)
		err = upgrade(ex, protocol);
	else
		res_reset(h);
	Py_XDECREF(name);
	Py_XDECREF(headers);
	return err ? NULL : sent(ex);
}

/* Before it is accepted. */
static PyObject *
send_shaking(struct exchange *ex, PyObject *type, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;

	if (asgi_is_left(ex) || ex->told)
		return is_closed();
	if (asgi_is(type, s->ws_accept))
		return send_accept(ex, msg);
	if (asgi_is(type, s->ws_close)) {
		ex->phase = ASGI_WS_CLOSED;
		ex->ended = true;
		res_fail(ex->req, 403);
		asgi_release(ex);
		return sent(ex);
	}
	if (asgi_is(type, s->ws_response_start)) {
		if (asgi_send_start(ex, msg) == -1)
			return NULL;
		ex->phase = ASGI_WS_DENIED;
		return sent(ex);
	}
	return out_of_turn(type, "before the WebSocket was accepted");
}

static PyObject *
send_denied(struct exchange *ex, PyObject *type, PyObject *msg)
{
	if (ex->ended)
		return out_of_turn(type, "after the response was complete");
	if (asgi_is_left(ex) || ex->told)
		return is_closed();
	if (asgi_is(type, ex->task.st->s.ws_response_body))
		return asgi_send_body(ex, msg);
	return out_of_turn(type, "after websocket.http.response.start");
}

/* The message's data, a new reference; NULL with an exception. */
static PyObject *
get_data(struct pystate *st, PyObject *msg)
{
	PyObject *text, *bytes;

	if (get(msg, st->s.bytes, &bytes) == -1)
		return NULL;
	if (bytes && PyObject_CheckBuffer(bytes))
		return bytes;
	if (bytes) {
		PyErr_Format(PyExc_TypeError, "websocket.send: bytes must be "
		    "bytes, not %.100s", Py_TYPE(bytes)->tp_name);
		Py_DECREF(bytes);
		return NULL;
	}
	if (get(msg, st->s.text, &text) == -1)
		return NULL;
	if (text && PyUnicode_Check(text))
		return text;
	if (text)
		PyErr_Format(PyExc_TypeError, "websocket.send: text must be "
		    "str, not %.100s", Py_TYPE(text)->tp_name);
	else
		PyErr_SetString(PyExc_ValueError, "websocket.send: neither "
		    "text nor bytes");
	Py_XDECREF(text);
	return NULL;
}

static bool
can_send(const struct exchange *ex)
{
	return ex->ws && !ex->told && wsock_can_send(ex->ws);
}

/* flow_fn of a send that waits. */
static int
piece_now(PyObject *self, PyObject **result)
{
	struct ws_piece *p = (struct ws_piece *)self;
	struct exchange *ex = p->ex;

	if (!can_send(ex)) {
		is_closed();
		return -1;
	}
	if (wsock_space(ex->ws) == 0)
		return 0;
	if (wsmsg_send(ex->ws, p->data) == -1)
		return -1;
	*result = Py_NewRef(Py_None);
	return 1;
}

static PyObject *
wait_to_send(struct exchange *ex, PyObject *data)
{
	struct pystate *st = ex->task.st;
	struct ws_piece *p = PyObject_New(struct ws_piece, st->ws_piece_type);
	PyObject *flow;

	if (!p)
		return NULL;
	p->ex = (struct exchange *)Py_NewRef(ex);
	p->data = Py_NewRef(data);
	flow = flow_new(st, (PyObject *)p, &ex->waiters, piece_now);
	Py_DECREF(p);
	return flow;
}

static PyObject *
send_data(struct exchange *ex, PyObject *msg)
{
	PyObject *data = get_data(ex->task.st, msg);
	PyObject *out = NULL;

	if (!data)
		return NULL;
	if (wsock_space(ex->ws) == 0)
		out = wait_to_send(ex, data);
	else if (wsmsg_send(ex->ws, data) == 0)
		out = sent(ex);
	Py_DECREF(data);
	return out;
}

static PyObject *
send_close(struct exchange *ex, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;
	PyObject *code = NULL, *reason = NULL;
	struct str why;
	int n = -1;

	if (get(msg, s->code, &code) == 0 && get(msg, s->reason,
	    &reason) == 0 && wsmsg_reason(reason, &why) == 0)
		n = wsmsg_code(code);
	if (n > 0) {
		wsock_close(ex->ws, (unsigned)n, why);
		ex->ended = true;
	}
	Py_XDECREF(code);
	Py_XDECREF(reason);
	return n > 0 ? sent(ex) : NULL;
}

PyObject *
asgi_ws_send(struct exchange *ex, PyObject *type, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;
	int done;

	if (ex->phase < ASGI_WS_OPEN)
		return send_shaking(ex, type, msg);
	if (ex->phase == ASGI_WS_DENIED)
		return send_denied(ex, type, msg);
	if (asgi_is(type, s->ws_send))
		return can_send(ex) ? send_data(ex, msg) : is_closed();
	if (asgi_is(type, s->ws_close))
		return can_send(ex) ? send_close(ex, msg) : is_closed();
	done = channel_message(ex, type, msg);
	if (done == 0)
		return out_of_turn(type, "after the WebSocket was accepted, "
		    "or refused");
	return done == 1 ? sent(ex) : NULL;
}

/* ---- the end ---- */

bool
asgi_ws_over(struct exchange *ex, bool raised)
{
	struct wsock *w = ex->ws;

	if (!w)
		return false;
	if (raised && !wsock_can_send(w) && !ex->ended)
		exc_log_left(ex->task.st, NULL);
	else if (raised)
		exc_log(ex->task.st, "Exception in the ASGI application",
		    NULL);
	else
		wsock_close(w, WS_NORMAL, STR(""));
	ex->phase = ASGI_WS_CLOSED;
	ex->ws = NULL;
	w->app = NULL;
	wsock_release(w);
	flow_wake(ex->task.st, &ex->waiters);
	Py_DECREF(ex);			/* w->app's */
	return true;
}

void
asgi_ws_event(struct wsock *w)
{
	struct exchange *ex = w->app;

	flow_wake(ex->task.st, &ex->waiters);
}

/* ---- the type ---- */

static void
piece_dealloc(PyObject *self)
{
	struct ws_piece *p = (struct ws_piece *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(p->ex);
	Py_DECREF(p->data);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot piece_slots[] = {
	{ Py_tp_dealloc, piece_dealloc },
	{ 0, NULL }
};

static PyType_Spec piece_spec = {
	.name = "_shoal.WebSocketSend",
	.basicsize = sizeof(struct ws_piece),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = piece_slots,
};

int
asgi_ws_add_types(struct pystate *st, PyObject *module)
{
	st->ws_piece_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &piece_spec, NULL);
	return st->ws_piece_type ? 0 : -1;
}
