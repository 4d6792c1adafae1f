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

bool
asgi_is_left(const struct exchange *ex)
{
	return !ex->req || req_is_lost(ex->req);
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
send_call(PyObject *self, PyObject *const *args, size_t n, PyObject *names)
{
	struct exchange *ex = ((struct port *)self)->ex;

	if (PyVectorcall_NARGS(n) + (names ? PyTuple_GET_SIZE(names) : 0) !=
	    1) {
		PyErr_SetString(PyExc_TypeError, "send() takes one message");
		return NULL;
	}
	return asgi_send(ex, args[0]);
}

/* ---- the request's life ---- */

static PyObject *
make_scope(struct pystate *st, struct exchange *ex, const struct req *r)
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
	/* What shoal.join() and leave() look for. */
	SET(connection, Py_NewRef(ex));
	if (r->ws && !err)
		err = asgi_ws_scope(st, r, d);
	else
		SET(extensions, PyDict_Copy(st->asgi_extensions));
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
	PyObject *scope = make_scope(st, ex, r);
	PyObject *receive = port_new(st->receive_type, ex, receive_call);
	PyObject *send = port_new(st->send_type, ex, send_call);
	PyObject *coro = NULL;

	if (scope && receive && send) {
		PyObject *argv[4] = { NULL, scope, receive, send };

		coro = task_coroutine(PyObject_Vectorcall(st->app, argv + 1,
		    3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL), "ASGI");
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
	bool left = ex->gone || (asgi_is_left(ex) && !ex->ended &&
	    !ex->shrunk);

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

	struct pystate *st = ex->task.st;
	bool awaited = ex->waiters != NULL;

	if (!ex->body.kind)
		return;
	Py_INCREF(ex);
	switch (asgi_push(ex)) {
	case 1:
		flow_wake(st, &ex->waiters);
		break;
	case -1:
		/* Whoever waits for the message is told. */
		if (awaited)
			PyErr_Clear();
		else
			exc_log(st, "A response could not be sent", NULL);
		break;
	default:
		break;
	}
	Py_DECREF(ex);
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
	st->asgi_extensions = Py_BuildValue("{O{}O{}O{}O{}O{}}",
	    st->s.response_pathsend, st->s.response_zerocopysend,
	    st->s.response_trailers, st->s.response_early_hint,
	    st->s.broadcast);
	/* Every key that a request has: copying keeps the dict's shape. */
	st->scope = Py_BuildValue("{sO sO ss ss ss ss sO sO ss ss ss sO sO OO}",
	    "type", st->s.http, "asgi", Py_None, "http_version", "1.1",
	    "method", "GET", "scheme", "http", "path", "",
	    "raw_path", Py_None, "query_string", st->empty_bytes,
	    "root_path", st->shard->conf->root_path,
	    "headers", "", "client", "", "server", Py_None,
	    "extensions", Py_None, st->s.connection, Py_None);
	if (!st->asgi_info || !st->asgi_extensions || !st->scope)
		return -1;
	if (state != Py_None) {
		st->lifespan_state = Py_NewRef(state);
		if (PyDict_SetItemString(st->scope, "state", Py_None) == -1)
			return -1;
	}
	return asgi_ws_setup(st);
}
