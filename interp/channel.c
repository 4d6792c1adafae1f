/* See LICENSE for the terms. */
#include "interp/channel.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "core/relay.h"
#include "core/shard.h"
#include "core/shm.h"
#include "core/util.h"
#include "interp/asgi_priv.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/sse.h"
#include "proto/ws.h"
#include "proto/wsock.h"

/* ---- what is common ---------------------------------------------------- */

int
channel_name(PyObject *channel, struct str *name)
{
	Py_ssize_t n;

	if (!PyUnicode_Check(channel)) {
		PyErr_Format(PyExc_TypeError, "a channel is a str, not %.100s",
		    Py_TYPE(channel)->tp_name);
		return -1;
	}
	name->p = PyUnicode_AsUTF8AndSize(channel, &n);
	if (!name->p)
		return -1;
	name->n = (size_t)n;
	if (n >= 1 && n <= (Py_ssize_t)RING_NAME_MAX)
		return 0;
	PyErr_Format(PyExc_ValueError, "a channel's name has 1 to %u bytes of "
	    "UTF-8, not %zd", RING_NAME_MAX, n);
	return -1;
}

bool
channel_may_touch(const struct pystate *st)
{
	return st->in_python || PyThreadState_Get() == st->shard_ts;
}

void
channel_set_forked(const char *what)
{
	PyErr_Format(PyExc_RuntimeError, "this process was forked by the "
	    "application, or its shard has ended: it cannot %s", what);
}

/* ---- publish ----------------------------------------------------------- */

static PyObject *
publish_failed(struct pystate *st, int err, size_t n)
{
	if (err == -EMSGSIZE)
		return PyErr_Format(PyExc_ValueError, "a message has at most "
		    "%llu bytes here, not %zu: --ring-size is four times as "
		    "much", (unsigned long long)ring_data_max(
		    st->shard->relay.ring), n);
	if (err != -ECHILD)
		return PyErr_Format(PyExc_OSError, "publish: %s",
		    strerror(-err));
	channel_set_forked("publish");
	return NULL;
}

/* With the frame's head, so that no receiver has to make one. */
static PyObject *
publish(struct pystate *st, struct str channel, struct str data,
    enum ring_kind kind)
{
	unsigned char head[WS_HEAD_MAX];
	struct ring_msg m = {
		.channel = channel, .data = data, .kind = kind,
		.head = { (char *)head, ws_head(head, kind == RING_TEXT ?
		    WS_TEXT : WS_BINARY, data.n) },
	};
	uint64_t offset;
	int err = relay_publish(&st->shard->relay, &m, &offset);

	return err ? publish_failed(st, err, data.n) :
	    PyLong_FromUnsignedLongLong(offset);
}

static PyObject *
publish_object(struct pystate *st, struct str channel, PyObject *object)
{
	struct str data;
	Py_ssize_t size;

	if (PyUnicode_Check(object)) {
		data.p = PyUnicode_AsUTF8AndSize(object, &size);
		data.n = (size_t)size;
		return data.p ? publish(st, channel, data, RING_TEXT) : NULL;
	}
	if (PyBytes_Check(object)) {
		data.p = PyBytes_AS_STRING(object);
		data.n = (size_t)PyBytes_GET_SIZE(object);
		return publish(st, channel, data, RING_BYTES);
	}
	return PyErr_Format(PyExc_TypeError, "a message is str or bytes, not "
	    "%.100s", Py_TYPE(object)->tp_name);
}

static PyObject *
mod_publish(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
	struct str channel;

	if (n != 2)
		return PyErr_Format(PyExc_TypeError, "publish() takes a "
		    "channel and data, not %zd arguments", n);
	if (channel_name(args[0], &channel) == -1)
		return NULL;
	return publish_object(PyModule_GetState(module), channel, args[1]);
}

/* ---- join and leave ---------------------------------------------------- */

/* What can be in a channel; both are NULL: not yet, or no longer. */
struct target {
	struct wsock *ws;
	struct req *req;		/* whose response is an event stream */
};

/*
 * By whom channel_may_touch(); on the shard's thread without the GIL, too.
 * False: it is none of ours.
 */
static bool
target_of(struct pystate *st, PyObject *connection, struct target *t)
{
	const struct exchange *ex = (struct exchange *)connection;

	*t = (struct target){ NULL, NULL };
	if (Py_TYPE(connection) != st->exchange_type)
		return rsgi_ws_of(st, connection, &t->ws) ||
		    rsgi_stream_of(st, connection, &t->req);
	t->ws = ex->ws;
	if (ex->phase == ASGI_WS_NONE && !ex->told)
		t->req = ex->req;
	return true;
}

/* The shard's part of a join or leave, which another thread waits for. */
struct joining {
	struct letter letter;
	struct pystate *st;
	PyObject *connection;		/* the waiting thread holds it */
	struct str channel;		/* the waiting thread's */
	bool leaves;
	int result;
	sem_t done;
};

/* scope["shoal.connection"], borrowed; NULL: there is none, or an exception. */
static PyObject *
connection_in(struct pystate *st, PyObject *scope)
{
	struct target t;
	PyObject *found = PyDict_Check(scope) ?
	    PyDict_GetItemWithError(scope, st->s.connection) : NULL;

	return found && target_of(st, found, &t) ? found : NULL;
}

/* A new reference to what is ours of <given>; NULL with an exception. */
static PyObject *
connection_of(struct pystate *st, PyObject *given)
{
	PyObject *scope = NULL, *found = NULL;
	struct target t;

	if (target_of(st, given, &t))
		return Py_NewRef(given);
	if (PyDict_Check(given))
		scope = Py_NewRef(given);
	else if (PyObject_GetOptionalAttr(given, st->s.scope, &scope) == -1)
		return NULL;
	if (scope)
		found = Py_XNewRef(connection_in(st, scope));
	if (!found && !PyErr_Occurred())
		PyErr_Format(PyExc_TypeError, "%.100s is nothing that can join "
		    "a channel: an accepted WebSocket, an event stream's "
		    "request, its ASGI scope, or an RSGI transport",
		    Py_TYPE(given)->tp_name);
	Py_XDECREF(scope);
	return found;
}

/* As target_of(). */
static int
join_now(struct pystate *st, PyObject *connection, struct str channel,
    bool leaves)
{
	struct target t;

	target_of(st, connection, &t);
	if (t.ws)
		return leaves ? wsock_leave(t.ws, channel) :
		    wsock_join(t.ws, channel);
	if (t.req)
		return leaves ? sse_leave(t.req, channel) :
		    sse_join(t.req, channel);
	return leaves ? 0 : -ENOTCONN;
}

static void
on_joining(struct letter *l, struct shard *s)
{
	struct joining *j = container_of(l, struct joining, letter);

	(void)s;
	j->result = join_now(j->st, j->connection, j->channel, j->leaves);
	sem_post(&j->done);
}

/* While the shard's thread is out of Python, and before it comes back. */
static int
join_elsewhere(struct pystate *st, PyObject *connection, struct str channel,
    bool leaves)
{
	struct joining j = { .letter.fn = on_joining, .st = st,
	                     .connection = connection, .channel = channel,
	                     .leaves = leaves };

	sem_init(&j.done, 0, 0);
	inbox_post(&st->shard->inbox, &st->shard->loop, &j.letter);
	Py_BEGIN_ALLOW_THREADS
	while (sem_wait(&j.done) == -1 && errno == EINTR)
		;
	Py_END_ALLOW_THREADS
	sem_destroy(&j.done);
	return j.result;
}

/* 1: it left; 0; -1 with an exception. */
static int
join_or_leave(struct pystate *st, PyObject *connection, struct str channel,
    bool leaves)
{
	int result = -ECHILD;

	if (relay_is_alive(&st->shard->relay))
		result = channel_may_touch(st) ?
		    join_now(st, connection, channel, leaves) :
		    join_elsewhere(st, connection, channel, leaves);
	if (result >= 0)
		return result;
	if (result == -ECHILD)
		channel_set_forked(leaves ? "leave" : "join");
	else if (result == -ENOTCONN)
		PyErr_SetString(PyExc_OSError, "the WebSocket is not accepted "
		    "or the response not begun; or it is over");
	else if (result == -EPROTOTYPE)
		PyErr_SetString(PyExc_ValueError, "a response that joins a "
		    "channel is of content-type text/event-stream, and has no "
		    "content-length or content-encoding");
	else
		PyErr_NoMemory();
	return -1;
}

static int
given_join(PyObject *module, PyObject *const *args, Py_ssize_t n, bool leaves)
{
	struct pystate *st = PyModule_GetState(module);
	PyObject *connection;
	struct str channel;
	int result;

	if (n != 2) {
		PyErr_Format(PyExc_TypeError, "%s() takes a connection and a "
		    "channel, not %zd arguments", leaves ? "leave" : "join", n);
		return -1;
	}
	if (channel_name(args[1], &channel) == -1)
		return -1;
	connection = connection_of(st, args[0]);
	if (!connection)
		return -1;
	result = join_or_leave(st, connection, channel, leaves);
	Py_DECREF(connection);
	return result;
}

static PyObject *
mod_join(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
	if (given_join(module, args, n, false) == -1)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
mod_leave(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
	int left = given_join(module, args, n, true);

	return left == -1 ? NULL : PyBool_FromLong(left);
}

/* ---- ASGI's messages --------------------------------------------------- */

/* {"type": "shoal.publish", "channel": …, "text": … or "bytes": …} */
static int
publish_message(struct pystate *st, struct str channel, PyObject *msg)
{
	PyObject *text = PyDict_GetItemWithError(msg, st->s.text);
	PyObject *bytes = PyDict_GetItemWithError(msg, st->s.bytes);
	PyObject *offset;

	if (PyErr_Occurred())
		return -1;
	if (text == Py_None)
		text = NULL;
	if (bytes == Py_None)
		bytes = NULL;
	if (!text == !bytes) {
		PyErr_SetString(PyExc_ValueError, "shoal.publish: text or "
		    "bytes, one of both");
		return -1;
	}
	offset = publish_object(st, channel, text ? text : bytes);
	Py_XDECREF(offset);
	return offset ? 1 : -1;
}

int
channel_message(struct exchange *ex, PyObject *type, PyObject *msg)
{
	struct pystate *st = ex->task.st;
	bool joins = asgi_is(type, st->s.shoal_join);
	bool leaves = asgi_is(type, st->s.shoal_leave);
	PyObject *given;
	struct str channel;

	if (!joins && !leaves && !asgi_is(type, st->s.shoal_publish))
		return 0;
	given = PyDict_GetItemWithError(msg, st->s.channel);
	if (!given) {
		if (!PyErr_Occurred())
			PyErr_Format(PyExc_ValueError, "%S: the message has no "
			    "\"channel\"", type);
		return -1;
	}
	if (channel_name(given, &channel) == -1)
		return -1;
	if (!joins && !leaves)
		return publish_message(st, channel, msg);
	return join_or_leave(st, (PyObject *)ex, channel, leaves) == -1 ?
	    -1 : 1;
}

/* ---- the module -------------------------------------------------------- */

/* Of one shard, since the server's start: of its slots in both parities. */
static PyObject *
counters_of(const struct shm *m, unsigned shard)
{
	enum { PUBLISHED, BYTES, DELIVERED, LOST, DROPPED, WAKES, N };
	unsigned long long n[N] = { 0 };

	for (unsigned parity = 0; parity < SHM_PARITIES; parity++) {
		struct slot *s = shm_slot(m, parity, shard);
		_Atomic uint64_t *from[N] = { &s->published,
			&s->published_bytes, &s->delivered, &s->lost,
			&s->dropped, &s->wakes };

		for (unsigned i = 0; i < N; i++)
			n[i] += atomic_load_explicit(from[i],
			    memory_order_relaxed);
	}
	return Py_BuildValue("{sKsKsKsKsKsK}", "published", n[PUBLISHED],
	    "bytes", n[BYTES], "delivered", n[DELIVERED], "lost", n[LOST],
	    "dropped", n[DROPPED], "wakes", n[WAKES]);
}

static PyObject *
mod_counters(PyObject *module, PyObject *unused)
{
	const struct pystate *st = PyModule_GetState(module);
	const struct shm *m = st->shard->start->shm;
	PyObject *list = PyList_New((Py_ssize_t)m->shards);

	(void)unused;
	for (unsigned i = 0; list && i < m->shards; i++) {
		PyObject *one = counters_of(m, i);

		if (one)
			PyList_SET_ITEM(list, (Py_ssize_t)i, one);
		else
			Py_CLEAR(list);
	}
	return list;
}

static PyMethodDef methods[] = {
	{ "publish", PY_METHOD(mod_publish), METH_FASTCALL, NULL },
	{ "join", PY_METHOD(mod_join), METH_FASTCALL, NULL },
	{ "leave", PY_METHOD(mod_leave), METH_FASTCALL, NULL },
	{ "counters", mod_counters, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

int
channel_add_functions(PyObject *module)
{
	return PyModule_AddFunctions(module, methods);
}
