/* See LICENSE for the terms. */
#include "interp/wsgi.h"

#include <errno.h>
#include <string.h>

#include "core/conf.h"
#include "core/conn.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/exc.h"
#include "interp/state.h"
#include "interp/wpool.h"
#include "proto/req.h"

/* --blocking-threads 0: enough for views that wait, few enough for memory. */
#define CALLS_AUTO 8
/* A body is gathered up to here before a thread is given to the request. */
#define GATHER (REQ_BODY_HIGH / 2)
/* Calls kept for reuse, and the largest input buffer one keeps. */
#define CALLS_KEPT 64
#define IN_KEPT (64u << 10)

struct wsgi {
	struct wsgi_env *env;		/* GIL */
	struct list waiting;		/* token: struct call */
	unsigned n_waiting;
	unsigned running;
	unsigned max_calls;
	struct list kept;		/* token: calls to be used again */
	unsigned n_kept;
};

/* ---- the holder's side ---- */

static struct call *
call_new(struct pystate *st, struct req *r)
{
	struct wsgi *w = st->wsgi;
	struct list *n = list_pop(&w->kept);
	struct call *c;
	struct res res;
	char *in;
	size_t in_cap;

	if (n) {
		c = container_of(n, struct call, node);
		w->n_kept--;
	} else {
		c = mem_try(sizeof(*c));
		if (!c)
			return NULL;
		memset(c, 0, sizeof(*c));
	}
	/* The buffers stay. */
	res = c->res;
	in = c->in;
	in_cap = c->in_cap;
	memset(c, 0, sizeof(*c));
	c->res = res;
	c->in = in;
	c->in_cap = in_cap;
	res_reset(&c->res);
	list_init(&c->node);
	c->st = st;
	c->shard = st->shard;
	c->req = r;
	return c;
}

static void
call_put(struct call *c)
{
	struct wsgi *w = c->st->wsgi;

	mem_free(c->copy);
	c->copy = NULL;
	if (c->in_cap > IN_KEPT) {
		mem_free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
	list_del(&c->node);
	if (w->n_kept < CALLS_KEPT) {
		list_add_head(&w->kept, &c->node);
		w->n_kept++;
		return;
	}
	mem_free(c->in);
	res_fini(&c->res);
	mem_free(c);
}

/* The call and its request are over. */
static void
finish(struct call *c)
{
	struct req *r = c->req;

	if (c->err < 0)
		log_err(&c->shard->log, "The WSGI application's response is "
		    "wrong: %s: %.*s %.*s", c->err == -EPIPE ?
		    "its body is shorter than its Content-Length" :
		    res_error_text(c->err), STR_ARG(r->method),
		    STR_ARG(r->path));
	r->app = NULL;
	req_release(r);
	call_put(c);
}

/* Sends of c->data what there is space for; true: nothing is left to do. */
static bool
send_some(struct call *c)
{
	struct req *r = c->req;

	if (r->lost || !r->conn) {
		c->lost = !c->complete;
		return true;
	}
	if (!r->res.started) {
		c->err = res_start(r, &c->res);
		if (c->err)
			return true;
	}
	if (c->whole)
		res_last(r, c->n - c->at);
	c->at += c->file ?
	    res_write_file(r, c->file, c->from + c->at, c->n - c->at) :
	    res_write(r, c->data + c->at, c->n - c->at);
	if (c->at < c->n)
		return false;
	if (c->whole && !c->complete) {
		c->complete = true;
		c->err = res_end(r);
	}
	return true;
}

/* Moves what came of the body to c->in; false: nothing, wait. */
static bool
take_body(struct call *c)
{
	struct req *r = c->req;
	size_t n = bytes_len(&r->in);

	if (n == 0 && r->body == BODY_OPEN && !r->lost) {
		req_want(r);
		return false;
	}
	if (n > c->in_cap) {
		char *p = mem_try_grow(c->in, n);

		/* Cut, as far as the application can know. */
		if (!p)
			req_body_cut(r, 500);
		n = p ? n : 0;
		c->in = p ? p : c->in;
		c->in_cap = p ? n : c->in_cap;
	}
	c->in_at = 0;
	c->n_in = req_take(r, c->in, n);
	c->in_cut = r->body == BODY_CUT || (r->lost && !req_is_read(r));
	c->in_end = c->in_cut || req_is_read(r);
	return true;
}

/* What the thread waits for; true: it need not wait any more. */
static bool
fulfil(struct call *c)
{
	if (c->wish == WISH_READ)
		return take_body(c);
	if (c->wish == WISH_HINT) {
		res_hint(c->req, c->hint);
		return true;
	}
	return c->wish == WISH_DROP || send_some(c);
}

static void
go_on(struct call *c)
{
	if (c->wish == WISH_NONE || !fulfil(c))
		return;
	if (c->wish == WISH_END || c->wish == WISH_DROP) {
		finish(c);
	} else if (c->waits) {
		c->waits = false;
		c->wish = WISH_NONE;
		wpool_signal(c->thread);
	}
}

/* A thread is free again. */
static void
note_end(struct pystate *st)
{
	if (st->wsgi->running-- == st->wsgi->max_calls)
		wpool_set_full(st->wpool, false);
}

static void
on_letter(struct letter *m, struct shard *s)
{
	struct call *c = container_of(m, struct call, letter);

	(void)s;
	c->wish = c->asked;
	c->waits = c->wish != WISH_END && c->wish != WISH_DROP;
	if (!c->waits)
		note_end(c->st);
	go_on(c);
}

/* Until the letter is read the holder goes on as if nothing was asked. */
static void
post(struct call *c, enum call_wish wish)
{
	c->asked = wish;
	c->letter.fn = on_letter;
	inbox_post(&c->shard->inbox, &c->shard->loop, &c->letter);
}

/* ---- app_ops ---- */

static void
enqueue(struct call *c)
{
	struct wsgi *w = c->st->wsgi;

	c->gathering = false;
	list_add_tail(&w->waiting, &c->node);
	w->n_waiting++;
}

/* Without asking the socket where the listener is bound to one address. */
static void
note_addresses(struct call *c, const struct conn *conn)
{
	const struct listeners *ls = c->shard->start->listeners;

	c->peer = conn->peer;
	c->listener = conn->listener;
	c->conn_id = conn->id;
	if (conn->listener < ls->n &&
	    !sock_is_any(&ls->addr[conn->listener].addr))
		c->local = ls->addr[conn->listener].addr;
	else
		sock_local(conn->io.fd, &c->local);
}

static bool
is_gathered(const struct req *r)
{
	return r->body != BODY_OPEN || r->expects ||
	    bytes_len(&r->in) >= GATHER;
}

static void
wsgi_start(struct req *r)
{
	struct pystate *st = state_of(r->shard->py);
	struct call *c = call_new(st, r);

	if (!c) {
		req_release(r);
		return;
	}
	r->app = c;
	c->head = r;
	note_addresses(c, r->conn);
	if (is_gathered(r)) {
		enqueue(c);
		return;
	}
	c->gathering = true;
	req_want(r);
}

static void
wsgi_body(struct req *r)
{
	struct call *c = r->app;

	if (!c->gathering) {
		if (c->wish == WISH_READ)
			go_on(c);
		return;
	}
	if (r->body == BODY_CUT)
		finish(c);
	else if (is_gathered(r))
		enqueue(c);
	else
		req_want(r);
}

static void
wsgi_room(struct req *r)
{
	struct call *c = r->app;

	if (c->wish == WISH_WRITE || c->wish == WISH_END)
		go_on(c);
}

static void
wsgi_gone(struct req *r)
{
	struct call *c = r->app;

	if (!r->lost)
		return;
	if (c->gathering) {
		finish(c);
	} else if (!list_empty(&c->node)) {
		c->st->wsgi->n_waiting--;
		finish(c);
	} else if (c->waits || c->wish == WISH_END) {
		go_on(c);
	}
}

const struct app_ops wsgi_ops = {
	.start = wsgi_start,
	.body = wsgi_body,
	.room = wsgi_room,
	.gone = wsgi_gone,
};

unsigned
wsgi_n_waiting(struct pystate *st)
{
	return st->wsgi->n_waiting;
}

unsigned
wsgi_n_running(struct pystate *st)
{
	return st->wsgi->running;
}

bool
wsgi_is_due(struct pystate *st, unsigned max_calls)
{
	return st->wsgi->n_waiting > 0 && st->wsgi->running < max_calls;
}

struct call *
wsgi_next(struct pystate *st, unsigned max_calls)
{
	struct wsgi *w = st->wsgi;
	struct call *c;

	if (!wsgi_is_due(st, max_calls))
		return NULL;
	c = container_of(list_pop(&w->waiting), struct call, node);
	w->n_waiting--;
	if (++w->running == max_calls)
		wpool_set_full(st->wpool, true);
	if (bytes_len(&c->req->in) > 0 || c->req->body != BODY_OPEN)
		take_body(c);
	return c;
}

/* Keeps what is left of c->data, so that its Python object may go. */
static void
keep_rest(struct call *c)
{
	size_t left = c->n - c->at;

	c->copy = left > 0 ? mem_try(left) : NULL;
	if (left > 0 && !c->copy) {
		/* Short then: the client will see a cut response. */
		left = 0;
	}
	if (left > 0)
		memcpy(c->copy, c->data + c->at, left);
	c->data = c->copy;
	c->n = left;
	c->at = 0;
}

void
wsgi_end(struct call *c)
{
	note_end(c->st);
	c->wish = WISH_END;
	if (!c->whole || send_some(c)) {
		Py_CLEAR(c->last);
		finish(c);
		return;
	}
	keep_rest(c);
	Py_CLEAR(c->last);
}

void
wsgi_hand_over(struct call *c)
{
	keep_rest(c);
	Py_CLEAR(c->last);
	post(c, c->whole ? WISH_END : WISH_DROP);
}

/* ---- the thread's side ---- */

/* Has the holder fulfil <wish>, and waits for it. */
static void
ask(struct call *c, enum call_wish wish)
{
	struct wpool *p = c->st->wpool;

	if (wpool_take(p)) {
		bool done;

		c->wish = wish;
		done = fulfil(c);
		c->waits = !done;
		if (done)
			c->wish = WISH_NONE;
		wpool_offer(p, !done);
		if (done)
			return;
	} else {
		post(c, wish);
	}
	wpool_wait(c->thread);
}

static int
raise_left(void)
{
	PyErr_SetString(PyExc_OSError, "the client has left");
	return -1;
}

int
wsgi_fill(struct call *c)
{
	if (c->n_in > c->in_at)
		return 1;
	if (!c->in_end) {
		ask(c, WISH_READ);
		if (c->n_in > c->in_at)
			return 1;
	}
	if (!c->in_cut)
		return 0;
	PyErr_SetString(PyExc_OSError, "the request's body was cut: the "
	    "client left, or broke off");
	return -1;
}

void
wsgi_hint(struct call *c, struct res *h)
{
	c->hint = h;
	ask(c, WISH_HINT);
	c->hint = NULL;
}

/* A block has come that is to be sent; -1: it may not be. */
static int
check_block(struct call *c)
{
	if (!c->has_head) {
		PyErr_SetString(PyExc_AssertionError, "the body came before "
		    "start_response was called");
		return -1;
	}
	if (c->lost)
		return raise_left();
	if (!c->head_out) {
		c->head_out = true;
		/* Without a body none can be too long. */
		c->length = res_has_no_body(&c->res, c->head) ? -1 :
		    c->res.length;
	}
	return 0;
}

/* <n> bytes at <p>, or of c->file. */
static int
write_block(struct call *c, const char *p, size_t n)
{
	bool over = false;

	if (check_block(c) == -1)
		return -1;
	if (c->length >= 0 && n > (uint64_t)c->length - c->sent) {
		n = (size_t)((uint64_t)c->length - c->sent);
		over = true;
	}
	c->sent += n;
	c->data = p;
	c->n = n;
	c->at = 0;
	c->whole = c->length >= 0 && c->sent == (uint64_t)c->length;
	if (n > 0)
		ask(c, WISH_WRITE);
	c->data = NULL;
	c->n = 0;
	c->at = 0;
	if (over) {
		PyErr_SetString(PyExc_ValueError, "the response's body is "
		    "longer than its Content-Length; the rest was dropped");
		return -1;
	}
	return c->lost ? raise_left() : 0;
}

int
wsgi_write(struct call *c, const char *p, size_t n)
{
	return write_block(c, p, n);
}

int
wsgi_write_file(struct call *c, struct file *f, uint64_t at, size_t n)
{
	int err;

	c->file = f;
	c->from = at;
	err = write_block(c, NULL, n);
	c->file = NULL;
	return err;
}

static int
check_bytes(PyObject *item)
{
	if (PyBytes_Check(item))
		return 0;
	PyErr_Format(PyExc_TypeError, "the WSGI application's iterable must "
	    "give bytes, not %.100s", Py_TYPE(item)->tp_name);
	return -1;
}

static int
take_each(struct call *c, PyObject *result)
{
	PyObject *it = PyObject_GetIter(result), *item;
	int err = it ? 0 : -1;

	while (!err && (item = PyIter_Next(it))) {
		err = check_bytes(item);
		/* An empty block is how a generator says "not yet". */
		if (!err && PyBytes_GET_SIZE(item) > 0)
			err = wsgi_write(c, PyBytes_AS_STRING(item),
			    (size_t)PyBytes_GET_SIZE(item));
		Py_DECREF(item);
	}
	if (PyErr_Occurred())
		err = -1;
	Py_XDECREF(it);
	return err;
}

/* A list or tuple: the whole body, sent when the call is over. */
static int
take_list(struct call *c, PyObject *list)
{
	Py_ssize_t n = PySequence_Fast_GET_SIZE(list);

	for (Py_ssize_t i = 0; i < n; i++)
		if (check_bytes(PySequence_Fast_GET_ITEM(list, i)) == -1)
			return -1;
	if (c->head_out)		/* write() was used */
		return take_each(c, list);
	if (n == 1)
		c->last = Py_NewRef(PySequence_Fast_GET_ITEM(list, 0));
	else
		c->last = PyObject_CallMethodOneArg(c->st->empty_bytes,
		    c->st->s.join, list);
	return c->last ? 0 : -1;
}

/* The last block, and the length against what was declared. */
static int
take_end(struct call *c)
{
	if (!c->has_head) {
		PyErr_SetString(PyExc_AssertionError, "the WSGI application "
		    "returned without calling start_response");
		return -1;
	}
	c->whole = true;
	c->data = "";
	c->n = 0;
	c->at = 0;
	if (!c->last)
		return 0;
	c->data = PyBytes_AS_STRING(c->last);
	c->n = (size_t)PyBytes_GET_SIZE(c->last);
	if (!res_has_no_body(&c->res, c->head) && c->res.length >= 0 &&
	    c->n > (uint64_t)c->res.length) {
		c->n = (size_t)c->res.length;
		PyErr_SetString(PyExc_ValueError, "the response's body is "
		    "longer than its Content-Length; the rest was dropped");
		return -1;
	}
	return 0;
}

/* close() of what the application returned, once, whatever happened. */
static void
close_result(struct call *c, PyObject *result)
{
	PyObject *error = PyErr_GetRaisedException();
	PyObject *close, *r = NULL;

	if (PyObject_GetOptionalAttr(result, c->st->s.close, &close) == 1) {
		r = PyObject_CallNoArgs(close);
		Py_DECREF(close);
		Py_XDECREF(r);
	}
	if (PyErr_Occurred())
		exc_log(c->st, "close() of the WSGI application's result "
		    "failed", c->head);
	PyErr_SetRaisedException(error);
}

static void
take_result(struct call *c, PyObject *result)
{
	bool plain = PyList_CheckExact(result) || PyTuple_CheckExact(result);
	int err;

	if (plain)
		err = take_list(c, result);
	else if (!Py_IS_TYPE(result, c->st->wsgi_wrapper_type) ||
	    (err = wsgi_send_file(c, result)) == 0)
		err = take_each(c, result);
	if (err >= 0)
		err = take_end(c);
	if (!plain)
		close_result(c, result);
	if (!err)
		return;
	if (c->lost)
		exc_log_left(c->st, c->head);
	else
		exc_log(c->st, "Exception in the WSGI application", c->head);
	/* Too long: what was declared is whole, and goes out. */
	if (!c->last)
		c->whole = false;
}

void
wsgi_run(struct call *c, struct wthread *w)
{
	struct pystate *st = c->st;
	PyObject *start = NULL, *environ = NULL, *result = NULL;
	PyObject *input = wsgi_input_new(c);

	c->thread = w;
	if (input)
		start = wsgi_start_new(c);
	if (start)
		environ = wsgi_environ(st->wsgi->env, c, input);
	if (environ) {
		PyObject *argv[3] = { NULL, environ, start };

		result = PyObject_Vectorcall(st->app, argv + 1,
		    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	}
	if (result)
		take_result(c, result);
	else if (c->lost)
		exc_log_left(st, c->head);
	else
		exc_log(st, "Exception in the WSGI application", c->head);
	wsgi_io_end(start, input);
	Py_XDECREF(result);
	Py_XDECREF(environ);
	Py_XDECREF(start);
	Py_XDECREF(input);
}

/* ---- set-up ---- */

int
wsgi_add_types(struct pystate *st, PyObject *module)
{
	return wsgi_io_add_types(st, module) == -1 ||
	    wsgi_file_add_types(st, module) == -1 ? -1 : 0;
}

static unsigned
calls_of(const struct conf *conf)
{
	return conf->blocking_threads > 0 ? (unsigned)conf->blocking_threads :
	    CALLS_AUTO;
}

int
wsgi_setup(struct pystate *st)
{
	unsigned calls = calls_of(st->shard->conf);

	st->wsgi = mem_try_zero(sizeof(*st->wsgi));
	if (!st->wsgi) {
		PyErr_NoMemory();
		return -1;
	}
	st->wsgi->max_calls = calls;
	list_init(&st->wsgi->waiting);
	list_init(&st->wsgi->kept);
	st->wsgi->env = wsgi_env_new(st, calls > 1);
	if (!st->wsgi->env)
		return -1;
	st->wpool = wpool_new(st, calls);
	if (!st->wpool) {
		PyErr_SetString(PyExc_MemoryError, "no thread could be made");
		return -1;
	}
	return 0;
}

void
wsgi_serve(struct pystate *st)
{
	wpool_serve(st->wpool);
}
