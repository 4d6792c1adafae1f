/* See LICENSE for the terms. */
#include "interp/subscription.h"

#include <string.h>

#include "core/mem.h"
#include "core/relay.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/channel.h"
#include "interp/flow.h"
#include "interp/state.h"

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
	if (channel_may_touch(sub->st))
		inlet_free(in);
	else
		inbox_post(&in->shard->inbox, &in->shard->loop, &in->letter);
}

void
subscription_end_all(struct pystate *st)
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
		channel_set_forked("subscribe");
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

		if (channel_name(PyTuple_GET_ITEM(sub->channels, i),
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

	/*
	 * While the application is imported there is none yet, and WSGI has
	 * none: there the shard is no thread's in particular.
	 */
	if (!sub->st->loop || PyThreadState_Get() != sub->st->shard_ts) {
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
	/* Another task may wait for a message: it is told, too. */
	flow_wake(sub->st, &sub->waiters);
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
		if (channel_name(PyTuple_GET_ITEM(channels, i), &name) == -1)
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

/* ---- the type ---------------------------------------------------------- */

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
	{ "Subscription", mod_subscription, METH_VARARGS, NULL },
	{ "use_message", mod_use_message, METH_O, NULL },
	{ NULL, NULL, 0, NULL }
};

int
subscription_add_type(struct pystate *st, PyObject *module)
{
	list_init(&st->inlets);
	st->subscription_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &sub_spec, NULL);
	if (!st->subscription_type)
		return -1;
	return PyModule_AddFunctions(module, methods);
}
