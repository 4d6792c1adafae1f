/* See LICENSE for the terms. */
/*
 * The messages that an application sends, and what is wrong with them.
 *
 *   start -> body, zerocopysend (more_body) ... -> the last one, or pathsend
 *         -> trailers (more_trailers) ... -> the last, if start promised them
 *
 * What is wrong raises in the application with a text that names the fault,
 * and before anything of the message took effect.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conn.h"
#include "core/util.h"
#include "interp/asgi_priv.h"
#include "interp/channel.h"
#include "interp/flow.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/res.h"

static int
refuse(PyObject *type, const char *text)
{
	PyErr_SetString(type, text);
	return -1;
}

/* A key's truth, false where there is none; -1 with an exception. */
static int
get_flag(PyObject *msg, PyObject *key)
{
	PyObject *value;
	int n;

	if (PyDict_GetItemRef(msg, key, &value) == -1)
		return -1;
	n = value ? PyObject_IsTrue(value) : 0;
	Py_XDECREF(value);
	return n;
}

/* ---- headers ---- */

typedef int (*add_fn)(struct res *h, struct str name, struct str value);

static struct str
bytes_of(PyObject *o)
{
	return (struct str){ PyBytes_AS_STRING(o),
		(size_t)PyBytes_GET_SIZE(o) };
}

/* One (name, value) of the message's headers; -1 with an exception. */
static int
add_header(struct res *h, PyObject *pair, Py_ssize_t i, add_fn add)
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
	err = add(h, bytes_of(name), bytes_of(value));
	if (err) {
		PyErr_Format(PyExc_ValueError, "header %zd (%R): %s", i, name,
		    res_error_text(err));
		err = -1;
	}
out:
	Py_DECREF(fast);
	return err;
}

static int
add_each(struct res *h, PyObject *headers, add_fn add)
{
	PyObject *fast = PySequence_Fast(headers, "headers must be an "
	    "iterable of pairs of bytes");
	int err = fast ? 0 : -1;

	for (Py_ssize_t i = 0; !err && i < PySequence_Fast_GET_SIZE(fast); i++)
		err = add_header(h, PySequence_Fast_GET_ITEM(fast, i), i, add);
	Py_XDECREF(fast);
	return err;
}

int
asgi_add_headers(struct res *h, PyObject *headers)
{
	return add_each(h, headers, res_field);
}

/* The message's headers, if it has any. */
static int
add_headers(struct exchange *ex, struct res *h, PyObject *msg, add_fn add)
{
	PyObject *headers;
	int err;

	if (PyDict_GetItemRef(msg, ex->task.st->s.headers, &headers) == -1)
		return -1;
	if (!headers)
		return 0;
	err = add_each(h, headers, add);
	Py_DECREF(headers);
	return err;
}

/* ---- http.response.start, early_hint ---- */

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
	int trailers, err;

	if (h->started)
		return refuse(PyExc_RuntimeError,
		    "http.response.start was already sent");
	res_reset(h);
	/* A WebSocket's refusal has none. */
	trailers = ex->phase ? 0 : get_flag(msg, ex->task.st->s.trailers);
	if (trailers == -1 || set_status(ex, h, msg) == -1 ||
	    add_headers(ex, h, msg, res_field) == -1) {
		res_reset(h);
		return -1;
	}
	h->has_trailers = trailers;
	err = res_start(r, h);
	if (!err)
		return 0;
	PyErr_Format(PyExc_RuntimeError, "http.response.start: %s",
	    res_error_text(err));
	return -1;
}

static int
add_links(struct res *h, PyObject *links)
{
	PyObject *fast = PySequence_Fast(links, "http.response.early_hint: "
	    "links must be an iterable of bytes");
	int err = fast ? 0 : -1;

	for (Py_ssize_t i = 0; !err && i < PySequence_Fast_GET_SIZE(fast);
	    i++) {
		PyObject *link = PySequence_Fast_GET_ITEM(fast, i);

		if (!PyBytes_Check(link)) {
			PyErr_Format(PyExc_TypeError, "http.response."
			    "early_hint: link %zd must be bytes, not %.100s",
			    i, Py_TYPE(link)->tp_name);
			err = -1;
			break;
		}
		err = res_field(h, STR("link"), bytes_of(link));
		if (err)
			PyErr_Format(PyExc_ValueError, "http.response."
			    "early_hint: link %zd: %s", i,
			    res_error_text(err));
	}
	Py_XDECREF(fast);
	return err ? -1 : 0;
}

static int
send_hint(struct exchange *ex, PyObject *msg)
{
	struct res h = { .length = -1 };
	PyObject *links;
	int err;

	if (ex->req->res.started)
		return refuse(PyExc_RuntimeError, "http.response.early_hint "
		    "came behind http.response.start");
	if (PyDict_GetItemRef(msg, ex->task.st->s.links, &links) == -1)
		return -1;
	if (!links)
		return refuse(PyExc_ValueError,
		    "http.response.early_hint: links are missing");
	err = add_links(&h, links);
	Py_DECREF(links);
	if (!err)
		res_hint(ex->req, &h);
	res_fini(&h);
	return err ? -1 : 1;
}

/* ---- the body ---- */

/* What was found out only when all was sent: 1, or -1 with an exception. */
static int
outcome(const struct exchange *ex)
{
	if (ex->shrunk)
		return refuse(PyExc_OSError, "the file could not be read as "
		    "far as it was to be sent; the response was cut");
	if (ex->is_short)
		return refuse(PyExc_RuntimeError, "the response's body is "
		    "shorter than its Content-Length");
	return 1;
}

/* The response's last byte was given; -1: it was too short. */
static int
finish(struct exchange *ex)
{
	ex->is_short = res_end(ex->req) != 0;
	ex->ended = true;
	asgi_release(ex);
	return outcome(ex);
}

int
asgi_push(struct exchange *ex)
{
	int done = feed_push(&ex->body, ex->req);

	if (done == 0)
		return 0;
	feed_drop(&ex->body);
	if (done == -1) {
		ex->shrunk = true;
		asgi_release(ex);
		return outcome(ex);
	}
	if (ex->more)
		return 1;
	ex->trailing = ex->req->res.has_trailers;
	return ex->trailing ? 1 : finish(ex);
}

/* flow_fn of a message that has to wait. */
static int
sent_now(PyObject *self, PyObject **result)
{
	struct exchange *ex = (struct exchange *)self;

	if (ex->body.kind)
		return 0;
	if (outcome(ex) == -1)
		return -1;
	if (!ex->req && !ex->ended)
		return refuse(PyExc_OSError, "the client has left");
	*result = Py_NewRef(Py_None);
	return 1;
}

/* Sends what ex->body holds; bytes above a Content-Length are dropped. */
static int
send_feed(struct exchange *ex)
{
	size_t n = ex->body.end - ex->body.at;
	size_t over = res_excess(ex->req, n);
	int done;

	if (over > 0)
		ex->more = false;
	ex->body.end -= over;
	if (!ex->more)
		res_last(ex->req, n - over);
	done = asgi_push(ex);
	if (over == 0 || done == -1)
		return done;
	return refuse(PyExc_RuntimeError, "the response's body is longer than "
	    "its Content-Length; the rest was dropped");
}

/* Whether a part of the body may come now; -1 with an exception. */
static int
check_body(const struct exchange *ex, PyObject *type)
{
	if (!ex->req->res.started)
		PyErr_Format(PyExc_RuntimeError, "%U came before "
		    "http.response.start", type);
	else if (ex->trailing)
		PyErr_Format(PyExc_RuntimeError, "%U was sent after the body "
		    "was complete", type);
	else if (ex->body.kind)
		PyErr_Format(PyExc_RuntimeError, "%U: the message before it "
		    "is still being sent; await it", type);
	else
		return 0;
	return -1;
}

static int
send_body(struct exchange *ex, PyObject *msg)
{
	struct pystate *st = ex->task.st;
	PyObject *body;
	int err, more;

	if (check_body(ex, st->s.response_body) == -1)
		return -1;
	more = get_flag(msg, st->s.more_body);
	if (more == -1 || PyDict_GetItemRef(msg, st->s.body, &body) == -1)
		return -1;
	if (!body)
		body = Py_NewRef(st->empty_bytes);
	if (PyObject_CheckBuffer(body)) {
		err = feed_open(&ex->body, body);
	} else {
		PyErr_Format(PyExc_TypeError, "http.response.body: body must "
		    "be bytes, not %.100s", Py_TYPE(body)->tp_name);
		err = -1;
	}
	Py_DECREF(body);
	if (err)
		return -1;
	ex->more = more;
	return send_feed(ex);
}

/* ---- files ---- */

static int
send_path(struct exchange *ex, PyObject *type, PyObject *msg)
{
	PyObject *path, *name;
	uint64_t size;
	int fd;

	if (check_body(ex, type) == -1 ||
	    PyDict_GetItemRef(msg, ex->task.st->s.path, &path) == -1)
		return -1;
	if (!path || !PyUnicode_Check(path) ||
	    !PyUnicode_FSConverter(path, &name)) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_TypeError,
			    "http.response.pathsend: path must be a str");
		Py_XDECREF(path);
		return -1;
	}
	if (PyBytes_AS_STRING(name)[0] == '/') {
		fd = feed_open_path(PyBytes_AS_STRING(name), &size);
		if (fd < 0) {
			errno = -fd;
			PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError,
			    path);
		}
	} else {
		fd = -1;
		PyErr_Format(PyExc_ValueError, "http.response.pathsend: the "
		    "path must be absolute, not %R", path);
	}
	Py_DECREF(name);
	Py_DECREF(path);
	if (fd < 0)
		return -1;
	if (feed_open_file(&ex->body, fd, 0, size) == -1)
		return -1;
	ex->more = false;
	return send_feed(ex);
}

/* A number of bytes; -1 for none and None, -2 with an exception. */
static int64_t
get_number(PyObject *msg, PyObject *key)
{
	PyObject *value;
	int64_t n = -1;

	if (PyDict_GetItemRef(msg, key, &value) == -1)
		return -2;
	if (value && value != Py_None) {
		n = PyLong_AsLongLong(value);
		if (n < 0 && !PyErr_Occurred())
			PyErr_Format(PyExc_ValueError, "http.response."
			    "zerocopysend: %U must not be negative", key);
		if (n < 0)
			n = -2;
	}
	Py_XDECREF(value);
	return n;
}

/*
 * A regular file's descriptor, ours; -1 with an exception.  <at>: where it is
 * read next, without an offset; <size>: its bytes.
 */
static int
get_file(struct exchange *ex, PyObject *msg, int *theirs, off_t *at,
    off_t *size)
{
	PyObject *file;
	struct stat info;
	int fd;

	if (PyDict_GetItemRef(msg, ex->task.st->s.file, &file) == -1)
		return -1;
	if (!file)
		return refuse(PyExc_ValueError, "http.response.zerocopysend: "
		    "the file is missing");
	*theirs = PyObject_AsFileDescriptor(file);
	Py_DECREF(file);
	if (*theirs == -1)
		return -1;
	*at = lseek(*theirs, 0, SEEK_CUR);
	if (*at == -1 || fstat(*theirs, &info) == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (!S_ISREG(info.st_mode))
		return refuse(PyExc_ValueError, "http.response.zerocopysend: "
		    "the file must be a regular one");
	*size = info.st_size;
	fd = fcntl(*theirs, F_DUPFD_CLOEXEC, 0);
	if (fd == -1)
		PyErr_SetFromErrno(PyExc_OSError);
	return fd;
}

/* As os.sendfile(): up to <count> bytes, and less at the file's end. */
static int
send_file(struct exchange *ex, PyObject *type, PyObject *msg)
{
	struct state_names *s = &ex->task.st->s;
	int64_t offset, count, from, to;
	off_t at, size;
	int more, fd, theirs;

	if (check_body(ex, type) == -1)
		return -1;
	more = get_flag(msg, s->more_body);
	offset = more == -1 ? -2 : get_number(msg, s->offset);
	count = offset == -2 ? -2 : get_number(msg, s->count);
	if (count == -2)
		return -1;
	fd = get_file(ex, msg, &theirs, &at, &size);
	if (fd == -1)
		return -1;
	from = MIN(offset == -1 ? at : offset, size);
	to = count == -1 || count > size - from ? size : from + count;
	/* Without an offset the file goes on behind what was sent. */
	if (offset == -1)
		lseek(theirs, to, SEEK_SET);
	if (feed_open_file(&ex->body, fd, (uint64_t)from, (uint64_t)to) == -1)
		return -1;
	ex->more = more;
	return send_feed(ex);
}

/* ---- trailers ---- */

static int
send_trailers(struct exchange *ex, PyObject *msg)
{
	struct res *h = &ex->req->res;
	int more;

	if (!h->started || !h->has_trailers)
		return refuse(PyExc_RuntimeError, "http.response.trailers "
		    "were not announced by http.response.start");
	if (!ex->trailing)
		return refuse(PyExc_RuntimeError, "http.response.trailers "
		    "came before the body was complete");
	more = get_flag(msg, ex->task.st->s.more_trailers);
	if (more == -1 || add_headers(ex, h, msg, res_trailer) == -1)
		return -1;
	return more ? 1 : finish(ex);
}

/* ---- send() ---- */

bool
asgi_is(PyObject *a, PyObject *interned)
{
	return a == interned || (PyUnicode_Check(a) &&
	    PyUnicode_Compare(a, interned) == 0);
}

/* What a message did (1, 0: it has to wait, -1) as an awaitable, or NULL. */
static PyObject *
awaitable(struct exchange *ex, int done)
{
	if (done == 1)
		return Py_NewRef(ex->task.st->done);
	if (done == 0)
		return flow_new(ex->task.st, (PyObject *)ex, &ex->waiters,
		    sent_now);
	return NULL;
}

PyObject *
asgi_send_body(struct exchange *ex, PyObject *msg)
{
	return awaitable(ex, send_body(ex, msg));
}

static int
dispatch(struct exchange *ex, PyObject *type, PyObject *msg)
{
	const struct state_names *s = &ex->task.st->s;
	int done;

	if (asgi_is(type, s->response_body))
		return send_body(ex, msg);
	if (asgi_is(type, s->response_start))
		return asgi_send_start(ex, msg) == 0 ? 1 : -1;
	if (asgi_is(type, s->response_pathsend))
		return send_path(ex, type, msg);
	if (asgi_is(type, s->response_zerocopysend))
		return send_file(ex, type, msg);
	if (asgi_is(type, s->response_trailers))
		return send_trailers(ex, msg);
	if (asgi_is(type, s->response_early_hint))
		return send_hint(ex, msg);
	done = channel_message(ex, type, msg);
	if (done == 0)
		PyErr_Format(PyExc_ValueError, "send(): %R is no message of "
		    "an HTTP response", type);
	return done == 0 ? -1 : done;
}

/* A message of a response. */
static PyObject *
send_http(struct exchange *ex, PyObject *type, PyObject *msg)
{
	if (ex->ended)
		return PyErr_Format(PyExc_RuntimeError, "%S was sent after "
		    "the response was complete", type);
	if (asgi_is_left(ex) || ex->told)
		return PyErr_Format(PyExc_OSError, "the client has left");
	return awaitable(ex, dispatch(ex, type, msg));
}

static PyObject *
send_typed(struct exchange *ex, PyObject *type, PyObject *msg)
{
	PyObject *out;

	/* By a __bool__, say: it could end what the outer one writes to. */
	if (ex->sending)
		return PyErr_Format(PyExc_RuntimeError,
		    "send() was called by what a message contains");
	ex->sending = true;
	out = ex->phase ? asgi_ws_send(ex, type, msg) :
	    send_http(ex, type, msg);
	ex->sending = false;
	return out;
}

PyObject *
asgi_send(struct exchange *ex, PyObject *msg)
{
	PyObject *type, *out;

	if (!PyDict_Check(msg))
		return PyErr_Format(PyExc_TypeError, "send() takes a dict, "
		    "not %.100s", Py_TYPE(msg)->tp_name);
	if (PyDict_GetItemRef(msg, ex->task.st->s.type, &type) == -1)
		return NULL;
	if (!type)
		return PyErr_Format(PyExc_ValueError,
		    "send(): the message has no \"type\"");
	out = send_typed(ex, type, msg);
	Py_DECREF(type);
	return out;
}
