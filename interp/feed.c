/* See LICENSE for the terms. */
#include "interp/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/util.h"
#include "proto/req.h"
#include "proto/res.h"

int
feed_open(struct feed *f, PyObject *data)
{
	const char *text;
	Py_ssize_t n;
	int err;

	if (PyUnicode_Check(data)) {
		text = PyUnicode_AsUTF8AndSize(data, &n);
		err = text ? PyBuffer_FillInfo(&f->buf, data,
		    (void *)(uintptr_t)text, n, 1, PyBUF_SIMPLE) : -1;
	} else {
		err = PyObject_GetBuffer(data, &f->buf, PyBUF_SIMPLE);
	}
	if (err)
		return -1;
	f->kind = FEED_BUFFER;
	f->at = 0;
	f->end = (uint64_t)f->buf.len;
	return 0;
}

int
feed_open_path(const char *path, uint64_t *size)
{
	/* Not blocking: a FIFO's open would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err = 0;

	if (fd == -1)
		return -errno;
	if (fstat(fd, &st) == -1)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EISDIR;
	if (err) {
		close(fd);
		return err;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int
feed_open_file(struct feed *f, int fd, uint64_t from, uint64_t to)
{
	f->file = file_new(fd);
	if (!f->file) {
		PyErr_NoMemory();
		return -1;
	}
	f->kind = FEED_FILE;
	f->at = from;
	f->end = to;
	return 0;
}

/* The whole of what is left, if it is small and there is space for it. */
static int
push_small(struct feed *f, struct req *r)
{
	char piece[FEED_SMALL];
	size_t n = f->end - f->at;
	ssize_t got;

	do
		got = pread(f->file->fd, piece, n, (off_t)f->at);
	while (got == -1 && errno == EINTR);
	if (got < (ssize_t)n)
		return -1;
	f->at += res_write(r, piece, n);
	return f->at == f->end;
}

static int
push_file(struct feed *f, struct req *r)
{
	/* Nobody would see it. */
	if (!r->conn || r->res.no_body)
		return 1;
	if (f->end - f->at <= MIN((size_t)FEED_SMALL, res_space(r)))
		return push_small(f, r);
	f->at += res_write_file(r, f->file, f->at, f->end - f->at);
	return f->at == f->end;
}

size_t
feed_write(struct req *r, PyObject *owner, const void *p, size_t n)
{
	bool lent = false;
	size_t took;

	/* Only of these it is known that nobody changes them. */
	if (!PyBytes_CheckExact(owner) && !PyUnicode_CheckExact(owner))
		return res_write(r, p, n);
	took = res_lend(r, owner, p, n, &lent);
	if (lent)
		Py_INCREF(owner);
	return took;
}

int
feed_push(struct feed *f, struct req *r)
{
	if (f->kind == FEED_FILE)
		return push_file(f, r);
	f->at += feed_write(r, f->buf.obj, (const char *)f->buf.buf + f->at,
	    f->end - f->at);
	return f->at == f->end;
}

void
feed_drop(struct feed *f)
{
	if (f->kind == FEED_BUFFER)
		PyBuffer_Release(&f->buf);
	else if (f->kind == FEED_FILE)
		file_unref(f->file);
	f->kind = FEED_NONE;
}
