/* See LICENSE for the terms. */
#include "interp/rsgi.h"

#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "interp/embed.h"
#include "interp/exc.h"
#include "interp/flow.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/res.h"

/* ---- errors ---- */

/*
 * The class that the application knows: of the real granian.rsgi where it has
 * imported that, and else our own.  A new reference.
 */
static PyObject *
error_class(struct pystate *st, enum rsgi_error kind)
{
	struct rsgi *g = st->rsgi;
	PyObject *module = PyImport_GetModule(g->module);
	PyObject *found = NULL;

	if (module)
		found = PyObject_GetAttrString(module, kind == RSGI_ERROR ?
		    "ProtocolError" : "ProtocolClosed");
	Py_XDECREF(module);
	PyErr_Clear();
	if (found && PyExceptionClass_Check(found))
		return found;
	Py_XDECREF(found);
	return Py_NewRef(kind == RSGI_ERROR ? g->error : g->closed);
}

void
rsgi_raise(struct pystate *st, enum rsgi_error kind, const char *text)
{
	PyObject *type = error_class(st, kind);

	PyErr_Format(type, "%s: %s", kind == RSGI_ERROR ?
	    "RSGI protocol error" : "RSGI transport is closed", text);
	Py_DECREF(type);
}

int
rsgi_check(struct pystate *st)
{
	if (PyThreadState_Get() == st->shard_ts)
		return 0;
	rsgi_raise(st, RSGI_ERROR, "this was called in another thread than "
	    "the event loop's; use loop.call_soon_threadsafe()");
	return -1;
}

/* ---- the request's life ---- */

static void
release(struct rsgi_proto *p)
{
	struct req *r = p->req;

	p->req = NULL;
	feed_drop(&p->feed);
	rsgi_scope_detach(p->scope);
	p->scope = NULL;
	r->app = NULL;
	req_release(r);
	flow_wake(p->st, &p->waiters);
	Py_DECREF(p);			/* r->app's */
}

void
rsgi_settle(struct rsgi_proto *p)
{
	if (p->req && p->over && (!p->feed.kind || p->req->lost))
		release(p);
}

void
rsgi_finish(struct rsgi_proto *p)
{
	struct req *r = p->req;

	if (res_end(r) != 0 && !r->lost)
		log_err(&p->st->log, "The response's body is shorter "
		    "than its Content-Length: %.*s %.*s", STR_ARG(r->method),
		    STR_ARG(r->path));
	rsgi_settle(p);
}

static void
log_over(struct rsgi_proto *p, bool raised)
{
	struct pystate *st = p->st;
	struct req *r = p->req;
	/* Cut is known before gone() is called. */
	bool left = p->gone || req_is_lost(r) ||
	    (r->body == BODY_CUT && !r->res.ended);

	if (raised && left)
		exc_log_left(st, r);
	else if (raised)
		exc_log(st, "Exception in the RSGI application", r);
	else if (p->answer == ANSWER_NONE && !left)
		log_err(&st->log, "The RSGI application returned "
		    "without a response: %.*s %.*s", STR_ARG(r->method),
		    STR_ARG(r->path));
}

/* task.h: the application's coroutine is over, maybe with an exception. */
static void
on_over(struct task *t, bool raised)
{
	struct rsgi_proto *p = ((struct rsgi_call *)t)->proto;

	/* First: what the exception holds may be the stream. */
	p->over = true;
	log_over(p, raised);
	if (!raised)
		rsgi_stream_end(p);
	else if (p->answer == ANSWER_OPEN)
		feed_drop(&p->feed);
	rsgi_settle(p);
}

static void
run(struct pystate *st, struct rsgi_call *c, struct rsgi_scope *scope)
{
	PyObject *argv[3] = { NULL, (PyObject *)scope, (PyObject *)c->proto };
	PyObject *coro;

	coro = task_coroutine(PyObject_Vectorcall(st->app, argv + 1,
	    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL), "RSGI");
	if (coro)
		task_run(&c->task, coro);
	else
		on_over(&c->task, true);
}

static void
on_start(struct req *r)
{
	struct pystate *st = state_of(r->shard->py);
	struct rsgi_scope *scope;
	struct rsgi_proto *p;
	struct rsgi_call *c;

	if (r->ws) {
		rsgi_ws_start(r);
		return;
	}
	scope = rsgi_scope_new(st, r);
	p = rsgi_proto_new(st);
	c = (struct rsgi_call *)task_new(st, st->rsgi_coro_type, on_over);
	if (!scope || !p || !c) {
		exc_log(st, "A request could not be started", r);
		Py_XDECREF(scope);
		Py_XDECREF(p);
		Py_XDECREF(c);
		req_release(r);
		return;
	}
	p->scope = scope;
	p->req = r;
	c->proto = p;
	r->app = Py_NewRef(p);
	run(st, c, scope);
	Py_DECREF(c);
}

static void
on_body(struct req *r)
{
	rsgi_proto_body(r->app);
}

static void
on_room(struct req *r)
{
	struct rsgi_proto *p = r->app;
	int done;

	if (!p->feed.kind)
		return;
	done = feed_push(&p->feed, r);
	if (done == 0)
		return;
	feed_drop(&p->feed);
	if (p->answer == ANSWER_OPEN)
		flow_wake(p->st, &p->waiters);
	else
		rsgi_finish(p);
}

static void
on_gone(struct req *r)
{
	struct rsgi_proto *p = r->app;

	if (r->ws) {
		rsgi_ws_gone(r);
		return;
	}
	p->gone = true;
	if (r->lost)
		feed_drop(&p->feed);
	flow_wake(p->st, &p->waiters);
	rsgi_settle(p);
}

const struct app_ops rsgi_ops = {
	.start = on_start,
	.body = on_body,
	.room = on_room,
	.gone = on_gone,
	.ws = rsgi_ws_event,
};

/* ---- set-up ---- */

static void
call_dealloc(PyObject *self)
{
	struct rsgi_call *c = (struct rsgi_call *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(c->proto);
	task_fini(&c->task);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot call_slots[] = {
	{ Py_tp_dealloc, call_dealloc },
	TASK_SLOTS,
	{ 0, NULL }
};

static PyType_Spec call_spec = {
	.name = "_shoal.RSGICall",
	.basicsize = sizeof(struct rsgi_call),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = call_slots,
};

/* The module granian.rsgi, from rsgi.py; see there. */
static PyObject *
rsgi_names(PyObject *module, PyObject *unused)
{
	const struct embed *e = embed_find("rsgi");
	PyObject *code, *made = NULL;

	(void)module;
	(void)unused;
	code = Py_CompileString(e->data, "<shoal>/rsgi.py", Py_file_input);
	if (code)
		made = PyImport_ExecCodeModuleEx("granian.rsgi", code,
		    "<shoal>/rsgi.py");
	Py_XDECREF(code);
	Py_XDECREF(made);
	if (!made)
		return NULL;
	Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
	{ "rsgi_names", rsgi_names, METH_NOARGS,
	    "rsgi_names(): have granian.rsgi without Granian." },
	{ NULL, NULL, 0, NULL }
};

static int
make_state(struct pystate *st)
{
	struct rsgi *g = mem_try_zero(sizeof(*g));

	st->rsgi = g;
	if (!g) {
		PyErr_NoMemory();
		return -1;
	}
#define X(member, text) \
	g->member = PyUnicode_InternFromString(text); \
	if (!g->member) \
		return -1;
	RSGI_NAMES(X)
#undef X
	g->error = PyErr_NewException("_shoal.RSGIProtocolError",
	    PyExc_RuntimeError, NULL);
	g->closed = PyErr_NewException("_shoal.RSGIProtocolClosed",
	    PyExc_RuntimeError, NULL);
	return g->error && g->closed ? 0 : -1;
}

int
rsgi_add_types(struct pystate *st, PyObject *module)
{
	if (make_state(st) == -1 ||
	    PyModule_AddObjectRef(module, "RSGIProtocolError",
	    st->rsgi->error) == -1 ||
	    PyModule_AddObjectRef(module, "RSGIProtocolClosed",
	    st->rsgi->closed) == -1 ||
	    PyModule_AddFunctions(module, module_methods) == -1 ||
	    rsgi_headers_add_types(st, module) == -1 ||
	    rsgi_scope_add_types(st, module) == -1 ||
	    rsgi_proto_add_types(st, module) == -1 ||
	    rsgi_stream_add_types(st, module) == -1 ||
	    rsgi_ws_add_types(st, module) == -1)
		return -1;
	st->rsgi_coro_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &call_spec, NULL);
	return st->rsgi_coro_type ? 0 : -1;
}

int
rsgi_setup(struct pystate *st)
{
	/* Everything was made with the types; the application is st->app. */
	(void)st;
	return 0;
}
