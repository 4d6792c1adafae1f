/* See LICENSE for the terms. */
#include "interp/asgi.h"

#include <string.h>

#include "core/conn.h"
#include "core/shard.h"
#include "interp/asgi_priv.h"
#include "interp/exc.h"
#include "interp/flow.h"
#include "interp/scope.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/res.h"

/* send and receive: a callable with the exchange. */
struct port {
	PyObject_HEAD
	vectorcallfunc call;
	struct exchange *ex;
};

void
asgi_release(struct exchange *ex)
{
	struct req *r = ex->req;

	if (!r)
		return;
	ex->req = NULL;
	r->app = NULL;
	req_release(r);
	feed_drop(&ex->body);
	flow_wake(ex->task.st, &ex->waiters);
	Py_DECREF(ex);			/* r->app's */
}

/* ---- receive ---- */

PyObject *
asgi_message(PyObject *type_key, PyObject *type)
{
	PyObject *m = PyDict_New();

	if (m && PyDict_SetItem(m, type_key, type) == -1)
		Py_CLEAR(m);
	return m;
}

static PyObject *
request_message(struct exchange *ex, struct req *r)
{
	struct pystate *st = ex->task.st;
	size_t n = bytes_len(&r->in);
	PyObject *body, *m;

	body = n == 0 ? Py_NewRef(st->empty_bytes) :
	    PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
	if (!body)
		return NULL;
	if (n > 0)
		req_take(r, PyBytes_AS_STRING(body), n);
	ex->was_read = req_is_read(r);
	m = asgi_message(st->s.type, st->s.http_request);
	if (!m || PyDict_SetItem(m, st->s.body, body) == -1 ||
	    PyDict_SetItem(m, st->s.more_body, ex->was_read ? Py_False :
	    Py_True) == -1)
		Py_CLEAR(m);
	Py_DECREF(body);
	return m;
}

/* flow_fn of receive(). */
static int
receive_now(PyObject *self, PyObject **result)
{
	struct exchange *ex = (struct exchange *)self;
	struct pystate *st = ex->task.st;
	struct req *r = ex->req;

	if (r && !ex->was_read && r->body != BODY_CUT) {
		if (bytes_len(&r->in) == 0 && r->body != BODY_END) {
			req_want(r);
			return 0;
		}
		*result = request_message(ex, r);
	} else if (r && !ex->gone) {
		return 0;
	} else {
		/* From now on it knows, and send() says so, too. */
		ex->told = !ex->ended;
		*result = asgi_message(st->s.type, st->s.http_disconnect);
	}
	return *result ? 1 : -1;
}

static PyObject *
receive_call(PyObject *self, PyObject *const *args, size_t n, PyObject *names)
{
	struct exchange *ex = ((struct port *)self)->ex;

	(void)args;
	if (PyVectorcall_NARGS(n) != 0 || names) {
		PyErr_SetString(PyExc_TypeError, "receive() takes no argument");
		return NULL;
	}
	return flow_new(ex->task.st, (PyObject *)ex, &ex->waiters,
	    ex->phase ? asgi_ws_receive : receive_now);
}

/* ---- send ---- */

static PyObject *
bad_header(Py_ssize_t i, PyObject *name, const char *why)
{
	return PyErr_Format(PyExc_ValueError,
	    "header %zd (%R): %s", i, name, why);
}

/* One (name, value) of the message's headers; -1 with an exception. */
static int
add_header(struct res *h, PyObject *pair, Py_ssize_t i)
{
	PyObject *fast, *name, *value;
	int err = -1;

	fast = PySequence_Fast(pair, "each header must be a pair of bytes");
	if (!fast)
		return -1;
	if (PySequence_Fast_GET_SIZE(fast) != 2) {
		PyErr_Format(PyExc_TypeError, "header %zd is not a pair", i);
		goto out;
	}
	name = PySequence_Fast_GET_ITEM(fast, 0);
	value = PySequence_Fast_GET_ITEM(fast, 1);
	if (!PyBytes_Check(name) || !PyBytes_Check(value)) {
		PyErr_Format(PyExc_TypeError, "header %zd: name and value "
		    "must be bytes, not %.100s and %.100s", i,
		    Py_TYPE(name)->tp_name, Py_TYPE(value)->tp_name);
		goto out;
	}
	err = res_field(h, (struct str){ PyBytes_AS_STRING(name),
	    (size_t)PyBytes_GET_SIZE(name) }, (struct str){
	    PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value) });
	if (err) {
		bad_header(i, name, res_error_text(err));
		err = -1;
	}
out:
	Py_DECREF(fast);
	return err;
}

int
asgi_add_headers(struct res *h, PyObject *headers)
{
	PyObject *fast = PySequence_Fast(headers, "headers must be an "
	    "iterable of pairs of bytes");
	int err = fast ? 0 : -1;

	for (Py_ssize_t i = 0; !err && i < PySequence_Fast_GET_SIZE(fast); i++)
		err = add_header(h, PySequence_Fast_GET_ITEM(fast, i), i);
	Py_XDECREF(fast);
	return err;
}

static int
set_status(struct exchange *ex, struct res *h, PyObject *msg)
{
	PyObject *status;
	long n = -1;
	int err;

	if (PyDict_GetItemRef(msg, ex->task.st->s.status, &status) == -1)
		return -1;
	if (status && PyLong_Check(status))
		n = PyLong_AsLong(status);
	err = n >= 0 && n <= 999 ? res_status(h, (unsigned)n) : RES_BAD_STATUS;
	if (err) {
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "http.response.start: status "
		    "must be an int from 200 to 999, not %R",
		    status ? status : Py_None);
	}
	Py_XDECREF(status);
	return err ? -1 : 0;
}

int
asgi_send_start(struct exchange *ex, PyObject *msg)
{
	struct req *r = ex->req;
	struct res *h = &r->res;
	PyObject *headers = NULL;
	int err;

	if (h->started) {
		PyErr_SetString(PyExc_RuntimeError,
		    "http.response.start was already sent");
		return -1;
	}
	res_reset(h);
	err = set_status(ex, h, msg);
	if (!err && PyDict_GetItemRef(msg, ex->task.st->s.headers,
	    &headers) == -1)
		err = -1;
	if (!err && headers)
		err = asgi_add_headers(h, headers);
	Py_XDECREF(headers);
	if (err) {
		res_reset(h);
		return -1;
	}
	err = res_start(r, h);
	if (err) {
		PyErr_Format(PyExc_RuntimeError, "http.response.start: %s",
		    res_error_text(err));
		return -1;
	}
	return 0;
}

/* The last body message was taken; -1: it was too short. */
static int
finish(struct exchange *ex)
{
	int err = res_end(ex->req);

	ex->ended = true;
	asgi_release(ex);
	if (err) {
		PyErr_SetString(PyExc_RuntimeError, "the response's body is "
		    "shorter than its Content-Length");
		return -1;
	}
	return 0;
}

/* flow_fn of a body message that has to wait. */
static int
sent_now(PyObject *self, PyObject **result)
{
	struct exchange *ex = (struct exchange *)self;

	if (ex->body.kind)
		return 0;
	if (!ex->req && !ex->ended) {
		PyErr_SetString(PyExc_OSError, "the client has left");
		return -1;
	}
	*result = Py_NewRef(Py_None);
	return 1;
}

/* The body member as a buffer; NULL body counts as empty. */
static int
get_body(struct exchange *ex, PyObject *msg)
{
	struct pystate *st = ex->task.st;
	PyObject *body, *more;
	int err = 0, n = 0;

	if (PyDict_GetItemRef(msg, st->s.body, &body) == -1)
		return -1;
	if (!body)
		body = Py_NewRef(st->empty_bytes);
	if (PyDict_GetItemRef(msg, st->s.more_body, &more) == -1)
		err = -1;
	if (!err && more)
		n = PyObject_IsTrue(more);
	Py_XDECREF(more);
	if (err || n < 0) {
		Py_DECREF(body);
		return -1;
	}
	ex->more = n;
	if (!PyObject_CheckBuffer(body)) {
		PyErr_Format(PyExc_TypeError, "http.response.body: body must "
		    "be bytes, not %.100s", Py_TYPE(body)->tp_name);
		err = -1;
	} else {
		err = feed_open(&ex->body, body);
	}
	Py_DECREF(body);
	return err;
}

/* More than Content-Length allows: the rest is dropped, and it is told. */
static bool
cut_excess(struct exchange *ex)
{
	size_t over = res_excess(ex->req, ex->body.end);

	if (over == 0)
		return false;
	ex->body.end -= over;
	ex->more = false;
	return true;
}

/* 1: taken, 0: has to wait, -1 with an exception. */
static int
send_body(struct exchange *ex, PyObject *msg)
{
	bool over;

	if (!ex->req->res.started) {
		PyErr_SetString(PyExc_RuntimeError, "http.response.body came "
		    "before http.response.start");
		return -1;
	}
	if (ex->body.kind) {
		PyErr_SetString(PyExc_RuntimeError, "http.response.body: the "
		    "message before it is still being sent; await it");
		return -1;
	}
	if (get_body(ex, msg) == -1)
		return -1;
	over = cut_excess(ex);
	if (!ex->more)
		res_last(ex->req, ex->body.end);
	if (!feed_push(&ex->body, ex->req))
		return 0;
	feed_drop(&ex->body);
	if (!ex->more && finish(ex) == -1)
		return -1;
	if (over) {
		PyErr_SetString(PyExc_RuntimeError, "the response's body is "
		    "longer than its Content-Length; the rest was dropped");
		return -1;
	}
	return 1;
}

bool
asgi_is(PyObject *a, PyObject *interned)
{
	return a == interned || (PyUnicode_Check(a) &&
	    PyUnicode_Compare(a, interned) == 0);
}

PyObject *
asgi_send_body(struct exchange *ex, PyObject *msg)
{
	switch (send_body(ex, msg)) {
	case 1:
		return Py_NewRef(ex->task.st->done);
	case 0:
		return flow_new(ex->task.st, (PyObject *)ex, &ex->waiters,
		    sent_now);
	default:
		return NULL;
	}
}

/* A message of a response: an awaitable, or NULL. */
static PyObject *
send_http(struct exchange *ex, PyObject *type, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;

	if (ex->ended)
		PyErr_Format(PyExc_RuntimeError, "%S was sent after the "
		    "response was complete", type);
	else if (!ex->req || ex->told)
		PyErr_SetString(PyExc_OSError, "the client has left");
	else if (asgi_is(type, s->response_body))
		return asgi_send_body(ex, msg);
	else if (!asgi_is(type, s->response_start))
		PyErr_Format(PyExc_ValueError, "send(): %R is no message of "
		    "an HTTP response", type);
	else if (asgi_send_start(ex, msg) == 0)
		return Py_NewRef(ex->task.st->done);
	return NULL;
}

static PyObject *
send_message(struct exchange *ex, PyObject *msg)
{
	PyObject *type, *out;

	if (!PyDict_Check(msg))
		return PyErr_Format(PyExc_TypeError, "send() takes a dict, "
		    "not %.100s", Py_TYPE(msg)->tp_name);
	if (PyDict_GetItemRef(msg, ex->task.st->s.type, &type) == -1)
		return NULL;
	if (!type) {
		PyErr_SetString(PyExc_ValueError,
		    "send(): the message has no \"type\"");
		return NULL;
	}
	out = ex->phase ? asgi_ws_send(ex, type, msg) :
	    send_http(ex, type, msg);
	Py_DECREF(type);
	return out;
}

static PyObject *
send_call(PyObject *self, PyObject *const *args, size_t n, PyObject *names)
{
	struct exchange *ex = ((struct port *)self)->ex;

	if (PyVectorcall_NARGS(n) + (names ? PyTuple_GET_SIZE(names) : 0) !=
	    1) {
		PyErr_SetString(PyExc_TypeError, "send() takes one message");
		return NULL;
	}
	return send_message(ex, args[0]);
}

/* ---- the request's life ---- */

static PyObject *
make_scope(struct pystate *st, const struct req *r)
{
	struct state_names *s = &st->s;
	PyObject *d = PyDict_Copy(r->ws ? st->ws_scope : st->scope);
	struct scope_target t;
	int err = d ? 0 : -1;

#define SET(key, make) do { \
	PyObject *v_ = err ? NULL : (make); \
	if (!v_ || PyDict_SetItem(d, s->key, v_) == -1) \
		err = -1; \
	Py_XDECREF(v_); \
} while (0)
	SET(asgi, PyDict_Copy(st->asgi_info));
	if (r->minor != 1 || r->major != 1)
		SET(http_version, scope_version(st, r));
	if (r->method.n != 3 || memcmp(r->method.p, "GET", 3) != 0)
		SET(method, scope_method(st, r));
	if (!err && scope_target(st, r, &t) == 0) {
		if (PyDict_SetItem(d, s->path, t.path) == -1 ||
		    PyDict_SetItem(d, s->raw_path, t.raw_path) == -1 ||
		    PyDict_SetItem(d, s->query_string, t.query) == -1)
			err = -1;
		Py_DECREF(t.path);
		Py_DECREF(t.raw_path);
		Py_DECREF(t.query);
	} else {
		err = -1;
	}
	SET(headers, scope_headers(st, r));
	SET(client, scope_client(st, r));
	SET(server, scope_server(st, r));
	if (r->ws && !err)
		err = asgi_ws_scope(st, r, d);
	else
		SET(extensions, PyDict_New());
	if (st->lifespan_state)
		SET(state, PyDict_Copy(st->lifespan_state));
#undef SET
	if (err)
		Py_CLEAR(d);
	return d;
}

static PyObject *
port_new(PyTypeObject *type, struct exchange *ex, vectorcallfunc call)
{
	struct port *p = PyObject_New(struct port, type);

	if (!p)
		return NULL;
	p->call = call;
	p->ex = (struct exchange *)Py_NewRef(ex);
	return (PyObject *)p;
}

/* The application's coroutine; NULL with an exception. */
static PyObject *
call_app(struct pystate *st, struct exchange *ex, struct req *r)
{
	PyObject *scope = make_scope(st, r);
	PyObject *receive = port_new(st->receive_type, ex, receive_call);
	PyObject *send = port_new(st->send_type, ex, send_call);
	PyObject *coro = NULL;

	if (scope && receive && send) {
		PyObject *argv[4] = { NULL, scope, receive, send };

		coro = PyObject_Vectorcall(st->app, argv + 1,
		    3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	}
	Py_XDECREF(scope);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	return coro;
}

/* task.h: the application's coroutine is over, maybe with an exception. */
static void
on_over(struct task *t, bool raised)
{
	struct exchange *ex = (struct exchange *)t;
	bool left = ex->gone || (!ex->req && !ex->ended);

	if (ex->phase && asgi_ws_over(ex, raised))
		return;
	if (raised && left)
		exc_log_left(t->st, ex->req);
	else if (raised)
		exc_log(t->st, "Exception in the ASGI application", ex->req);
	else if (ex->req && !left)
		log_err(&t->st->log, "The ASGI application returned "
		    "without a complete response: %.*s %.*s",
		    STR_ARG(ex->req->method), STR_ARG(ex->req->path));
	asgi_release(ex);
}

static void
asgi_start(struct req *r)
{
	struct pystate *st = state_of(r->shard->py);
	struct exchange *ex;
	PyObject *coro;

	ex = (struct exchange *)task_new(st, st->exchange_type, on_over);
	if (!ex) {
		exc_log(st, "A request could not be started", r);
		req_release(r);
		return;
	}
	ex->req = r;
	ex->phase = r->ws ? ASGI_WS_NEW : ASGI_WS_NONE;
	r->app = Py_NewRef(ex);
	coro = call_app(st, ex, r);
	if (coro)
		task_run(&ex->task, coro);
	else
		on_over(&ex->task, true);
	Py_DECREF(ex);
}

static void
asgi_body(struct req *r)
{
	struct exchange *ex = r->app;

	flow_wake(ex->task.st, &ex->waiters);
}

static void
asgi_room(struct req *r)
{
	struct exchange *ex = r->app;

	if (!ex->body.kind || !feed_push(&ex->body, r))
		return;
	feed_drop(&ex->body);
	if (ex->more)
		flow_wake(ex->task.st, &ex->waiters);
	else if (finish(ex) == -1)
		exc_log(ex->task.st, "ASGI application", NULL);
}

static void
asgi_gone(struct req *r)
{
	struct exchange *ex = r->app;

	ex->gone = true;
	if (r->lost)
		asgi_release(ex);
	else
		flow_wake(ex->task.st, &ex->waiters);
}

const struct app_ops asgi_ops = {
	.start = asgi_start,
	.body = asgi_body,
	.room = asgi_room,
	.gone = asgi_gone,
	.ws = asgi_ws_event,
};

/* ---- types ---- */

static void
exchange_dealloc(PyObject *self)
{
	struct exchange *ex = (struct exchange *)self;
	PyTypeObject *type = Py_TYPE(self);

	feed_drop(&ex->body);
	Py_XDECREF(ex->waiters);
	task_fini(&ex->task);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot exchange_slots[] = {
	{ Py_tp_dealloc, exchange_dealloc },
	TASK_SLOTS,
	{ 0, NULL }
};

static PyType_Spec exchange_spec = {
	.name = "_shoal.Exchange",
	.basicsize = sizeof(struct exchange),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = exchange_slots,
};

static void
port_dealloc(PyObject *self)
{
	struct port *p = (struct port *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(p->ex);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMemberDef port_members[] = {
	{ "__vectorcalloffset__", Py_T_PYSSIZET,
	    offsetof(struct port, call), Py_READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot port_slots[] = {
	{ Py_tp_dealloc, port_dealloc },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, port_members },
	{ 0, NULL }
};

#define PORT_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | \
	Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec send_spec = {
	.name = "_shoal.send",
	.basicsize = sizeof(struct port),
	.flags = PORT_FLAGS,
	.slots = port_slots,
};

static PyType_Spec receive_spec = {
	.name = "_shoal.receive",
	.basicsize = sizeof(struct port),
	.flags = PORT_FLAGS,
	.slots = port_slots,
};

int
asgi_add_types(struct pystate *st, PyObject *module)
{
	st->exchange_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &exchange_spec, NULL);
	st->send_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &send_spec, NULL);
	st->receive_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &receive_spec, NULL);
	if (!st->exchange_type || !st->send_type || !st->receive_type)
		return -1;
	return asgi_ws_add_types(st, module);
}

int
asgi_setup(struct pystate *st, PyObject *state)
{
	st->asgi_info = Py_BuildValue("{ssss}", "version", "3.0",
	    "spec_version", "2.5");
	/* Every key that a request has: copying keeps the dict's shape. */
	st->scope = Py_BuildValue("{sO sO ss ss ss ss sO sO ss ss ss sO sO}",
	    "type", st->s.http, "asgi", Py_None, "http_version", "1.1",
	    "method", "GET", "scheme", "http", "path", "",
	    "raw_path", Py_None, "query_string", st->empty_bytes,
	    "root_path", st->shard->conf->root_path,
	    "headers", "", "client", "", "server", Py_None,
	    "extensions", Py_None);
	if (!st->asgi_info || !st->scope)
		return -1;
	if (state != Py_None) {
		st->lifespan_state = Py_NewRef(state);
		if (PyDict_SetItemString(st->scope, "state", Py_None) == -1)
			return -1;
	}
	return asgi_ws_setup(st);
}
