/* See LICENSE for the terms. */
#include "core/file.h"

#include <stdio.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/util.h"

struct file *
file_new(int fd)
{
	struct file *f = mem_try(sizeof(*f));

	if (!f) {
		close(fd);
		return NULL;
	}
	atomic_init(&f->refs, 1);
	f->fd = fd;
	return f;
}

void
file_unref(struct file *f)
{
	/* Release and acquire: the close comes after everybody's last use. */
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
		return;
	close(f->fd);
	mem_free(f);
}

const char *
file_path(const struct file *f, char to[FILE_TEXT])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	n = readlink(link, to, FILE_TEXT - 1);
	to[MAX(n, 0)] = '\0';
	return n > 0 ? to : "(unknown)";
}
