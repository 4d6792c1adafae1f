/* See LICENSE for the terms. */
#include "interp/channel.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "core/mem.h"
#include "core/relay.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/asgi_priv.h"
#include "interp/flow.h"
#include "interp/mod.h"
#include "interp/rsgi_priv.h"
#include "interp/state.h"
#include "proto/sse.h"
#include "proto/ws.h"
#include "proto/wsock.h"

/* A message that waits for a Subscription. */
struct kept {
	struct kept *next;
	struct seg *seg;
	struct str data;		/* in <seg> */
	uint64_t offset;
	uint64_t lost;			/* just before it */
	enum ring_kind kind;
	uint8_t n_channel;
	char channel[];
};

struct subscription;

/* The deliver step's part of a Subscription. */
struct inlet {
	struct list node;		/* in st->inlets */
	struct letter letter;
	struct member member;
	struct work work;
	struct shard *shard;
	struct subscription *owner;	/* not held; NULL: collected */
	struct kept *first, *last;
	uint64_t bytes;			/* of all that is kept */
	uint64_t lost;			/* before the next that comes */
};

struct subscription {
	PyObject_HEAD
	struct pystate *st;
	PyObject *channels;		/* a tuple of str */
	PyObject *waiters;		/* flow.h */
	struct inlet *inlet;		/* while it is entered */
};

/* ---- what is common ---------------------------------------------------- */

/* The channel's name; -1 with an exception. */
static int
get_channel(PyObject *channel, struct str *name)
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

static bool
on_shard_thread(const struct pystate *st)
{
	return PyThreadState_Get() == st->shard_ts;
}

/*
 * Whether this thread may touch the shard's members.  Another one that has the
 * GIL while the shard's thread is within Python may: what waits for the GIL
 * touches nothing, and where it gave the GIL away all is as it should be.
 * (A letter would wait for the next turn, which may wait for this thread.)
 */
static bool
may_touch(const struct pystate *st)
{
	return st->in_python || on_shard_thread(st);
}

static void
set_forked(const char *what)
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
	set_forked("publish");
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
	if (get_channel(args[0], &channel) == -1)
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
 * By whom may_touch(); on the shard's thread without the GIL, too.  False: it
 * is none of ours.
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
		result = may_touch(st) ?
		    join_now(st, connection, channel, leaves) :
		    join_elsewhere(st, connection, channel, leaves);
	if (result >= 0)
		return result;
	if (result == -ECHILD)
		set_forked(leaves ? "leave" : "join");
	else if (result == -ENOTCONN)
		PyErr_SetString(PyExc_OSError, "the WebSocket is not accepted "
		    "or the response not begun; or it is over");
	else if (result == -EPROTOTYPE)
		PyErr_SetString(PyExc_ValueError, "a response that joins a "
		    "channel is of content-type text/event-stream, and has no "
		    "content-length");
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
	if (get_channel(args[1], &channel) == -1)
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
	if (get_channel(given, &channel) == -1)
		return -1;
	if (!joins && !leaves)
		return publish_message(st, channel, msg);
	return join_or_leave(st, (PyObject *)ex, channel, leaves) == -1 ?
	    -1 : 1;
}

/* ---- the inlet --------------------------------------------------------- */

static void
drop_first(struct inlet *in)
{
	struct kept *k = in->first;

	in->first = k->next;
	in->bytes -= sizeof(*k) + k->data.n;
	seg_unref(k->seg);
	mem_free(k);
}

/* Room for <n> more bytes: the oldest go, and are told of. */
static void
make_room(struct inlet *in, uint64_t n)
{
	uint64_t max = (uint64_t)in->shard->conf->subscriber_buffer;

	while (in->first && in->bytes + n > max) {
		uint64_t lost = in->first->lost + 1;

		relay_drop(&in->shard->relay);
		drop_first(in);
		if (in->first)
			in->first->lost += lost;
		else
			in->lost += lost;
	}
}

static void
keep_one(struct inlet *in, const struct post *p)
{
	struct relay *r = &in->shard->relay;
	struct seg *seg;
	struct str data;
	struct kept *k;

	make_room(in, sizeof(*k) + p->data.n);
	seg = relay_keep(r, p, &data);
	k = seg ? mem_try(sizeof(*k) + p->channel.n) : NULL;
	if (!k) {
		seg_unref(seg);
		relay_drop(r);
		in->lost++;
		return;
	}
	*k = (struct kept){ .seg = seg, .data = data,
	                    .offset = p->offset, .lost = in->lost,
	                    .kind = p->kind,
	                    .n_channel = (uint8_t)p->channel.n };
	memcpy(k->channel, p->channel.p, p->channel.n);
	in->lost = 0;
	in->bytes += sizeof(*k) + p->data.n;
	if (in->first)
		in->last->next = k;
	else
		in->first = k;
	in->last = k;
	work_queue(&in->shard->loop, &in->work);
}

/* member_fn: without the GIL. */
static unsigned
keep(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	struct inlet *in = container_of(m, struct inlet, member);

	in->lost += lost;
	for (unsigned i = 0; i < n; i++)
		keep_one(in, &p[i]);
	return n;
}

static void
on_work(struct work *w)
{
	struct inlet *in = container_of(w, struct inlet, work);

	if (in->owner)
		flow_wake(in->owner->st, &in->owner->waiters);
}

static void
inlet_free(struct inlet *in)
{
	relay_leave_all(&in->shard->relay, &in->member);
	list_del(&in->node);
	list_del(&in->work.node);
	while (in->first)
		drop_first(in);
	mem_free(in);
}

static void
on_free(struct letter *l, struct shard *s)
{
	(void)s;
	inlet_free(container_of(l, struct inlet, letter));
}

/* ---- Subscription ------------------------------------------------------ */

static void
detach(struct subscription *sub)
{
	struct inlet *in = sub->inlet;

	if (!in)
		return;
	sub->inlet = NULL;
	in->owner = NULL;
	if (may_touch(sub->st))
		inlet_free(in);
	else
		inbox_post(&in->shard->inbox, &in->shard->loop, &in->letter);
}

void
channel_end(struct pystate *st)
{
	struct list *n;

	inbox_read(&st->shard->inbox, st->shard);
	while ((n = list_first(&st->inlets))) {
		struct inlet *in = container_of(n, struct inlet, node);

		in->owner->inlet = NULL;
		inlet_free(in);
	}
}

static int
attach(struct subscription *sub)
{
	struct pystate *st = sub->st;
	struct shard *s = st->shard;
	struct inlet *in = NULL;

	if (!relay_is_alive(&s->relay)) {
		set_forked("subscribe");
		return -1;
	}
	in = mem_try(sizeof(*in));
	if (!in) {
		PyErr_NoMemory();
		return -1;
	}
	memset(in, 0, sizeof(*in));
	in->letter.fn = on_free;
	in->shard = s;
	in->owner = sub;
	member_init(&in->member, keep);
	work_init(&in->work, on_work);
	list_add_tail(&st->inlets, &in->node);
	sub->inlet = in;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sub->channels); i++) {
		struct str name;

		if (get_channel(PyTuple_GET_ITEM(sub->channels, i),
		    &name) == -1)
			goto fail;
		if (relay_join(&s->relay, &in->member, name) != 0) {
			PyErr_NoMemory();
			goto fail;
		}
	}
	return 0;
fail:
	detach(sub);
	return -1;
}

/* flow_fn of __aenter__() */
static int
entered(PyObject *self, PyObject **result)
{
	struct subscription *sub = (struct subscription *)self;

	if (!on_shard_thread(sub->st)) {
		PyErr_SetString(PyExc_RuntimeError, "subscribe() is for the "
		    "shard's event loop, not for another thread's");
		return -1;
	}
	if (sub->inlet) {
		PyErr_SetString(PyExc_RuntimeError, "this subscription is "
		    "entered already");
		return -1;
	}
	if (attach(sub) == -1)
		return -1;
	*result = Py_NewRef(self);
	return 1;
}

static PyObject *
sub_enter(PyObject *self, PyObject *unused)
{
	struct subscription *sub = (struct subscription *)self;

	(void)unused;
	return flow_new(sub->st, self, &sub->waiters, entered);
}

static PyObject *
sub_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct subscription *sub = (struct subscription *)self;

	(void)args;
	(void)n;
	detach(sub);
	return Py_NewRef(sub->st->done);
}

static PyObject *
message_of(struct pystate *st, const struct kept *k)
{
	const char *p = k->data.p;
	Py_ssize_t n = (Py_ssize_t)k->data.n;
	PyObject *channel = PyUnicode_DecodeUTF8(k->channel, k->n_channel,
	    NULL);
	PyObject *data = k->kind == RING_TEXT ?
	    PyUnicode_DecodeUTF8(p, n, NULL) : PyBytes_FromStringAndSize(p, n);

	if (channel && data)
		return PyObject_CallFunction(st->message_type, "NNKK", channel,
		    data, (unsigned long long)k->offset,
		    (unsigned long long)k->lost);
	Py_XDECREF(channel);
	Py_XDECREF(data);
	return NULL;
}

/* flow_fn of __anext__() */
static int
next_message(PyObject *self, PyObject **result)
{
	struct subscription *sub = (struct subscription *)self;
	struct inlet *in = sub->inlet;

	if (!in) {
		PyErr_SetString(PyExc_RuntimeError, "a subscription is used by "
		    "async with: this one is not entered, or left");
		return -1;
	}
	if (!in->first)
		return 0;
	*result = message_of(sub->st, in->first);
	drop_first(in);
	return *result ? 1 : -1;
}

static PyObject *
sub_next(PyObject *self)
{
	struct subscription *sub = (struct subscription *)self;

	return flow_new(sub->st, self, &sub->waiters, next_message);
}

static PyObject *
sub_iter(PyObject *self)
{
	return Py_NewRef(self);
}

/* Subscription(channels): a tuple of str, looked at when it is entered. */
static PyObject *
mod_subscription(PyObject *module, PyObject *channels)
{
	struct pystate *st = PyModule_GetState(module);
	struct subscription *sub;
	struct str name;

	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(channels); i++)
		if (get_channel(PyTuple_GET_ITEM(channels, i), &name) == -1)
			return NULL;
	sub = PyObject_New(struct subscription, st->subscription_type);
	if (!sub)
		return NULL;
	sub->st = st;
	sub->channels = Py_NewRef(channels);
	sub->waiters = NULL;
	sub->inlet = NULL;
	return (PyObject *)sub;
}

static void
sub_dealloc(PyObject *self)
{
	struct subscription *sub = (struct subscription *)self;
	PyTypeObject *type = Py_TYPE(self);

	detach(sub);
	Py_XDECREF(sub->waiters);
	Py_DECREF(sub->channels);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef sub_methods[] = {
	{ "__aenter__", sub_enter, METH_NOARGS, NULL },
	{ "__aexit__", PY_METHOD(sub_exit), METH_FASTCALL, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot sub_slots[] = {
	{ Py_tp_dealloc, sub_dealloc },
	{ Py_am_aiter, sub_iter },
	{ Py_am_anext, sub_next },
	{ Py_tp_methods, sub_methods },
	{ 0, NULL }
};

static PyType_Spec sub_spec = {
	.name = "_shoal.Subscription",
	.basicsize = sizeof(struct subscription),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = sub_slots,
};

/* ---- the module -------------------------------------------------------- */

static PyObject *
mod_use_message(PyObject *module, PyObject *type)
{
	struct pystate *st = PyModule_GetState(module);
	PyObject *old = st->message_type;

	st->message_type = Py_NewRef(type);
	Py_XDECREF(old);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "publish", PY_METHOD(mod_publish), METH_FASTCALL, NULL },
	{ "join", PY_METHOD(mod_join), METH_FASTCALL, NULL },
	{ "leave", PY_METHOD(mod_leave), METH_FASTCALL, NULL },
	{ "Subscription", mod_subscription, METH_VARARGS, NULL },
	{ "use_message", mod_use_message, METH_O, NULL },
	{ NULL, NULL, 0, NULL }
};

int
channel_add_types(struct pystate *st, PyObject *module)
{
	list_init(&st->inlets);
	st->subscription_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &sub_spec, NULL);
	if (!st->subscription_type)
		return -1;
	return PyModule_AddFunctions(module, methods);
}
