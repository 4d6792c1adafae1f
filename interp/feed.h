/* See LICENSE for the terms. */
/*
 * A piece of a response's body on its way out: an object's bytes, or a
 * stretch of a file.
 *
 * What does not fit into the output at once is not copied: the object is held,
 * the file kept open, and feed_push() called again from app_ops->room().  A
 * file's bytes are not read here at all, but for a small one's: read, it leaves
 * with its head by one send.  A zeroed feed is an empty one.
 *
 * Thread: the GIL's and the shard's token's holder.  Owner: whoever embeds it,
 * who calls feed_drop() before its memory goes.
 */
#ifndef INTERP_FEED_H
#define INTERP_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"
#include "interp/py.h"

/* A file up to this is read and copied: that costs less than sendfile(). */
#define FEED_SMALL (8u << 10)

struct file;
struct req;

enum feed_kind { FEED_NONE, FEED_BUFFER, FEED_FILE };

struct feed {
	Py_buffer buf;			/* FEED_BUFFER */
	struct file *file;		/* FEED_FILE */
	uint8_t kind;
	uint64_t at;			/* the next byte: index, or offset */
	uint64_t end;			/* one behind the last */
};

/* Holds the bytes of <data>, a str's as UTF-8.  -1 with an exception. */
int feed_open(struct feed *f, PyObject *data);
/*
 * A regular file's descriptor, for feed_open_file(), and its size.  -errno;
 * -EISDIR for what is no file.
 */
int feed_open_path(const char *path, uint64_t *size);
/*
 * Takes over <fd>, also on failure, for the bytes [from, to) of it.  -1 with an
 * exception.
 */
int feed_open_file(struct feed *f, int fd, uint64_t from, uint64_t to);
/*
 * Writes what there is space for.  1: all is taken, or would go nowhere;
 * 0: room() will tell when to go on; -1: the file cannot be read to <end>.
 */
int feed_push(struct feed *f, struct req *r);
/*
 * Writes what there is space for of the <n> bytes at <p>, which are <owner>'s:
 * how many were taken.  Those of bytes or str may be held instead of copied,
 * until they have left.
 */
size_t feed_write(struct req *r, PyObject *owner, const void *p, size_t n);
/* Lets go of it; does nothing to an empty one. */
void feed_drop(struct feed *f);

#endif
