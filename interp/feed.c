/* See LICENSE for the terms. */
#include "interp/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util.h"
#include "proto/req.h"
#include "proto/res.h"

/* One read of a file; it is copied once more, into the output. */
#define FILE_PIECE (64u << 10)
/* A full output is asked with this much, so that room() will be called. */
#define ASK 1024

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

void
feed_open_file(struct feed *f, int fd, uint64_t from, uint64_t to)
{
	f->kind = FEED_FILE;
	f->fd = fd;
	f->at = from;
	f->end = to;
}

static int
push_file(struct feed *f, struct req *r)
{
	char piece[FILE_PIECE];

	/* Nobody would see it. */
	if (!r->conn || r->res.no_body)
		return 1;
	while (f->at < f->end) {
		size_t n = MIN(sizeof(piece), f->end - f->at);
		size_t space = res_space(r), took;
		ssize_t got;

		got = pread(f->fd, piece, MIN(n, MAX(space, (size_t)ASK)),
		    (off_t)f->at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		took = res_write(r, piece, (size_t)got);
		f->at += took;
		if (took < (size_t)got)
			return 0;
	}
	return 1;
}

int
feed_push(struct feed *f, struct req *r)
{
	if (f->kind == FEED_FILE)
		return push_file(f, r);
	f->at += res_write(r, (const char *)f->buf.buf + f->at,
	    f->end - f->at);
	return f->at == f->end;
}

void
feed_drop(struct feed *f)
{
	if (f->kind == FEED_BUFFER)
		PyBuffer_Release(&f->buf);
	else if (f->kind == FEED_FILE)
		close(f->fd);
	f->kind = FEED_NONE;
}
