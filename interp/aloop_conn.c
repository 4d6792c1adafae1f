/* See LICENSE for the terms. */
/*
 * The frequent part of asyncio's transport for the application's own TCP
 * connections: what came is read and given to the protocol, what is written is
 * sent at once.  All else, and whatever is unusual, is asyncio's own, on the
 * same attributes: loop.py makes slots of them, found here by their places.
 *
 * A system call that waits for nothing is shorter than giving the GIL away and
 * getting it back; only a large send lets others in.
 *
 * Thread: the shard's.
 */
#include "interp/aloop_priv.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "interp/mod.h"
#include "interp/state.h"

/* As much as asyncio reads at once. */
#define PIECE (256u << 10)
/* A send of more is a copy that takes long. */
#define LARGE (64u << 10)

/* The attributes that are looked at: member, name. */
#define SLOTS(X) \
	X(loop, "_loop") \
	X(sock, "_sock") \
	X(protocol, "_protocol") \
	X(buffer, "_buffer") \
	X(conn_lost, "_conn_lost") \
	X(eof, "_eof") \
	X(empty_waiter, "_empty_waiter") \
	X(read_ready_cb, "_read_ready_cb")

/* The methods that are called: member, name. */
#define NAMES(X) \
	X(fileno, "fileno") \
	X(fatal_error, "_fatal_error") \
	X(on_eof, "_read_ready__on_eof") \
	X(data_received, "data_received") \
	X(get_buffer, "get_buffer") \
	X(buffer_updated, "buffer_updated") \
	X(join, "join") \
	X(write_rest, "_write_rest")

/* asyncio's own, for what is unusual: member, name. */
#define STOCK(X) \
	X(read, "_read_ready__data_received") \
	X(read_into, "_read_ready__get_buffer") \
	X(write, "write") \
	X(writelines, "writelines")

struct aloop_conn {
	size_t place[8];		/* of each slot in an instance */
	struct {
#define X(member, text) PyObject *member;
		NAMES(X)
	} s;
	struct {
		STOCK(X)
#undef X
	} stock;
	PyTypeObject *type;
	PyTypeObject *socket_type;	/* socket.socket */
	PyObject *zero;
	PyObject *minus_one;
	PyObject *empty;		/* b"" */
	char *scratch;			/* PIECE bytes, once there is a read */
};

/* ---- attributes ---- */

enum slot {
#define X(member, text) SLOT_##member,
	SLOTS(X)
#undef X
	N_SLOTS
};

static struct aloop_conn *
conn_of(PyObject *self)
{
	return mod_state(Py_TYPE(self))->al->conn;
}

static PyObject *
get(const struct aloop_conn *a, PyObject *self, enum slot slot)
{
	return *(PyObject **)((char *)self + a->place[slot]);
}

static bool
has(const struct aloop_conn *a, PyObject *self, enum slot slot)
{
	PyObject *o = get(a, self, slot);

	return o && o != Py_None;
}

/* Neither lost nor closed: asyncio counts from 0, which is one object. */
static bool
is_open(const struct aloop_conn *a, PyObject *self)
{
	return get(a, self, SLOT_conn_lost) == a->zero &&
	    has(a, self, SLOT_loop) && has(a, self, SLOT_protocol);
}

/* One with methods of its own is left to asyncio. */
static bool
has_ordinary_socket(const struct aloop_conn *a, PyObject *self)
{
	PyObject *sock = get(a, self, SLOT_sock);

	return sock && Py_TYPE(sock) == a->socket_type;
}

/*
 * The descriptor of an ordinary socket; -1: it is none, or closed.  It is asked
 * for each time: who closes the socket himself must not be given another's
 * bytes.
 */
static int
descriptor(const struct aloop_conn *a, PyObject *self)
{
	PyObject *n;
	int fd;

	if (!has_ordinary_socket(a, self))
		return -1;
	n = PyObject_CallMethodNoArgs(get(a, self, SLOT_sock), a->s.fileno);
	fd = n ? (int)PyLong_AsLong(n) : -1;
	Py_XDECREF(n);
	PyErr_Clear();
	return fd;
}

static bool
is_again(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* What asyncio does with the exception that is set. */
static PyObject *
fatal(const struct aloop_conn *a, PyObject *self, const char *what)
{
	PyObject *exc, *text, *r = NULL;

	if (PyErr_ExceptionMatches(PyExc_SystemExit) ||
	    PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
		return NULL;
	exc = PyErr_GetRaisedException();
	text = PyUnicode_FromString(what);
	if (text)
		r = PyObject_CallMethodObjArgs(self, a->s.fatal_error, exc,
		    text, NULL);
	Py_XDECREF(text);
	Py_DECREF(exc);
	return r;
}

static PyObject *
fatal_errno(const struct aloop_conn *a, PyObject *self, int err,
    const char *what)
{
	errno = err;
	PyErr_SetFromErrno(PyExc_OSError);
	return fatal(a, self, what);
}

/* ---- reading ---- */

#define READ_FAILED "Fatal read error on socket transport"

/* What the protocol was called with: its answer is not needed. */
static PyObject *
told(const struct aloop_conn *a, PyObject *self, PyObject *answer,
    const char *what)
{
	if (!answer)
		return fatal(a, self, what);
	Py_DECREF(answer);
	Py_RETURN_NONE;
}

/* <k> bytes came into the scratch memory: -1 and <err> if none. */
static PyObject *
received(const struct aloop_conn *a, PyObject *self, ssize_t k, int err)
{
	PyObject *protocol, *data, *r;

	if (k == -1 && is_again(err))
		Py_RETURN_NONE;
	if (k == -1)
		return fatal_errno(a, self, err, READ_FAILED);
	if (k == 0)
		return PyObject_CallMethodNoArgs(self, a->s.on_eof);
	data = PyBytes_FromStringAndSize(a->scratch, k);
	if (!data)
		return fatal(a, self, READ_FAILED);
	protocol = Py_NewRef(get(a, self, SLOT_protocol));
	r = PyObject_CallMethodOneArg(protocol, a->s.data_received, data);
	Py_DECREF(protocol);
	Py_DECREF(data);
	return told(a, self, r,
	    "Fatal error: protocol.data_received() call failed.");
}

static PyObject *
conn_read(PyObject *self, PyObject *unused)
{
	struct aloop_conn *a = conn_of(self);
	int fd = is_open(a, self) ? descriptor(a, self) : -1;
	ssize_t k;

	(void)unused;
	if (fd != -1 && !a->scratch)
		a->scratch = mem_try(PIECE);
	if (fd == -1 || !a->scratch)
		return PyObject_CallOneArg(a->stock.read, self);
	k = recv(fd, a->scratch, PIECE, MSG_DONTWAIT);
	return received(a, self, k, errno);
}

#define BUFFER_FAILED "Fatal error: protocol.get_buffer() call failed."

/* As asyncio's socket would say. */
static PyObject *
not_writable(const struct aloop_conn *a, PyObject *self, PyObject *o)
{
	PyErr_Format(PyExc_TypeError, "recv_into() argument 1 must be "
	    "read-write bytes-like object, not %.100s", Py_TYPE(o)->tp_name);
	return fatal(a, self, READ_FAILED);
}

/* Room for what comes, of the protocol; -1: *answer is the method's. */
static int
get_room(const struct aloop_conn *a, PyObject *self, PyObject *protocol,
    Py_buffer *room, PyObject **answer)
{
	PyObject *o = PyObject_CallMethodOneArg(protocol, a->s.get_buffer,
	    a->minus_one);
	int err = -1;

	if (!o) {
		*answer = fatal(a, self, BUFFER_FAILED);
		return -1;
	}
	if (PyObject_GetBuffer(o, room, PyBUF_WRITABLE) == -1) {
		PyErr_Clear();
		*answer = PyObject_Size(o) == -1 ?
		    fatal(a, self, BUFFER_FAILED) : not_writable(a, self, o);
	} else if (room->len == 0) {
		PyBuffer_Release(room);
		PyErr_SetString(PyExc_RuntimeError,
		    "get_buffer() returned an empty buffer");
		*answer = fatal(a, self, BUFFER_FAILED);
	} else {
		err = 0;
	}
	Py_DECREF(o);
	return err;
}

/* <k> bytes are in the protocol's memory. */
static PyObject *
filled(const struct aloop_conn *a, PyObject *self, PyObject *protocol,
    ssize_t k)
{
	PyObject *count = PyLong_FromSsize_t(k), *r = NULL;

	if (count)
		r = PyObject_CallMethodOneArg(protocol, a->s.buffer_updated,
		    count);
	Py_XDECREF(count);
	return told(a, self, r,
	    "Fatal error: protocol.buffer_updated() call failed.");
}

/* The same for a protocol that has memory of its own, such as asyncio's TLS. */
static PyObject *
conn_read_into(PyObject *self, PyObject *unused)
{
	struct aloop_conn *a = conn_of(self);
	PyObject *protocol, *r = NULL;
	Py_buffer room;
	ssize_t k;
	int err;

	(void)unused;
	if (!is_open(a, self) || !has_ordinary_socket(a, self))
		return PyObject_CallOneArg(a->stock.read_into, self);
	protocol = Py_NewRef(get(a, self, SLOT_protocol));
	if (get_room(a, self, protocol, &room, &r) == 0) {
		k = recv(descriptor(a, self), room.buf, (size_t)room.len,
		    MSG_DONTWAIT);
		err = errno;
		PyBuffer_Release(&room);
		if (k > 0)
			r = filled(a, self, protocol, k);
		else
			r = received(a, self, k, err);
	}
	Py_DECREF(protocol);
	return r;
}

/* What asyncio registered: which of the two it is depends on the protocol. */
static PyObject *
conn_read_ready(PyObject *self, PyObject *unused)
{
	PyObject *read = get(conn_of(self), self, SLOT_read_ready_cb), *r;

	(void)unused;
	if (!read) {
		PyErr_SetString(PyExc_AttributeError, "_read_ready_cb");
		return NULL;
	}
	/* The protocol may be replaced meanwhile. */
	Py_INCREF(read);
	r = PyObject_CallNoArgs(read);
	Py_DECREF(read);
	return r;
}

/* ---- writing ---- */

/* Nothing waits to be sent, and more may be. */
static bool
is_writable(const struct aloop_conn *a, PyObject *self)
{
	PyObject *waiting;

	if (!is_open(a, self) || get(a, self, SLOT_eof) != Py_False ||
	    get(a, self, SLOT_empty_waiter) != Py_None)
		return false;
	waiting = get(a, self, SLOT_buffer);
	if (waiting && PyObject_Size(waiting) == 0)
		return true;
	PyErr_Clear();
	return false;
}

static ssize_t
send_now(int fd, const Py_buffer *b)
{
	PyThreadState *ts;
	ssize_t k;
	int err;

	if ((size_t)b->len <= LARGE)
		return send(fd, b->buf, (size_t)b->len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	ts = PyEval_SaveThread();
	k = send(fd, b->buf, (size_t)b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	err = errno;
	PyEval_RestoreThread(ts);
	errno = err;
	return k;
}

/* The bytes from <k> on wait until the socket takes more. */
static PyObject *
send_later(const struct aloop_conn *a, PyObject *self, PyObject *data,
    ssize_t k)
{
	PyObject *sent = PyLong_FromSsize_t(k), *r = NULL;

	if (sent)
		r = PyObject_CallMethodObjArgs(self, a->s.write_rest, data,
		    sent, NULL);
	Py_XDECREF(sent);
	return r;
}

static PyObject *
stock_write(const struct aloop_conn *a, PyObject *self, PyObject *data)
{
	return PyObject_CallFunctionObjArgs(a->stock.write, self, data, NULL);
}

static PyObject *
conn_write(PyObject *self, PyObject *data)
{
	struct aloop_conn *a = conn_of(self);
	int fd = is_writable(a, self) ? descriptor(a, self) : -1, err;
	Py_buffer b;
	ssize_t k;
	bool all;

	if (fd == -1 || (!PyBytes_Check(data) && !PyByteArray_Check(data) &&
	    !PyMemoryView_Check(data)))
		return stock_write(a, self, data);
	if (PyObject_GetBuffer(data, &b, PyBUF_SIMPLE) == -1) {
		PyErr_Clear();
		return stock_write(a, self, data);
	}
	k = b.len ? send_now(fd, &b) : 0;
	err = errno;
	all = k == b.len;
	PyBuffer_Release(&b);
	if (all)
		Py_RETURN_NONE;
	if (k >= 0)
		return send_later(a, self, data, k);
	if (is_again(err))
		return stock_write(a, self, data);
	return fatal_errno(a, self, err,
	    "Fatal write error on socket transport");
}

/* Few enough bytes to be put together for one send. */
static bool
is_small(PyObject *list)
{
	PyObject *const *v;
	size_t total = 0;
	Py_ssize_t n;

	if (!PyList_CheckExact(list) && !PyTuple_CheckExact(list))
		return false;
	v = PySequence_Fast_ITEMS(list);
	n = PySequence_Fast_GET_SIZE(list);
	for (Py_ssize_t i = 0; i < n; i++) {
		if (!PyBytes_CheckExact(v[i]))
			return false;
		total += (size_t)PyBytes_GET_SIZE(v[i]);
		if (total > LARGE)
			return false;
	}
	return total > 0;
}

static PyObject *
conn_writelines(PyObject *self, PyObject *list)
{
	struct aloop_conn *a = conn_of(self);
	PyObject *data, *r;

	if (!is_small(list) || !is_writable(a, self))
		return PyObject_CallFunctionObjArgs(a->stock.writelines, self,
		    list, NULL);
	data = PyObject_CallMethodOneArg(a->empty, a->s.join, list);
	if (!data)
		return NULL;
	r = conn_write(self, data);
	Py_DECREF(data);
	return r;
}

/* ---- type ---- */

/*
 * A class was derived, whose attributes are slots: where are they?  All that
 * are derived from it have them at the same places.
 */
static PyObject *
conn_derived(PyObject *class, PyObject *unused)
{
	static const char *const names[N_SLOTS] = {
#define X(member, text) text,
		SLOTS(X)
#undef X
	};
	struct aloop_conn *a = mod_state((PyTypeObject *)class)->al->conn;

	(void)unused;
	for (unsigned i = 0; i < N_SLOTS; i++) {
		PyObject *d = PyObject_GetAttrString(class, names[i]);

		if (!d)
			return NULL;
		if (!Py_IS_TYPE(d, &PyMemberDescr_Type)) {
			Py_DECREF(d);
			return PyErr_Format(PyExc_TypeError, "%s is no slot",
			    names[i]);
		}
		a->place[i] = (size_t)((PyMemberDescrObject *)d)->d_member->
		    offset;
		Py_DECREF(d);
	}
	Py_RETURN_NONE;
}

static PyMethodDef conn_methods[] = {
	{ "write", conn_write, METH_O, NULL },
	{ "writelines", conn_writelines, METH_O, NULL },
	{ "_read_ready", conn_read_ready, METH_NOARGS, NULL },
	{ "_read_ready__data_received", conn_read, METH_NOARGS, NULL },
	{ "_read_ready__get_buffer", conn_read_into, METH_NOARGS, NULL },
	{ "__init_subclass__", conn_derived, METH_NOARGS | METH_CLASS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot conn_slots[] = {
	{ Py_tp_methods, conn_methods },
	{ 0, NULL }
};

/* No data of its own: asyncio's transport has another layout already. */
static PyType_Spec conn_spec = {
	.name = "_shoal.SocketTransport",
	.basicsize = sizeof(PyObject),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.slots = conn_slots,
};

/* What is asyncio's own. */
static int
find_stock(struct aloop_conn *a)
{
	PyObject *events = PyImport_ImportModule("asyncio.selector_events");
	PyObject *sockets = PyImport_ImportModule("socket");
	PyObject *base = events ? PyObject_GetAttrString(events,
	    "_SelectorSocketTransport") : NULL;
	bool ok = base && sockets;

#define X(member, text) \
	a->stock.member = ok ? PyObject_GetAttrString(base, text) : NULL; \
	ok = ok && a->stock.member;
	STOCK(X)
#undef X
	a->socket_type = ok ? (PyTypeObject *)PyObject_GetAttrString(sockets,
	    "socket") : NULL;
	Py_XDECREF(base);
	Py_XDECREF(sockets);
	Py_XDECREF(events);
	return a->socket_type ? 0 : -1;
}

int
aloop_conn_add_type(struct aloop_state *al, PyObject *module)
{
	struct aloop_conn *a = mem_try_zero(sizeof(*a));

	if (!a) {
		PyErr_NoMemory();
		return -1;
	}
	al->conn = a;
#define X(member, text) \
	a->s.member = PyUnicode_InternFromString(text); \
	if (!a->s.member) \
		return -1;
	NAMES(X)
#undef X
	a->zero = PyLong_FromLong(0);
	a->minus_one = PyLong_FromLong(-1);
	a->empty = PyBytes_FromStringAndSize("", 0);
	if (!a->zero || !a->minus_one || !a->empty || find_stock(a) == -1)
		return -1;
	a->type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &conn_spec,
	    NULL);
	return a->type ? PyModule_AddType(module, a->type) : -1;
}
