/* See LICENSE for the terms. */
/*
 * A regular file that bytes are sent from, with a count of references.
 *
 * Whoever has a piece of it still to send holds it, so that the descriptor is
 * open for as long as the last of them is on its way: an output (core/bytes.h),
 * a response's body.  A piece is a place and a length; the file's own position
 * is not used.
 *
 * Thread: any; the last to let go of it closes it.
 */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <stdatomic.h>
#include <stdint.h>

struct file {
	_Atomic uint32_t refs;
	int fd;
};

/* Takes over <fd>, and closes it on failure: NULL for want of memory. */
struct file *file_new(int fd);

static inline struct file *
file_ref(struct file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void file_unref(struct file *f);

/* Its path, for the log, at <to>: as far as FILE_TEXT allows. */
#define FILE_TEXT 512
const char *file_path(const struct file *f, char to[FILE_TEXT]);

#endif
