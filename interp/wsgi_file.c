/* See LICENSE for the terms. */
/*
 * wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling"):
 * an iterable over a file's blocks, which the server sends without asking it
 * for any where the file is a plain one on disk: by sendfile().
 *
 * Plain is only what io.open() gives in binary mode.  Others have a fileno(),
 * too (gzip's is that of the compressed file), but not its bytes.
 *
 * Thread: a WSGI thread with the GIL, without the token.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/util.h"
#include "interp/feed.h"
#include "interp/state.h"
#include "interp/wsgi.h"

#define BLOCK 8192

struct wrapper {
	PyObject_HEAD
	PyObject *file;
	PyObject *block;		/* int: what read() is asked for */
};

static PyObject *
wrapper_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "filelike", "block_size", NULL };
	Py_ssize_t block = BLOCK;
	struct wrapper *w;
	PyObject *file;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:file_wrapper",
	    (char **)(uintptr_t)names, &file, &block))
		return NULL;
	w = (struct wrapper *)type->tp_alloc(type, 0);
	if (!w)
		return NULL;
	w->file = Py_NewRef(file);
	w->block = PyLong_FromSsize_t(block);
	if (!w->block)
		Py_CLEAR(w);
	return (PyObject *)w;
}

static int
wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct wrapper *)self)->file);
	return 0;
}

static int
wrapper_clear(PyObject *self)
{
	Py_CLEAR(((struct wrapper *)self)->file);
	return 0;
}

static void
wrapper_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	wrapper_clear(self);
	Py_XDECREF(((struct wrapper *)self)->block);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyObject *
wrapper_iter(PyObject *self)
{
	return Py_NewRef(self);
}

static PyObject *
wrapper_next(PyObject *self)
{
	struct wrapper *w = (struct wrapper *)self;
	PyObject *data = PyObject_CallMethod(w->file, "read", "O", w->block);

	/* Nothing, of whatever type, is the end. */
	if (data && PyObject_Size(data) == 0)
		Py_CLEAR(data);
	else if (data && PyErr_Occurred())
		Py_CLEAR(data);
	return data;
}

static PyObject *
wrapper_close(PyObject *self, PyObject *unused)
{
	struct wrapper *w = (struct wrapper *)self;
	PyObject *close = PyObject_GetAttrString(w->file, "close"), *got;

	(void)unused;
	if (!close && PyErr_ExceptionMatches(PyExc_AttributeError)) {
		PyErr_Clear();
		Py_RETURN_NONE;
	}
	got = close ? PyObject_CallNoArgs(close) : NULL;
	Py_XDECREF(close);
	return got;
}

static PyMethodDef wrapper_methods[] = {
	{ "close", wrapper_close, METH_NOARGS, "close(): closes the file." },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot wrapper_slots[] = {
	{ Py_tp_new, wrapper_new },
	{ Py_tp_traverse, wrapper_traverse },
	{ Py_tp_clear, wrapper_clear },
	{ Py_tp_dealloc, wrapper_dealloc },
	{ Py_tp_iter, wrapper_iter },
	{ Py_tp_iternext, wrapper_next },
	{ Py_tp_methods, wrapper_methods },
	{ 0, NULL }
};

static PyType_Spec wrapper_spec = {
	.name = "_shoal.FileWrapper",
	.basicsize = sizeof(struct wrapper),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = wrapper_slots,
};

int
wsgi_file_add_types(struct pystate *st, PyObject *module)
{
	st->wsgi_wrapper_type = (PyTypeObject *)PyType_FromModuleAndSpec(
	    module, &wrapper_spec, NULL);
	return st->wsgi_wrapper_type ? 0 : -1;
}

/* Whether <o> is of the type <name> of the module io, and no subclass. */
static bool
is_io(PyObject *o, const char *name)
{
	PyObject *io = PyImport_ImportModule("io");
	PyObject *type = io ? PyObject_GetAttrString(io, name) : NULL;
	bool is = type && (PyObject *)Py_TYPE(o) == type;

	Py_XDECREF(type);
	Py_XDECREF(io);
	return is;
}

static bool
is_plain(PyObject *file)
{
	PyObject *raw;
	bool is;

	if (is_io(file, "FileIO"))
		return true;
	if (!is_io(file, "BufferedReader") && !is_io(file, "BufferedRandom"))
		return false;
	raw = PyObject_GetAttrString(file, "raw");
	is = raw && is_io(raw, "FileIO");
	Py_XDECREF(raw);
	return is;
}

/* Where Python reads next; -1 with an exception. */
static off_t
position(PyObject *file)
{
	PyObject *at = PyObject_CallMethod(file, "tell", NULL);
	long long n = at ? PyLong_AsLongLong(at) : -1;

	Py_XDECREF(at);
	return n;
}

/* The descriptor of a plain file; its rest is [*at, *end).  -1: it is none. */
static int
plain_file(PyObject *file, off_t *at, off_t *end)
{
	struct stat info;
	int fd = -1;

	if (is_plain(file))
		fd = PyObject_AsFileDescriptor(file);
	if (fd != -1 && (fstat(fd, &info) == -1 || !S_ISREG(info.st_mode)))
		fd = -1;
	if (fd != -1) {
		*at = position(file);
		*end = info.st_size;
		if (*at < 0 || *at > *end)
			fd = -1;
	}
	/* Whatever is wrong, read() will say. */
	PyErr_Clear();
	return fd;
}

/* One that leaves with its head by one send. */
static int
send_small(struct call *c, int fd, off_t at, size_t n)
{
	char piece[FEED_SMALL];
	ssize_t got;

	Py_BEGIN_ALLOW_THREADS
	do
		got = pread(fd, piece, n, at);
	while (got == -1 && errno == EINTR);
	Py_END_ALLOW_THREADS
	if (got == (ssize_t)n)
		return wsgi_write(c, piece, n);
	if (got >= 0)
		PyErr_SetString(PyExc_OSError, "the file has become shorter "
		    "while it was sent");
	else
		PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}

/* The application may close its own when the last bytes are on their way. */
static int
send_large(struct call *c, int fd, off_t at, size_t n)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;
	struct file *f;

	if (own == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	f = file_new(own);
	if (!f) {
		PyErr_NoMemory();
		return -1;
	}
	err = wsgi_write_file(c, f, (uint64_t)at, n);
	file_unref(f);
	return err;
}

int
wsgi_send_file(struct call *c, PyObject *wrapper)
{
	off_t at, end;
	int fd, err = 0;

	fd = plain_file(((struct wrapper *)wrapper)->file, &at, &end);
	if (fd == -1 || !c->has_head)
		return 0;
	/* A shorter length is a part of the file that is asked for. */
	if (c->res.length < 0 && !c->head_out)
		c->res.length = end - at;
	if (c->res.length >= 0)
		end = MIN(end, at + c->res.length - (off_t)c->sent);
	if (res_has_no_body(&c->res, c->head))
		return 1;
	if (end - at > FEED_SMALL)
		err = send_large(c, fd, at, (size_t)(end - at));
	else if (at < end)
		err = send_small(c, fd, at, (size_t)(end - at));
	return err == -1 ? -1 : 1;
}
