/* See LICENSE for the terms. */
/*
 * RSGI's responses from files: opened here, and sent in pieces as the client
 * takes them (feed.h).  The size is taken once; a file that shrinks while it
 * is sent cuts the response, and one that grows is sent as it was.
 */
#include <errno.h>
#include <unistd.h>

#include "interp/rsgi_priv.h"
#include "proto/req.h"
#include "proto/res.h"

/* Whether the path names nothing that can be sent, which is a 404. */
static bool
is_missing(int err)
{
	return err == ENOENT || err == ENOTDIR || err == EACCES ||
	    err == EISDIR || err == ELOOP || err == ENAMETOOLONG ||
	    err == ENXIO;
}

/* The file of a response, prepared; -1: answered, or an exception. */
static int
take_file(struct rsgi_proto *p, PyObject *path, uint64_t *size)
{
	PyObject *bytes = NULL;
	int fd = -ENOENT;

	if (PyUnicode_FSConverter(path, &bytes))
		fd = feed_open_path(PyBytes_AS_STRING(bytes), size);
	else if (!PyErr_ExceptionMatches(PyExc_ValueError))
		return -1;
	Py_XDECREF(bytes);
	if (fd >= 0)
		return fd;
	if (is_missing(-fd)) {
		/* Of a name with a NUL in it no file can be. */
		PyErr_Clear();
		p->answer = ANSWER_LAST;
		res_fail(p->req, 404);
	} else {
		errno = -fd;
		PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
	}
	return -1;
}

/* Sends the bytes [from, to) of <fd>, which is taken over. */
static PyObject *
send_file(struct rsgi_proto *p, int fd, uint64_t from, uint64_t to)
{
	if (feed_open_file(&p->feed, fd, from, to) == -1)
		return NULL;
	if (rsgi_start(p, to - from) == -1) {
		feed_drop(&p->feed);
		return NULL;
	}
	rsgi_send_feed(p);
	Py_RETURN_NONE;
}

/* None where take_file() has answered, NULL where it has raised. */
static PyObject *
no_file(struct rsgi_proto *p)
{
	if (!PyErr_Occurred())
		Py_RETURN_NONE;
	if (p->req)
		res_reset(&p->req->res);
	return NULL;
}

PyObject *
rsgi_file(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = {
		"status", "headers", "file", NULL
	};
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	PyObject *v[3];
	uint64_t size;
	int fd;

	if (rsgi_args("response_file", names, args, n, kwnames, v) == -1)
		return NULL;
	if (!v[2]) {
		PyErr_SetString(PyExc_TypeError,
		    "response_file() needs a file");
		return NULL;
	}
	if (rsgi_prepare(p, v[0], v[1]) == -1)
		return NULL;
	fd = take_file(p, v[2], &size);
	if (fd == -1)
		return no_file(p);
	return send_file(p, fd, 0, size);
}

/* A bound of a range; -1 with an exception. */
static int64_t
bound(PyObject *o)
{
	int64_t n = PyLong_AsLongLong(o);

	if (n >= 0)
		return n;
	if (!PyErr_Occurred())
		PyErr_SetString(PyExc_ValueError, "Invalid range");
	return -1;
}

static bool
range_is_in(int64_t from, int64_t to, uint64_t size)
{
	if (from < to && (uint64_t)to <= size)
		return true;
	if (from >= to)
		PyErr_SetString(PyExc_ValueError, "Invalid range");
	else
		PyErr_Format(PyExc_ValueError, "Invalid range: it ends at "
		    "%lld, and the file has %llu bytes", (long long)to,
		    (unsigned long long)size);
	return false;
}

PyObject *
rsgi_file_range(PyObject *self, PyObject *const *args, Py_ssize_t n,
    PyObject *kwnames)
{
	static const char *const names[] = {
		"status", "headers", "file", "start", "end", NULL
	};
	struct rsgi_proto *p = (struct rsgi_proto *)self;
	PyObject *v[5];
	int64_t from, to;
	uint64_t size;
	int fd;

	if (rsgi_args("response_file_range", names, args, n, kwnames,
	    v) == -1)
		return NULL;
	if (!v[2] || !v[3] || !v[4]) {
		PyErr_SetString(PyExc_TypeError, "response_file_range() "
		    "needs a file, a start and an end");
		return NULL;
	}
	from = bound(v[3]);
	to = from < 0 ? -1 : bound(v[4]);
	if (to < 0 || !range_is_in(from, to, INT64_MAX) ||
	    rsgi_prepare(p, v[0], v[1]) == -1)
		return NULL;
	fd = take_file(p, v[2], &size);
	if (fd == -1)
		return no_file(p);
	if (range_is_in(from, to, size))
		return send_file(p, fd, (uint64_t)from, (uint64_t)to);
	close(fd);
	return no_file(p);
}
