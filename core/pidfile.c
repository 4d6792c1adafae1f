/* See LICENSE for the terms. */
/*
 * The pid file: see pidfile.h.
 */
#include "core/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The process named in the file, or 0. */
static pid_t
read_pid(int fd)
{
	char buf[32] = "", *end;
	size_t at = 0;
	ssize_t got;
	long n;

	do {
		got = pread(fd, buf + at, sizeof(buf) - 1 - at, (off_t)at);
		at += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got == -1 && errno == EINTR));
	n = strtol(buf, &end, 10);
	if (end == buf || n <= 0 || n > INT32_MAX)
		return 0;
	return (pid_t)n;
}

/* In a container a dead server may have had the pid that we have now. */
static int
is_alive(pid_t pid)
{
	return pid && pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM);
}

static int
write_pid(int fd)
{
	char buf[32];
	int n = snprintf(buf, sizeof(buf), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) == -1)
		return -errno;
	for (ssize_t at = 0, put; at < n; at += put) {
		put = pwrite(fd, buf + at, (size_t)(n - at), at);
		if (put == -1 && errno == EINTR)
			put = 0;
		else if (put <= 0)
			return put == -1 ? -errno : -EIO;
	}
	return 0;
}

static int
lock(int fd, pid_t *holder)
{
	*holder = read_pid(fd);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		return -EEXIST;
	return is_alive(*holder) ? -EEXIST : 0;
}

int
pidfile_open(struct pidfile *p, const char *path, pid_t *holder)
{
	int err;

	p->path = NULL;
	p->fd = -1;
	if (!path)
		return 0;
	p->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (p->fd == -1)
		return -errno;
	err = lock(p->fd, holder);
	if (!err)
		err = write_pid(p->fd);
	if (err) {
		close(p->fd);
		p->fd = -1;
		return err;
	}
	p->path = path;
	return 0;
}

void
pidfile_close(struct pidfile *p)
{
	struct stat ours, there;

	if (p->fd == -1)
		return;
	if (fstat(p->fd, &ours) == 0 && stat(p->path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(p->path);
	close(p->fd);
	p->fd = -1;
}
